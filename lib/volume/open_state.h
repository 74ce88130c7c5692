// What is kept in memory of an inode while it is open or being worked on.
//
// The mutex is the inode lock: data is read under it shared and changed under it exclusive; it
// ranks above the tree lock (never taken while the tree lock is held), and two are taken in the
// order of (volume, inode). Everything else here is the data path's own, under that lock.
#pragma once

#include <cstdint>
#include <vector>

#include "lib/base/mutex.h"

namespace cowfs {

struct OpenState {
  SharedMutex mutex;

  /// Windows that were found not to get an own object (own_object.h), so that not every write looks
  /// again.
  std::vector<std::uint32_t> windows_without_own_object;
};

}  // namespace cowfs
