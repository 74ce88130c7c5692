// Volume::read: extents are looked up under the tree lock, their data is read without it.

#include <algorithm>
#include <array>

#include "lib/volume/directory_walk.h"
#include "lib/volume/extent_data.h"
#include "lib/volume/file_change.h"
#include "lib/volume/volume.h"

namespace cowfs {
namespace {

struct Found {
  std::uint64_t size = 0;  // of the file
  std::vector<Extent> extents;
};

Result<Found> look_up(Store& store, VolumeId volume, InodeNumber inode, std::uint64_t offset,
                      std::uint64_t end) {
  const ReadView view(store);
  COWFS_ASSIGN(const InodeRecord record, load_regular_file(view, volume, inode));
  Found found{.size = record.size, .extents = {}};
  end = std::min(end, record.size);
  if (offset >= end) return found;
  COWFS_ASSIGN(found.extents,
               find_extents(view, volume, inode, {block_of(offset), blocks_for(end)}));
  return found;
}

/// What cannot be read, by file and offset, for the one who has to restore it.
Error name_damage(Store& store, VolumeId volume, InodeNumber inode, std::span<const Extent> extents,
                  FileBlocks range, Error error) {
  if (error.code != ErrorCode::kCorrupted) return error;
  std::array<std::byte, kBlockSize> block;
  std::uint64_t at = range.first;
  while (at + 1 < range.end && read_extents(store, extents, at << kBlockShift, block)) ++at;
  error.text = describe_file(store, volume, inode) + ": offset " +
               std::to_string(at << kBlockShift) + ": " + error.text;
  return error;
}

/// Reads as much as one look at the tree gives. Returns the offset up to which it came.
Result<std::uint64_t> read_step(Store& store, VolumeId volume, InodeNumber inode,
                                std::uint64_t offset, MutableBytes out) {
  COWFS_ASSIGN(const Found found, look_up(store, volume, inode, offset, offset + out.size()));
  if (offset >= found.size) return offset;
  std::uint64_t end = std::min(offset + out.size(), found.size);
  if (found.extents.size() == kExtentsPerStep)
    end = std::min(end, found.extents.back().end() << kBlockShift);
  auto read = read_extents(store, found.extents, offset, out.first(end - offset));
  if (!read) {
    return fail(name_damage(store, volume, inode, found.extents,
                            {block_of(offset), blocks_for(end)}, read.error()));
  }
  return end;
}

}  // namespace

Result<std::size_t> Volume::read(InodeNumber inode, std::uint64_t offset, MutableBytes out) {
  if (offset > kFileSizeLimit) return fail(ErrorCode::kInvalidArgument);
  out = out.first(std::min<std::uint64_t>(out.size(), kFileSizeLimit - offset));
  // The guard first: blocks that lose their extent after the look-up (a volume that is deleted)
  // keep their bytes.
  const EpochGuard guard(store_);
  const InodeHandle handle = inodes_->lock_handle(inode);
  const SharedLock lock(handle->mutex);
  std::size_t done = 0;
  while (true) {
    COWFS_ASSIGN(const std::uint64_t reached,
                 read_step(store_, id_, inode, offset + done, out.subspan(done)));
    const std::size_t part = reached - (offset + done);
    done += part;
    if (part == 0 || done == out.size()) return done;
  }
}

}  // namespace cowfs
