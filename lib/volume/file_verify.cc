// Volume::verify_block: whether a block of a file still lies where somebody saw it, and is whole.

#include <array>

#include "lib/volume/extent_map.h"
#include "lib/volume/file_change.h"
#include "lib/volume/volume.h"

namespace cowfs {

Result<BlockState> Volume::verify_block(InodeNumber inode, std::uint64_t file_block,
                                        ObjectNumber object, std::uint64_t object_block) {
  if (file_block >= kFileBlockLimit) return fail(ErrorCode::kInvalidArgument);
  const EpochGuard guard(store_);
  const InodeHandle handle = inodes_->lock_handle(inode);
  // No write of this file is under way: only its own could change the block in place.
  const SharedLock lock(handle->mutex);
  std::vector<Extent> extents;
  {
    const ReadView view(store_);
    COWFS_TRY(load_regular_file(view, id_, inode));
    COWFS_ASSIGN(extents, find_extents(view, id_, inode, {file_block, file_block + 1}, 1));
  }
  if (extents.empty() || extents.front().file_block > file_block) return BlockState::kElsewhere;
  const Extent& extent = extents.front();
  const BlockRange place = extent.part(file_block, file_block + 1).blocks;
  if (place.object != object || place.first != object_block) return BlockState::kElsewhere;
  std::array<std::byte, kBlockSize> block;
  const auto read = store_.read_data(object, object_block * kBlockSize, block);
  if (read) return BlockState::kWhole;
  if (read.error().code == ErrorCode::kCorrupted || read.error().code == ErrorCode::kIo)
    return BlockState::kDamaged;
  return fail(read.error());
}

}  // namespace cowfs
