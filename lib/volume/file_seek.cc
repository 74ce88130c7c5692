// Volume::seek: what an extent covers is data, all else is a hole; the end of the file is one too.

#include <algorithm>

#include "lib/volume/file_change.h"
#include "lib/volume/volume.h"

namespace cowfs {
namespace {

/// The first block from `block` on that an extent covers, or kFileBlockLimit.
Result<std::uint64_t> next_data(const TreeView& view, VolumeId volume, InodeNumber inode,
                                std::uint64_t block) {
  COWFS_ASSIGN(const auto extents, find_extents(view, volume, inode, {block, kFileBlockLimit}, 1));
  return extents.empty() ? kFileBlockLimit : std::max(block, extents.front().file_block);
}

/// The first block from `block` on that no extent covers. Looks at the tree in steps, so that
/// changes come through.
Result<std::uint64_t> next_hole(Store& store, VolumeId volume, InodeNumber inode,
                                std::uint64_t block) {
  while (true) {
    COWFS_ASSIGN(const auto extents, [&] {
      return find_extents(ReadView(store), volume, inode, {block, kFileBlockLimit});
    }());
    for (const Extent& extent : extents) {
      if (extent.file_block > block) return block;
      block = extent.end();
    }
    if (extents.size() < kExtentsPerStep) return block;
  }
}

}  // namespace

Result<std::uint64_t> Volume::seek(InodeNumber inode, std::uint64_t offset, SeekTarget target) {
  const InodeHandle handle = inodes_->lock_handle(inode);
  const SharedLock lock(handle->mutex);
  std::uint64_t size = 0;
  std::uint64_t data = 0;
  {
    const ReadView view(store_);
    COWFS_ASSIGN(const InodeRecord record, load_regular_file(view, id_, inode));
    size = record.size;
    if (offset >= size) return fail(ErrorCode::kNoSuchOffset);
    COWFS_ASSIGN(data, next_data(view, id_, inode, block_of(offset)));
  }
  if (target == SeekTarget::kData) {
    const std::uint64_t found = std::max(offset, data << kBlockShift);
    return found < size ? Result<std::uint64_t>(found) : fail(ErrorCode::kNoSuchOffset);
  }
  if (data > block_of(offset)) return offset;
  COWFS_ASSIGN(const std::uint64_t hole, next_hole(store_, id_, inode, data));
  return std::clamp(hole << kBlockShift, offset, size);
}

}  // namespace cowfs
