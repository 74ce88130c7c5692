// FALLOCATE, LSEEK, COPY_FILE_RANGE.
#include <fcntl.h>
#include <linux/falloc.h>
#include <unistd.h>

#include <algorithm>

#include "fs/handlers.h"
#include "fs/mount.h"
#include "fs/reply.h"

namespace cowfs {

namespace {

/// Of one request; what is left is the caller's next one. Below what an answer can carry on any
/// kernel.
constexpr std::uint64_t kMaxCopyBytes = std::uint64_t{1} << 30;

/// The kernel sends no word of its own with these two: as everywhere, root keeps setuid and setgid.
bool drops_privileges(fuse_req_t request) { return fuse_req_ctx(request)->uid != 0; }

Result<AllocateMode> allocate_mode_of(int mode) {
  switch (mode) {
    case 0: return AllocateMode::kAllocate;
    case FALLOC_FL_KEEP_SIZE: return AllocateMode::kAllocateKeepSize;
    case FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE: return AllocateMode::kPunchHole;
    case FALLOC_FL_ZERO_RANGE: return AllocateMode::kZeroRange;
    case FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE: return AllocateMode::kZeroRangeKeepSize;
    default: return fail(ErrorCode::kNotSupported);
  }
}

void allocate(fuse_req_t request, fuse_ino_t node, int mode, off_t offset, off_t length,
              fuse_file_info*) {
  const Result<AllocateMode> allocate_mode = allocate_mode_of(mode);
  if (!allocate_mode) return reply_error(request, allocate_mode.error());
  reply_done(request, on_inode(request, node, [&](Volume& volume, InodeNumber inode) {
               return volume.allocate(
                   context_of(request), inode, *allocate_mode, static_cast<std::uint64_t>(offset),
                   static_cast<std::uint64_t>(length), drops_privileges(request));
             }));
}

void seek(fuse_req_t request, fuse_ino_t node, off_t offset, int whence, fuse_file_info*) {
  if (whence != SEEK_DATA && whence != SEEK_HOLE) {
    return reply_error(request, ErrorCode::kInvalidArgument);
  }
  const SeekTarget target = whence == SEEK_DATA ? SeekTarget::kData : SeekTarget::kHole;
  const Result<std::uint64_t> found =
      on_inode(request, node, [&](Volume& volume, InodeNumber inode) {
        return volume.seek(inode, static_cast<std::uint64_t>(offset), target);
      });
  if (!found) return reply_error(request, found.error());
  fuse_reply_lseek(request, static_cast<off_t>(*found));
}

Result<std::uint64_t> clone(fuse_req_t request, const Place& from, off_t from_offset,
                            const Place& to, off_t to_offset, std::uint64_t length) {
  if (from.is_virtual() || to.is_virtual()) return fail(ErrorCode::kInvalidArgument);
  Mount& mount = Mount::of(request);
  COWFS_ASSIGN(const auto source, mount.volume(from.volume));
  COWFS_ASSIGN(const auto target, mount.volume(to.volume));
  return Volume::clone_range(context_of(request), *source, from.inode,
                             static_cast<std::uint64_t>(from_offset), *target, to.inode,
                             static_cast<std::uint64_t>(to_offset), std::min(length, kMaxCopyBytes),
                             drops_privileges(request));
}

/// The kernel has written the dirty pages of both ranges (fs/fuse/file.c, __fuse_copy_file_range)
/// and has proved that the caller may read the one and write the other.
void copy_range(fuse_req_t request, fuse_ino_t from, off_t from_offset, fuse_file_info*,
                fuse_ino_t to, off_t to_offset, fuse_file_info*, std::size_t length, int flags) {
  if (flags != 0) return reply_error(request, ErrorCode::kInvalidArgument);
  const NodeIds& nodes = Mount::of(request).nodes();
  const Result<std::uint64_t> done = with_room(Mount::of(request).file_system().store(), [&] {
    return clone(request, nodes.place_of(from), from_offset, nodes.place_of(to), to_offset, length);
  });
  if (!done) return reply_error(request, done.error());
  fuse_reply_write(request, *done);
}

}  // namespace

void add_range_handlers(fuse_lowlevel_ops& table) {
  table.fallocate = allocate;
  table.lseek = seek;
  table.copy_file_range = copy_range;
}

}  // namespace cowfs
