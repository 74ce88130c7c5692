#include "fs/notifier.h"

#include <malloc.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <utility>

#include "fs/log.h"

namespace cowfs {

namespace {

constexpr std::chrono::seconds kTrimInterval{10};
constexpr std::uint64_t kWorthTrimming = 10'000;  // inodes forgotten

}  // namespace

void Notifier::begin(fuse_session* session) {
  thread_ = std::jthread([this, session] { run(session); });
}

void Notifier::end() {
  {
    const MutexLock lock(mutex_);
    ending_ = true;
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void Notifier::entry_changed(std::uint64_t directory, std::string name) {
  const MutexLock lock(mutex_);
  queue_.push_back({directory, std::move(name)});
  changed_.notify_one();
}

void Notifier::run(fuse_session* session) {
  while (true) {
    std::deque<Change> changes;
    {
      const MutexLock lock(mutex_);
      changed_.wait_for(mutex_, kTrimInterval,
                        [this]() COWFS_REQUIRES(mutex_) { return ending_ || !queue_.empty(); });
      if (ending_) return;
      changes.swap(queue_);
    }
    for (const Change& change : changes) {
      const int result = fuse_lowlevel_notify_inval_entry(session, change.directory,
                                                          change.name.data(), change.name.size());
      if (result != 0 && result != -ENOENT) {
        log_debug("the kernel keeps '" + change.name + "': " + std::strerror(-result));
      }
    }
    if (changes.empty()) give_memory_back();
  }
}

void Notifier::give_memory_back() {
  if (freed_ < kWorthTrimming) return;
  freed_ = 0;
  ::malloc_trim(0);
}

}  // namespace cowfs
