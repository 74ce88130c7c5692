// Readers of file data by the time they began, so that freed blocks keep their bytes until the last
// reader that could want them is done.
//
// Rank: leaf.
#pragma once

#include <cstdint>
#include <map>

#include "lib/base/mutex.h"

namespace cowfs {

class Epochs {
 public:
  std::uint64_t enter() {
    MutexLock lock(mutex_);
    ++readers_[now_];
    return now_;
  }
  void leave(std::uint64_t epoch) {
    MutexLock lock(mutex_);
    const auto found = readers_.find(epoch);
    if (--found->second == 0) {
      readers_.erase(found);
      changed_.notify_all();
    }
  }
  /// Waits until every reader that began before this call is done, or `stop()` says so; false then.
  template <typename Stop>
  bool wait_for_older(Stop stop) {
    MutexLock lock(mutex_);
    const std::uint64_t before = now_++;
    const auto done = [&] { return readers_.empty() || readers_.begin()->first > before; };
    while (!changed_.wait_for(mutex_, std::chrono::milliseconds(100), done)) {
      if (stop()) return false;
    }
    return true;
  }

 private:
  Mutex mutex_;
  Condition changed_;
  std::uint64_t now_ = 0;
  std::map<std::uint64_t, std::uint64_t> readers_;
};

}  // namespace cowfs
