#include "tools/cowcp/job_pool.h"

#include <algorithm>

#include "lib/base/thread.h"

namespace cowfs {
namespace {

constexpr std::size_t kQueueLimit = 256;
constexpr std::size_t kDescriptorsOfQueued = 2;   // its directories
constexpr std::size_t kDescriptorsOfRunning = 6;  // its files, too, and what looks at their pages
constexpr std::size_t kDescriptorsOfOthers = 20;  // of the walk, and standard ones

}  // namespace

JobPool::JobPool(unsigned threads, std::size_t jobs_before_threads, std::size_t descriptors)
    : jobs_before_threads_(jobs_before_threads) {
  const std::size_t left = descriptors - std::min(descriptors, kDescriptorsOfOthers);
  threads_wanted_ =
      std::min<std::size_t>(threads, left / (kDescriptorsOfRunning + kDescriptorsOfQueued));
  queue_limit_ = std::min(kQueueLimit,
                          (left - threads_wanted_ * kDescriptorsOfRunning) / kDescriptorsOfQueued);
}

JobPool::~JobPool() {
  {
    const MutexLock lock(mutex_);
    ending_ = true;
  }
  work_.notify_all();
}

void JobPool::at_most(std::size_t threads) {
  if (threads_.empty()) threads_wanted_ = std::min(threads_wanted_, threads);
}

void JobPool::begin_threads() {
  while (threads_.size() < threads_wanted_) {
    std::optional<std::jthread> thread = try_thread([this] { work(); });
    if (!thread) threads_wanted_ = threads_.size();
    else threads_.push_back(*std::move(thread));
  }
}

void JobPool::submit(Job job) {
  if (jobs_before_threads_ > 0) --jobs_before_threads_;
  else if (is_parallel()) begin_threads();
  if (threads_.empty()) return job();
  {
    const MutexLock lock(mutex_);
    drained_.wait(mutex_, [this]() COWFS_REQUIRES(mutex_) { return queue_.size() < queue_limit_; });
    queue_.push_back(std::move(job));
  }
  work_.notify_one();
}

void JobPool::drain() {
  if (threads_.empty()) return;
  const MutexLock lock(mutex_);
  drained_.wait(mutex_,
                [this]() COWFS_REQUIRES(mutex_) { return queue_.empty() && running_ == 0; });
}

std::optional<JobPool::Job> JobPool::next() {
  const MutexLock lock(mutex_);
  work_.wait(mutex_, [this]() COWFS_REQUIRES(mutex_) { return ending_ || !queue_.empty(); });
  if (queue_.empty()) return std::nullopt;
  std::optional<Job> job(std::move(queue_.front()));
  queue_.pop_front();
  ++running_;
  // The walk waits at a full queue: it is not woken for the room of each job.
  if (queue_.size() == queue_limit_ / 2) drained_.notify_all();
  return job;
}

void JobPool::work() {
  while (std::optional<Job> job = next()) {
    (*job)();
    job.reset();
    const MutexLock lock(mutex_);
    --running_;
    if (queue_.empty() && running_ == 0) drained_.notify_all();
  }
}

}  // namespace cowfs
