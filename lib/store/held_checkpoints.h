// Checkpoints that somebody outside reads from the host: what they refer to keeps its bytes while
// they are held.
//
// Node numbers, blocks and objects that a held checkpoint refers to are given back only when it is
// let go. Blocks that are overwritten in place are not kept: whoever reads data of a held checkpoint and
// finds it other than its checksum asks the store's owner (Volume::verify_block).
//
// Rank: leaf.
#pragma once

#include <algorithm>
#include <cstdint>
#include <set>

#include "lib/base/mutex.h"

namespace cowfs {

class HeldCheckpoints {
 public:
  void add(std::uint64_t checkpoint) {
    MutexLock lock(mutex_);
    held_.insert(checkpoint);
  }
  void remove(std::uint64_t checkpoint) {
    MutexLock lock(mutex_);
    const auto found = held_.find(checkpoint);
    if (found != held_.end()) held_.erase(found);
  }
  /// What checkpoint k is the first not to refer to may go when k is below this; `durable` where
  /// nothing is held.
  std::uint64_t free_below(std::uint64_t durable) const {
    MutexLock lock(mutex_);
    return held_.empty() ? durable : std::min(durable, *held_.begin() + 1);
  }

 private:
  mutable Mutex mutex_;
  std::multiset<std::uint64_t> held_ COWFS_GUARDED_BY(mutex_);
};

}  // namespace cowfs
