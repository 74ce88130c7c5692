#include "fs/mount_syncer.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "lib/base/unique_fd.h"

namespace cowfs {

namespace {

/// Longer than any name of a file: the kernel remembers nothing of it from others.
const std::string kName = ".cowfs-sync-" + std::string(255, '-');

}  // namespace

void MountSyncer::begin() {
  {
    const MutexLock lock(mutex_);
    state_ = State::kIdle;
  }
  thread_ = std::jthread([this] { run(); });
}

void MountSyncer::end() {
  if (!thread_.joinable()) return;
  {
    const MutexLock calls(one_at_a_time_);
    const MutexLock lock(mutex_);
    state_ = State::kEnding;
    changed_.notify_all();
  }
  thread_.join();
}

std::vector<std::uint64_t> MountSyncer::sync(std::vector<std::uint64_t> nodes) {
  const MutexLock calls(one_at_a_time_);
  const MutexLock lock(mutex_);
  if (state_ == State::kEnding) return nodes;
  nodes_ = std::move(nodes);
  state_ = State::kAsked;
  changed_.notify_all();
  changed_.wait(mutex_, [this]() COWFS_REQUIRES(mutex_) { return state_ == State::kAnswered; });
  state_ = State::kIdle;
  return std::exchange(nodes_, {});
}

std::optional<std::uint64_t> MountSyncer::node_asked() const {
  const std::uint64_t node = asked_node_;
  return node == 0 ? std::nullopt : std::optional(node);
}

void MountSyncer::run() {
  // With the standard ones: somebody may wait for the end of a pipe. Where the kernel cannot do
  // that (before 5.11) the table stays shared.
  if (::close_range(0, ~0U, CLOSE_RANGE_UNSHARE) == 0) {
    for (int fd = 0; fd <= STDERR_FILENO; ++fd) (void)!::open("/dev/null", O_RDWR);
  }
  thread_id_ = ::gettid();
  while (true) {
    std::vector<std::uint64_t> nodes;
    {
      const MutexLock lock(mutex_);
      changed_.wait(mutex_, [this]() COWFS_REQUIRES(mutex_) {
        return state_ == State::kAsked || state_ == State::kEnding;
      });
      if (state_ == State::kEnding) return;
      nodes = std::exchange(nodes_, {});
    }
    std::vector<std::uint64_t> left = sync_here(nodes);
    const MutexLock lock(mutex_);
    nodes_ = std::move(left);
    state_ = State::kAnswered;
    changed_.notify_all();
  }
}

std::vector<std::uint64_t> MountSyncer::sync_here(const std::vector<std::uint64_t>& nodes) {
  // Open for this moment only: it would keep the mount busy.
  const UniqueFd mount(::open(mountpoint_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!mount) return nodes;
  std::vector<std::uint64_t> left;
  std::ranges::copy_if(nodes, std::back_inserter(left),
                       [&](std::uint64_t node) { return !sync_node(mount.get(), node); });
  return left;
}

bool MountSyncer::sync_node(int mount, std::uint64_t node) {
  synced_node_ = 0;
  asked_node_ = node;
  UniqueFd file(::openat(mount, kName.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  asked_node_ = 0;
  // The mount point may show another filesystem by now: then no FSYNC of ours has come.
  const bool synced = file && ::fsync(file.get()) == 0 && synced_node_ == node;
  file.reset();
  struct stat gone;
  (void)::fstatat(mount, kName.c_str(), &gone, AT_SYMLINK_NOFOLLOW);
  return synced;
}

}  // namespace cowfs
