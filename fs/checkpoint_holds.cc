#include "fs/checkpoint_holds.h"

namespace cowfs {

Result<std::string> CheckpointHolds::hold(std::uint64_t handle) {
  if (handle == 0) return fail(ErrorCode::kInvalidArgument);
  {
    MutexLock lock(mutex_);
    if (held_.size() >= kLimit || !held_.emplace(handle, 0).second) return fail(ErrorCode::kBusy);
  }
  auto held = store_.hold_checkpoint();
  MutexLock lock(mutex_);
  if (!held) {
    held_.erase(handle);
    return fail(held.error());
  }
  held_[handle] = held->checkpoint;
  return std::move(held->superblock);
}

// The kernel releases a descriptor only when no request of it is under way.
void CheckpointHolds::close(std::uint64_t handle) {
  std::uint64_t checkpoint = 0;
  {
    MutexLock lock(mutex_);
    const auto found = held_.find(handle);
    if (found == held_.end()) return;
    checkpoint = found->second;
    held_.erase(found);
  }
  if (checkpoint != 0) store_.release_checkpoint(checkpoint);
}

}  // namespace cowfs
