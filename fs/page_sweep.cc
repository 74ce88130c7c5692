#include "fs/page_sweep.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "fs/log.h"

namespace cowfs {

void PageSweep::begin(fuse_session* session) {
  session_ = session;
  syncer_.begin();
}

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
  std::vector<std::uint64_t> nodes;
  nodes.reserve(inodes.size());
  for (const InodeNumber inode : inodes) nodes.push_back(nodes_.of_inode(volume, inode));
  for (const std::uint64_t node : syncer_.sync(std::move(nodes))) {
    const int result = fuse_lowlevel_notify_inval_inode(session_, node, 0, 0);
    if (result != 0 && result != -ENOENT) {
      log_warning(
          fmt::format("pages of node {:x} could not be flushed: {}", node, std::strerror(-result)));
    }
  }
}

}  // namespace cowfs
