// Keeps forks and changing operations apart: operations go on side by side, a fork waits for those
// under way and holds back new ones.
//
// Not a std::shared_mutex: glibc's prefers readers, and a stream of writes would keep a fork out
// for ever. Rank: the first of all.
#pragma once

#include <cstdint>

#include "lib/base/mutex.h"

namespace cowfs {

class ForkGate {
 public:
  /// Begins an operation; waits while a fork waits or runs.
  void enter() {
    MutexLock lock(mutex_);
    changed_.wait(mutex_, [this] { return !closed_; });
    ++inside_;
  }
  void leave() {
    MutexLock lock(mutex_);
    if (--inside_ == 0 && closed_) changed_.notify_all();
  }
  /// Waits until no operation is under way; none begins until open().
  void close() {
    MutexLock lock(mutex_);
    changed_.wait(mutex_, [this] { return !closed_; });
    closed_ = true;
    changed_.wait(mutex_, [this] { return inside_ == 0; });
  }
  void open() {
    MutexLock lock(mutex_);
    closed_ = false;
    changed_.notify_all();
  }

 private:
  Mutex mutex_;
  Condition changed_;
  std::uint64_t inside_ = 0;  // guarded by mutex_
  bool closed_ = false;       // guarded by mutex_
};

/// Holds the gate closed.
class ClosedGate {
 public:
  explicit ClosedGate(ForkGate& gate) : gate_(gate) { gate_.close(); }
  ~ClosedGate() { gate_.open(); }
  ClosedGate(const ClosedGate&) = delete;
  ClosedGate& operator=(const ClosedGate&) = delete;

 private:
  ForkGate& gate_;
};

}  // namespace cowfs
