// Checkpoints that callers hold through an open directory, to check the store beside the mount: at
// most one a descriptor, ended by its last close.
//
// Locks: one, a leaf, around the table; not held while a checkpoint is made.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "lib/base/mutex.h"
#include "lib/store/store.h"

namespace cowfs {

class CheckpointHolds {
 public:
  explicit CheckpointHolds(Store& store) : store_(store) {}

  /// The bytes of the superblock of a checkpoint that was made just now. kBusy: the descriptor
  /// holds one, or too many are held.
  Result<std::string> hold(std::uint64_t handle);
  void close(std::uint64_t handle);

 private:
  static constexpr std::size_t kLimit = 8;

  Store& store_;
  Mutex mutex_;
  std::map<std::uint64_t, std::uint64_t> held_ COWFS_GUARDED_BY(mutex_);  // handle -> checkpoint
};

}  // namespace cowfs
