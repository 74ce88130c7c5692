// What is kept in memory of an inode while it is open or being worked on.
//
// The mutex is the inode lock: data is read under it shared and changed under it exclusive; it ranks
// above the tree lock (never taken while the tree lock is held), and two are taken in the order of
// (volume, inode). Everything else here is the data path's own, under that lock.
#pragma once

#include "lib/base/mutex.h"

namespace cowfs {

struct OpenState {
  SharedMutex mutex;
};

}  // namespace cowfs
