// Threads that copy files beside the walk. With one job everything runs in the caller.
//
// Locks: its queue's, a leaf, not held while a job runs. The queue is bounded: the walk waits when
// it is far ahead.
#pragma once

#include <deque>
#include <functional>
#include <thread>
#include <vector>

#include "lib/base/mutex.h"

namespace cowfs {

class JobPool {
 public:
  using Job = std::move_only_function<void()>;

  explicit JobPool(unsigned threads) : threads_wanted_(threads) {}
  ~JobPool();
  JobPool(const JobPool&) = delete;
  JobPool& operator=(const JobPool&) = delete;

  bool is_parallel() const { return threads_wanted_ > 1; }
  /// Runs it, now or soon.
  void submit(Job job);
  /// Waits until all that were submitted have run.
  void drain();

 private:
  void work();

  const unsigned threads_wanted_;
  Mutex mutex_;
  Condition changed_;
  std::deque<Job> queue_ COWFS_GUARDED_BY(mutex_);
  std::size_t running_ COWFS_GUARDED_BY(mutex_) = 0;
  bool ending_ COWFS_GUARDED_BY(mutex_) = false;
  std::vector<std::jthread> threads_;  // begun with the first job
};

}  // namespace cowfs
