// Volume::write: each block goes where it lies, if that place is the file's alone, else to a new
// place.
//
// A step (at most 4 MiB, within one aligned 4 MiB) builds an image of whole blocks, finds a place
// for each, writes the data without the tree lock, and makes it visible in one transaction.

#include "lib/volume/file_write.h"

#include <algorithm>
#include <cstring>

#include "lib/volume/extent_data.h"
#include "lib/volume/new_blocks.h"
#include "lib/volume/own_object.h"

namespace cowfs {
namespace {

constexpr std::uint64_t kStepBytes = std::uint64_t{4} << 20;  // divides the window of an own object

/// Fills the block of `image` (whole blocks from `first_block` on) that `offset` cuts with what the
/// file has there.
Result<void> fill_edge(FileChange& change, std::span<const Extent> extents,
                       std::uint64_t first_block, std::uint64_t offset, MutableBytes image) {
  const std::uint64_t begin = block_of(offset) << kBlockShift;
  const std::uint64_t size = change.record.size;
  if (begin >= size) return {};  // the image is zero there
  const std::uint64_t length = std::min<std::uint64_t>(kBlockSize, size - begin);
  return read_extents(change.store(), extents, begin,
                      image.subspan(begin - (first_block << kBlockShift), length));
}

/// The whole blocks that hold `in` at `offset`: `in` itself where it has no edges, else a copy in
/// `buffer` with what lies around it.
Result<Bytes> image_of(FileChange& change, std::span<const Extent> extents, FileBlocks range,
                       std::uint64_t offset, Bytes in, std::vector<std::byte>& buffer) {
  const std::uint64_t end = offset + in.size();
  const bool cuts_first = offset % kBlockSize != 0;
  const bool cuts_last = end % kBlockSize != 0;
  if (!cuts_first && !cuts_last) return in;
  buffer.assign(range.count() * kBlockSize, std::byte{0});
  if (cuts_first) COWFS_TRY(fill_edge(change, extents, range.first, offset, buffer));
  if (cuts_last && !(cuts_first && range.count() == 1))
    COWFS_TRY(fill_edge(change, extents, range.first, end, buffer));
  std::memcpy(buffer.data() + (offset - (range.first << kBlockShift)), in.data(), in.size());
  return Bytes(buffer);
}

/// The extents of `range` that may be written in place.
Result<std::vector<Extent>> in_place(const FileChange& change, std::span<const Extent> extents,
                                     FileBlocks range, OverwriteGuard& overwrite) {
  std::vector<Extent> own;
  for (const Extent& extent : clip_extents(extents, range)) {
    if (!change.is_alone(extent)) continue;
    COWFS_ASSIGN(const bool here, overwrite.add(extent.blocks));
    if (here) own.push_back(extent);
  }
  return own;
}

std::uint64_t count_blocks(std::span<const FileBlocks> runs) {
  std::uint64_t count = 0;
  for (const FileBlocks& run : runs) count += run.count();
  return count;
}

Result<ExtentEdit> load_edit(const FileChange& change, FileBlocks range) {
  const ReadView view(change.store());
  return ExtentEdit::load(view, change.volume.id(), change.inode, range);
}

Result<void> write_step(FileChange& change, std::uint64_t offset, Bytes in) {
  const FileBlocks range{block_of(offset), blocks_for(offset + in.size())};
  COWFS_ASSIGN(ExtentEdit edit, load_edit(change, range));
  OverwriteGuard overwrite(change.store());
  COWFS_ASSIGN(std::vector<Extent> places, in_place(change, edit.extents(), range, overwrite));
  const std::vector<FileBlocks> new_runs = holes_in(places, range);
  NewBlocks blocks(change.store());
  if (!new_runs.empty()) {
    COWFS_ASSIGN(const auto own,
                 usable_own_object(change, window_of(range.first), count_blocks(new_runs)));
    // It may just have been made, with all that the window holds moved to it: ours alone before and
    // after.
    COWFS_ASSIGN(edit, load_edit(change, range));
    COWFS_ASSIGN(places, in_place(change, edit.extents(), range, overwrite));
    COWFS_TRY(blocks.take(new_runs, own));
  }
  std::vector<std::byte> buffer;
  COWFS_ASSIGN(const Bytes image, image_of(change, edit.extents(), range, offset, in, buffer));
  change.note_overwritten(places);
  places.insert(places.end(), blocks.extents().begin(), blocks.extents().end());
  std::ranges::sort(places, {}, &Extent::file_block);
  overwrite.writing();
  COWFS_TRY(write_extents(change.store(), places, range.first, image));
  overwrite.written();
  edit.replace(blocks.extents());
  COWFS_TRY(commit_written(change, edit, Transaction(change.context), offset + in.size()));
  blocks.keep_all();
  return {};
}

}  // namespace

Result<std::size_t> write_locked(FileChange& change, std::uint64_t offset, Bytes in) {
  if (offset > change.record.size && !in.empty()) COWFS_TRY(clear_past_end(change));
  std::size_t done = 0;
  while (done < in.size()) {
    const std::uint64_t at = offset + done;
    const std::size_t part =
        std::min<std::uint64_t>(in.size() - done, kStepBytes - at % kStepBytes);
    const auto step = write_step(change, at, in.subspan(done, part));
    if (!step && done == 0) return fail(step.error());
    if (!step) break;
    done += part;
  }
  return done;
}

Result<std::size_t> Volume::write(const RequestContext& context, InodeNumber inode,
                                  std::uint64_t offset, Bytes in, bool drop_privileges) {
  if (offset >= kFileSizeLimit && !in.empty()) return fail(ErrorCode::kFileTooLarge);
  LockedFile file(context, *this, inode, drop_privileges);
  COWFS_TRY(begin_change(file.change()));
  return write_locked(file.change(), offset,
                      in.first(std::min<std::uint64_t>(in.size(), kFileSizeLimit - offset)));
}

}  // namespace cowfs
