#include "fs/page_sweep.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "fs/log.h"

namespace cowfs {

namespace {

// The handle of a FUSE inode (fs/fuse/inode.c, fuse_encode_fh): type FILEID_INO64_GEN, three words.
constexpr int kInodeHandleType = 0x81;
constexpr unsigned kInodeHandleBytes = 12;

int open_node(const UniqueFd& mount, std::uint64_t node) {
  alignas(file_handle) char bytes[sizeof(file_handle) + kInodeHandleBytes] = {};
  auto* handle = reinterpret_cast<file_handle*>(bytes);
  handle->handle_bytes = kInodeHandleBytes;
  handle->handle_type = kInodeHandleType;
  const std::uint32_t words[3] = {static_cast<std::uint32_t>(node >> 32),
                                  static_cast<std::uint32_t>(node), 0};
  std::memcpy(handle->f_handle, words, sizeof words);
  return ::open_by_handle_at(mount.get(), handle, O_RDONLY | O_CLOEXEC);
}

}  // namespace

void PageSweep::sweep(VolumeId volume) {
  Result<std::shared_ptr<Volume>> found = file_system_.volume(volume);
  if (found) sweep_inodes(volume, (*found)->open_writers());
}

void PageSweep::sweep_all() {
  for (const VolumeInfo& volume : file_system_.store().list_volumes()) {
    if (!volume.read_only) sweep(volume.id);
  }
}

void PageSweep::sweep_inodes(VolumeId volume, const std::vector<InodeNumber>& inodes) {
  if (inodes.empty() || session_ == nullptr) return;
  const MutexLock lock(mutex_);
  thread_ = ::gettid();
  // Open for this moment only: it would keep the mount busy.
  const UniqueFd mount(::open(mountpoint_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  for (const InodeNumber inode : inodes) {
    const std::uint64_t node = nodes_.of_inode(volume, inode);
    if (mount && sync_by_handle(mount, node)) continue;
    const int result = fuse_lowlevel_notify_inval_inode(session_, node, 0, 0);
    if (result != 0 && result != -ENOENT) {
      log_warning(
          fmt::format("pages of node {:x} could not be flushed: {}", node, std::strerror(-result)));
    }
  }
  thread_ = 0;
}

bool PageSweep::sync_by_handle(const UniqueFd& mount, std::uint64_t node) {
  const UniqueFd file(open_node(mount, node));
  if (!file) return false;
  synced_node_ = 0;
  // The mount point may show another filesystem by now: then no FSYNC of ours has come.
  return ::fsync(file.get()) == 0 && synced_node_ == node;
}

bool PageSweep::is_own(const fuse_ctx& caller, std::uint64_t node) {
  if (caller.pid == 0 || caller.pid != thread_) return false;
  synced_node_ = node;
  return true;
}

}  // namespace cowfs
