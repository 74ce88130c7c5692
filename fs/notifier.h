// Tells the kernel what changed behind its back, and gives free memory back: a thread for that
// alone.
//
// A notification of an entry waits for the lock of its directory, which a request under way may
// hold (a snapshot that is being taken by mkdir holds that of `.cowfs`). So neither a worker nor
// the flusher may notify.
//
// Locks: its queue's, a leaf.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <string>
#include <thread>

#include "fs/fuse_compat.h"
#include "lib/base/mutex.h"

namespace cowfs {

class Notifier {
 public:
  Notifier() = default;
  ~Notifier() { end(); }

  void begin(fuse_session* session);
  /// Ends the thread. The connection must be dead or still be served.
  void end();

  /// A name in a directory is not what it was: the kernel drops it, and what it has cached below
  /// it.
  void entry_changed(std::uint64_t directory, std::string name);
  /// Much was freed: worth giving back to the host when there is time.
  void memory_freed(std::uint64_t pieces) { freed_ += pieces; }

 private:
  struct Change {
    std::uint64_t directory;
    std::string name;
  };
  void run(fuse_session* session);
  void give_memory_back();

  Mutex mutex_;
  Condition changed_;
  std::deque<Change> queue_ COWFS_GUARDED_BY(mutex_);
  bool ending_ COWFS_GUARDED_BY(mutex_) = false;
  std::atomic<std::uint64_t> freed_ = 0;
  std::jthread thread_;
};

}  // namespace cowfs
