#include "fs/mount_syncer.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <iterator>
#include <utility>

namespace cowfs {

namespace {

/// Longer than any name of a file: the kernel remembers nothing of it from others.
const std::string kName = ".cowfs-sync-" + std::string(255, '-');

/// The kernel's struct file_handle of a FUSE inode: fuse_encode_fh() in its fs/fuse/inode.c.
struct NodeHandle {
  explicit NodeHandle(std::uint64_t node)
      : node_high(static_cast<std::uint32_t>(node >> 32)),
        node_low(static_cast<std::uint32_t>(node)) {}
  bool operator==(const NodeHandle&) const = default;
  file_handle* get() { return reinterpret_cast<file_handle*>(this); }

  unsigned bytes = 3 * sizeof(std::uint32_t);
  int type = 0x81;  // FILEID_INO64_GEN
  std::uint32_t node_high;
  std::uint32_t node_low;
  std::uint32_t generation = 0;  // of all nodes: node_id.h
};

/// Not where the mount point shows something else by now, to which our numbers mean other files.
bool is_root_of_fuse(int mount) {
  NodeHandle handle(0);
  int mount_id = 0;
  return ::name_to_handle_at(mount, "", handle.get(), &mount_id, AT_EMPTY_PATH) == 0 &&
         handle == NodeHandle(FUSE_ROOT_ID);
}

UniqueFd open_by_handle(int mount, std::uint64_t node) {
  NodeHandle handle(node);
  return UniqueFd(::open_by_handle_at(mount, handle.get(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
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
  const bool has_handles = is_root_of_fuse(mount.get());
  std::vector<std::uint64_t> left;
  std::ranges::copy_if(nodes, std::back_inserter(left), [&](std::uint64_t node) {
    return !sync_node(mount.get(), node, has_handles);
  });
  return left;
}

bool MountSyncer::sync_file(const UniqueFd& file, std::uint64_t node) {
  synced_node_ = 0;
  // The mount point may show another filesystem by now: then no FSYNC of ours has come.
  return ::fsync(file.get()) == 0 && synced_node_ == node;
}

bool MountSyncer::sync_node(int mount, std::uint64_t node, bool has_handles) {
  UniqueFd file = has_handles ? open_by_handle(mount, node) : UniqueFd();
  if (file) return sync_file(file, node);
  asked_node_ = node;
  file.reset(::openat(mount, kName.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  asked_node_ = 0;
  const bool synced = file && sync_file(file, node);
  file.reset();
  struct stat gone;
  (void)::fstatat(mount, kName.c_str(), &gone, AT_SYMLINK_NOFOLLOW);
  return synced;
}

}  // namespace cowfs
