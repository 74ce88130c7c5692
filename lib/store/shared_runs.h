// Lets concurrent callers share runs of some work: each is served by any run that began after its
// call.
//
//     const auto ticket = runs.ticket();
//     MutexLock one_at_a_time(running_);
//     if (runs.served(ticket)) return {};
//     const auto run = runs.begin();
//     ... the work ...
//     runs.succeeded(run);
//
// Any call from any thread; begin() and succeeded() by one thread at a time. Rank: leaf.
#pragma once

#include <atomic>
#include <cstdint>

namespace cowfs {

class SharedRuns {
 public:
  /// The first run that serves a call made now.
  std::uint64_t ticket() const { return begun_ + 1; }
  bool served(std::uint64_t ticket) const { return succeeded_ >= ticket; }
  std::uint64_t begin() { return ++begun_; }
  void succeeded(std::uint64_t run) { succeeded_ = run; }

 private:
  std::atomic<std::uint64_t> begun_{0};
  std::atomic<std::uint64_t> succeeded_{0};  // the newest run that did
};

}  // namespace cowfs
