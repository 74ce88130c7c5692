// Volume::locate: from a block of a file to the place of its bytes.

#include "lib/volume/file_change.h"
#include "lib/volume/volume.h"

namespace cowfs {

Result<BlockPlace> Volume::locate(InodeNumber inode, std::uint64_t file_block) {
  if (file_block >= kFileBlockLimit) return fail(ErrorCode::kInvalidArgument);
  const InodeHandle handle = inodes_->lock_handle(inode);
  const SharedLock lock(handle->mutex);  // the extent and the count are of one state of the file
  std::vector<Extent> extents;
  {
    const ReadView view(store_);
    COWFS_TRY(load_regular_file(view, id_, inode));
    COWFS_ASSIGN(extents, find_extents(view, id_, inode, {file_block, kFileBlockLimit}, 1));
  }
  if (extents.empty()) return BlockPlace{kNoObject, 0, kFileBlockLimit - file_block, 0};
  const Extent& extent = extents.front();
  if (extent.file_block > file_block)
    return BlockPlace{kNoObject, 0, extent.file_block - file_block, 0};
  const BlockRange blocks = extent.part(file_block, extent.end()).blocks;
  COWFS_ASSIGN(const std::uint64_t references,
               store_.block_references(blocks.object, blocks.first));
  return BlockPlace{blocks.object, blocks.first, blocks.count, references};
}

}  // namespace cowfs
