#include "tools/cowcp/job_pool.h"

namespace cowfs {
namespace {

// each holds two directories open, no more than the walk does
constexpr std::size_t kQueueLimit = 256;

}  // namespace

JobPool::~JobPool() {
  {
    const MutexLock lock(mutex_);
    ending_ = true;
  }
  changed_.notify_all();
}

void JobPool::submit(Job job) {
  if (!is_parallel()) return job();
  while (threads_.size() < threads_wanted_) threads_.emplace_back([this] { work(); });
  {
    const MutexLock lock(mutex_);
    changed_.wait(mutex_, [this]() COWFS_REQUIRES(mutex_) { return queue_.size() < kQueueLimit; });
    queue_.push_back(std::move(job));
  }
  changed_.notify_all();
}

void JobPool::drain() {
  if (threads_.empty()) return;
  const MutexLock lock(mutex_);
  changed_.wait(mutex_,
                [this]() COWFS_REQUIRES(mutex_) { return queue_.empty() && running_ == 0; });
}

void JobPool::work() {
  for (;;) {
    Job job;
    {
      const MutexLock lock(mutex_);
      changed_.wait(mutex_, [this]() COWFS_REQUIRES(mutex_) { return ending_ || !queue_.empty(); });
      if (queue_.empty()) return;
      job = std::move(queue_.front());
      queue_.pop_front();
      ++running_;
    }
    changed_.notify_all();
    job();
    {
      const MutexLock lock(mutex_);
      --running_;
    }
    changed_.notify_all();
  }
}

}  // namespace cowfs
