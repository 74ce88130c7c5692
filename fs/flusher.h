// Takes snapshots and forks: the thread on which requests for them are parked.
//
// A snapshot first waits for WRITE requests (page_sweep.h), so it must not occupy a worker that
// these need. All requests that have gathered share one sweep of their volume. Answers are given
// from this thread.
//
// Locks: its queue's, a leaf, not held while anything is done.
#pragma once

#include <deque>
#include <functional>
#include <string>
#include <thread>

#include "fs/page_sweep.h"
#include "lib/base/mutex.h"
#include "lib/volume/file_system.h"

namespace cowfs {

struct SnapshotRequest {
  RequestContext context;
  VolumeId parent{};
  std::string name;
  VolumeKind kind = VolumeKind::kSnapshot;
  std::move_only_function<void(const Result<VolumeInfo>&)> answer;  // called exactly once
};

class Flusher {
 public:
  Flusher(FileSystem& file_system, PageSweep& page_sweep)
      : file_system_(file_system), page_sweep_(page_sweep) {}
  ~Flusher() { end(); }

  void begin();
  /// Answers what is left with an error and ends the thread. The connection must be dead or still
  /// be served: a sweep under way waits for WRITE requests.
  void end();

  void submit(SnapshotRequest request);

 private:
  void run();
  void take(std::deque<SnapshotRequest> batch);

  FileSystem& file_system_;
  PageSweep& page_sweep_;
  Mutex mutex_;
  Condition changed_;
  std::deque<SnapshotRequest> queue_ COWFS_GUARDED_BY(mutex_);
  bool ending_ COWFS_GUARDED_BY(mutex_) = false;
  std::jthread thread_;
};

}  // namespace cowfs
