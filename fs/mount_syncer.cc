#include "fs/mount_syncer.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "lib/base/unique_fd.h"

namespace cowfs {

namespace {

// The handle of a FUSE inode (fs/fuse/inode.c, fuse_encode_fh): type FILEID_INO64_GEN, three words.
constexpr int kInodeHandleType = 0x81;
constexpr unsigned kInodeHandleBytes = 12;

UniqueFd open_node(int mount, std::uint64_t node) {
  alignas(file_handle) char bytes[sizeof(file_handle) + kInodeHandleBytes] = {};
  auto* handle = reinterpret_cast<file_handle*>(bytes);
  handle->handle_bytes = kInodeHandleBytes;
  handle->handle_type = kInodeHandleType;
  const std::uint32_t words[3] = {static_cast<std::uint32_t>(node >> 32),
                                  static_cast<std::uint32_t>(node), 0};
  std::memcpy(handle->f_handle, words, sizeof words);
  return UniqueFd(::open_by_handle_at(mount, handle, O_RDONLY | O_CLOEXEC));
}

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

bool MountSyncer::is_own(const fuse_ctx& caller, std::uint64_t node) {
  if (caller.pid == 0 || caller.pid != thread_id_) return false;
  synced_node_ = node;
  return true;
}

void MountSyncer::run() {
  // Where the kernel cannot do that (before 5.11) the table stays shared.
  (void)::close_range(STDERR_FILENO + 1, ~0U, CLOSE_RANGE_UNSHARE);
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
  const UniqueFd file = open_node(mount, node);
  if (!file) return false;
  synced_node_ = 0;
  // The mount point may show another filesystem by now: then no FSYNC of ours has come.
  return ::fsync(file.get()) == 0 && synced_node_ == node;
}

}  // namespace cowfs
