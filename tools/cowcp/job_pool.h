// Threads that copy files beside the walk.
//
// The first jobs may run in the caller: a few small files are copied before threads have begun. So
// do all where one thread is wanted, or the system gives none; where it gives fewer, those do.
//
// Locks: its queue's, a leaf, not held while a job runs. The queue is bounded: the walk waits when
// it is far ahead. So few are queued, and so few threads begun, that their descriptors suffice.
#pragma once

#include <deque>
#include <functional>
#include <optional>
#include <thread>
#include <vector>

#include "lib/base/mutex.h"

namespace cowfs {

class JobPool {
 public:
  using Job = std::move_only_function<void()>;

  /// `descriptors`: how many the process may have (RLIMIT_NOFILE).
  JobPool(unsigned threads, std::size_t jobs_before_threads, std::size_t descriptors);
  ~JobPool();
  JobPool(const JobPool&) = delete;
  JobPool& operator=(const JobPool&) = delete;

  bool is_parallel() const { return threads_wanted_ > 1; }
  /// No more threads than that; says nothing any more when they have begun. From the thread that
  /// submits.
  void at_most(std::size_t threads);
  /// Runs it, now or soon.
  void submit(Job job);
  /// Waits until all that were submitted have run.
  void drain();

 private:
  void begin_threads();
  std::optional<Job> next();
  void work();

  std::size_t threads_wanted_;
  std::size_t queue_limit_;
  std::size_t jobs_before_threads_;
  Mutex mutex_;
  Condition work_;     // something is queued, or this ends
  Condition drained_;  // the queue is no longer full, or nothing is left of it
  std::deque<Job> queue_ COWFS_GUARDED_BY(mutex_);
  std::size_t running_ COWFS_GUARDED_BY(mutex_) = 0;
  bool ending_ COWFS_GUARDED_BY(mutex_) = false;
  std::vector<std::jthread> threads_;
};

}  // namespace cowfs
