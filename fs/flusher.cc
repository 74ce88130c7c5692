#include "fs/flusher.h"

#include <set>
#include <utility>

namespace cowfs {

void Flusher::begin() {
  thread_ = std::jthread([this] { run(); });
}

void Flusher::end() {
  {
    const MutexLock lock(mutex_);
    ending_ = true;
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void Flusher::submit(SnapshotRequest request) {
  {
    const MutexLock lock(mutex_);
    if (!ending_) {
      queue_.push_back(std::move(request));
      changed_.notify_one();
      return;
    }
  }
  request.answer(fail(ErrorCode::kBusy, "the mount is being ended"));
}

void Flusher::run() {
  while (true) {
    std::deque<SnapshotRequest> batch;
    bool ending = false;
    {
      const MutexLock lock(mutex_);
      changed_.wait(mutex_, [this]() COWFS_REQUIRES(mutex_) { return ending_ || !queue_.empty(); });
      batch.swap(queue_);
      ending = ending_;
    }
    if (!ending) {
      take(std::move(batch));
      continue;
    }
    for (SnapshotRequest& request : batch) {
      request.answer(fail(ErrorCode::kBusy, "the mount is being ended"));
    }
    return;
  }
}

void Flusher::take(std::deque<SnapshotRequest> batch) {
  std::set<VolumeId> swept;
  for (const SnapshotRequest& request : batch) {
    if (swept.insert(request.parent).second) page_sweep_.sweep(request.parent);
  }
  for (SnapshotRequest& request : batch) {
    request.answer(
        file_system_.create_volume(request.context, request.parent, request.name, request.kind));
  }
}

}  // namespace cowfs
