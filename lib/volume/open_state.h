// What is kept in memory of an inode while it is open or being worked on.
//
// The mutex is the inode lock: data is read under it shared and changed under it exclusive; it
// ranks above the tree lock (never taken while the tree lock is held), and two are taken in the
// order of (volume, inode). Everything else here is the data path's own, under that lock.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "lib/base/ids.h"
#include "lib/base/mutex.h"

namespace cowfs {

/// What a sync of one file waits for. Objects leave the list only when a sync of them has
/// succeeded.
class UnsyncedData {
 public:
  /// A transaction of this file was committed as journal record `sequence`, after blocks of these
  /// objects were written in place.
  void note_commit(std::uint64_t sequence, bool only_times,
                   const std::vector<ObjectNumber>& overwritten);

  struct Pending {
    std::vector<std::pair<ObjectNumber, std::uint64_t>>
        overwritten;             // with the number of the last write to it
    std::uint64_t sequence = 0;  // the last commit that changed more than times; 0: not known
  };
  Pending pending() const;
  /// All of this is durable.
  void synced(const Pending& pending);

 private:
  mutable Mutex mutex_;  // leaf
  Pending pending_ COWFS_GUARDED_BY(mutex_);
  std::uint64_t writes_ COWFS_GUARDED_BY(mutex_) = 0;
};

struct OpenState {
  SharedMutex mutex;

  UnsyncedData unsynced;

  /// Windows that were found not to get an own object (own_object.h), so that not every write looks
  /// again.
  std::vector<std::uint32_t> windows_without_own_object;
};

}  // namespace cowfs
