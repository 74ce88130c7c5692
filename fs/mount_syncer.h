// fsync(2) of inodes on our own mount, by a thread that does not keep us alive.
//
// While it waits in the kernel for WRITE requests it cannot be killed, and the kernel gives such requests up only when the
// last descriptor of /dev/fuse is closed. So the thread has a descriptor table of its own, with none of ours in it: when we
// are killed all others close theirs, and it is let go.
//
// For the same reason it does nothing else: descriptors of ours mean nothing there.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <thread>
#include <vector>

#include "fs/fuse_compat.h"
#include "lib/base/mutex.h"

namespace cowfs {

class MountSyncer {
 public:
  explicit MountSyncer(const std::string& mountpoint) : mountpoint_(mountpoint) {}
  ~MountSyncer() { end(); }

  void begin();
  /// Waits for a sync under way, so the connection must be served, or dead.
  void end();

  /// Syncs these nodes, one after another; those for which that could not be done. Opening an inode by its handle needs
  /// CAP_DAC_READ_SEARCH. Calls wait for each other.
  std::vector<std::uint64_t> sync(std::vector<std::uint64_t> nodes);

  /// Whether an FSYNC of this node is ours; notes that it came.
  bool is_own(const fuse_ctx& caller, std::uint64_t node);

 private:
  enum class State { kIdle, kAsked, kAnswered, kEnding };

  void run();
  std::vector<std::uint64_t> sync_here(const std::vector<std::uint64_t>& nodes);
  bool sync_node(int mount, std::uint64_t node);

  const std::string& mountpoint_;
  std::atomic<pid_t> thread_id_ = 0;
  std::atomic<std::uint64_t> synced_node_ = 0;  // whose FSYNC came last
  Mutex one_at_a_time_;  // held while a call waits for its answer; the one below is a leaf
  Mutex mutex_;
  Condition changed_;
  State state_ COWFS_GUARDED_BY(mutex_) = State::kEnding;  // until begin()
  std::vector<std::uint64_t> nodes_ COWFS_GUARDED_BY(mutex_);  // to be synced; then those that could not be
  std::jthread thread_;
};

}  // namespace cowfs
