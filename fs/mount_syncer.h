// fsync(2) of inodes on our own mount, by a thread that does not keep us alive.
//
// While it waits in the kernel for WRITE requests it cannot be killed, and the kernel gives such
// requests up only when the last descriptor of /dev/fuse is closed. So the thread has a descriptor
// table of its own, with none of ours in it: when we are killed all others close theirs, and it is
// let go.
//
// For the same reason it does nothing else: descriptors of ours mean nothing there.
//
// It opens an inode by its handle, where we have the privilege (CAP_DAC_READ_SEARCH): the kernel
// looks in its memory and asks us nothing. Else by a name in the root that is answered to this
// thread alone, and is gone for the kernel, too, once the thread has asked again: nothing is left
// that would keep an inode. But the answer tells the kernel the attributes anew, after which it asks
// for the file's capabilities before the next write.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "fs/fuse_compat.h"
#include "lib/base/mutex.h"
#include "lib/base/unique_fd.h"

namespace cowfs {

class MountSyncer {
 public:
  explicit MountSyncer(const std::string& mountpoint) : mountpoint_(mountpoint) {}
  ~MountSyncer() { end(); }

  void begin();
  /// Waits for a sync under way, so the connection must be served, or dead.
  void end();

  /// Syncs these nodes, one after another; those for which that could not be done: our user may not
  /// read them. Calls wait for each other.
  std::vector<std::uint64_t> sync(std::vector<std::uint64_t> nodes);

  /// Whether a request is ours.
  bool is_own(const fuse_ctx& caller) const { return caller.pid != 0 && caller.pid == thread_id_; }
  /// What a LOOKUP of ours in the root asks for. Such a name is there for as long as we open it.
  std::optional<std::uint64_t> node_asked() const;
  /// An FSYNC of ours came.
  void note_synced(std::uint64_t node) { synced_node_ = node; }

 private:
  enum class State { kIdle, kAsked, kAnswered, kEnding };

  void run();
  std::vector<std::uint64_t> sync_here(const std::vector<std::uint64_t>& nodes);
  bool sync_node(int mount, std::uint64_t node, bool has_handles);
  bool sync_file(const UniqueFd& file, std::uint64_t node);

  const std::string& mountpoint_;
  std::atomic<pid_t> thread_id_ = 0;
  std::atomic<std::uint64_t> asked_node_ = 0;   // that is being opened
  std::atomic<std::uint64_t> synced_node_ = 0;  // whose FSYNC came last
  Mutex one_at_a_time_;  // held while a call waits for its answer; the one below is a leaf
  Mutex mutex_;
  Condition changed_;
  State state_ COWFS_GUARDED_BY(mutex_) = State::kEnding;  // until begin()
  // to be synced; then those that could not be
  std::vector<std::uint64_t> nodes_ COWFS_GUARDED_BY(mutex_);
  std::jthread thread_;
};

}  // namespace cowfs
