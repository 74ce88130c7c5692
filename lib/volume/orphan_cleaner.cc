#include "lib/volume/orphan_cleaner.h"

namespace cowfs {

void OrphanCleaner::add(std::shared_ptr<Volume> volume, Leftovers leftovers, bool fork_orphans) {
  Job job{std::move(volume), std::move(leftovers), fork_orphans};
  if (!background_) return run_and_report(job, {});
  {
    MutexLock lock(mutex_);
    if (stopping_) return;
    jobs_.push_back(std::move(job));
    if (!thread_.joinable()) {
      thread_ = std::jthread([this](const std::stop_token& stop) { work(stop); });
    }
  }
  wake_.notify_one();
}

void OrphanCleaner::stop() {
  std::jthread thread;
  {
    MutexLock lock(mutex_);
    stopping_ = true;
    thread = std::move(thread_);
    thread.request_stop();
  }
  wake_.notify_all();
  if (thread.joinable()) thread.join();
}

Result<void> OrphanCleaner::run(const Job& job, const std::stop_token& stop) {
  COWFS_TRY(clear_leftovers(*job.volume, job.leftovers, job.fork_orphans, stop));
  if (!job.fork_orphans || stop.stop_requested()) return {};
  return store_.orphans_erased(job.volume->id());
}

void OrphanCleaner::run_and_report(const Job& job, const std::stop_token& stop) {
  const auto done = run(job, stop);
  if (done || done.error().code == ErrorCode::kStale)
    return;  // deleted meanwhile: nothing to clean
  if (on_error_) on_error_(done.error());
}

void OrphanCleaner::work(const std::stop_token& stop) {
  for (;;) {
    Job job;
    {
      MutexLock lock(mutex_);
      wake_.wait(mutex_, [this]() COWFS_REQUIRES(mutex_) { return stopping_ || !jobs_.empty(); });
      if (stopping_) return;
      job = std::move(jobs_.front());
      jobs_.pop_front();
    }
    run_and_report(job, stop);
  }
}

}  // namespace cowfs
