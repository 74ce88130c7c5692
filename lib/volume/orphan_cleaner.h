// Works off what unclean ends and forks left in volumes, beside all other work.
//
// Jobs are done in the order in which they come, in one thread, or at once in the caller's where
// there is to be none. Stopping breaks off between two transactions. What is left then, or after an
// error (which is reported), is found again at the next mount: a full or ailing host keeps no store
// from being opened.
//
// Locks: its own, a leaf, held only around the list of jobs.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <thread>

#include "lib/base/mutex.h"
#include "lib/volume/orphans.h"

namespace cowfs {

class OrphanCleaner {
 public:
  using OnError = std::function<void(const Error&)>;
  OrphanCleaner(Store& store, bool background, OnError on_error)
      : store_(store), background_(background), on_error_(std::move(on_error)) {}
  ~OrphanCleaner() { stop(); }
  OrphanCleaner(const OrphanCleaner&) = delete;
  OrphanCleaner& operator=(const OrphanCleaner&) = delete;

  /// `fork_orphans`: they came with a fork, and its volume is told to be clean when they are gone.
  /// The caller holds no lock.
  void add(std::shared_ptr<Volume> volume, Leftovers leftovers, bool fork_orphans);
  /// Ends the thread; nothing is added afterwards.
  void stop();

 private:
  struct Job {
    std::shared_ptr<Volume> volume;
    Leftovers leftovers;
    bool fork_orphans = false;
  };

  Result<void> run(const Job& job, const std::stop_token& stop);
  void run_and_report(const Job& job, const std::stop_token& stop);
  void work(const std::stop_token& stop);

  Store& store_;
  const bool background_;
  const OnError on_error_;
  Mutex mutex_;
  Condition wake_;
  std::deque<Job> jobs_ COWFS_GUARDED_BY(mutex_);
  bool stopping_ COWFS_GUARDED_BY(mutex_) = false;
  std::jthread thread_ COWFS_GUARDED_BY(mutex_);  // started with the first job
};

}  // namespace cowfs
