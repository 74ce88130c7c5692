// Volume::allocate: real blocks for holes, holes for data, zeros for a range.
//
// All modes are one shape: ranges that become holes, and new extents that are put over what is
// there. Blocks are taken first, all of them, so that a full store leaves the file as it was; then
// they are named in as many transactions as it takes. The blocks at the edges that are zeroed in
// part are never changed in place.

#include <algorithm>
#include <array>

#include "lib/volume/extent_data.h"
#include "lib/volume/new_blocks.h"
#include "lib/volume/own_object.h"

namespace cowfs {
namespace {

class Allocation {
 public:
  Allocation(FileChange& change, std::uint64_t offset, std::uint64_t end)
      : change_(change), offset_(offset), end_(end), fresh_(change.store()) {}

  Result<void> fill_holes();
  Result<void> punch();
  Result<void> zero();
  /// Names it all. The file ends at `size` at least then.
  Result<void> commit(std::uint64_t size);

 private:
  FileBlocks touched() const { return {block_of(offset_), blocks_for(end_)}; }
  FileBlocks whole() const { return {blocks_for(offset_), block_of(end_)}; }
  Result<std::vector<FileBlocks>> find_holes(FileBlocks range) const;
  Result<void> take(FileBlocks range, bool holes_only);
  Result<void> zero_edges();
  Result<void> zero_part(std::uint64_t block, std::size_t from, std::size_t to);
  Result<FileBlocks> next_step(std::uint64_t from) const;

  FileChange& change_;
  const std::uint64_t offset_;
  const std::uint64_t end_;
  NewBlocks fresh_;
  std::vector<FileBlocks> cleared_;
};

Result<std::vector<FileBlocks>> Allocation::find_holes(FileBlocks range) const {
  std::vector<FileBlocks> holes;
  while (!range.empty()) {
    const ReadView view(change_.store());
    COWFS_ASSIGN(const FileBlocks step,
                 one_step_of(view, change_.volume.id(), change_.inode, range));
    COWFS_ASSIGN(const auto extents, find_extents(view, change_.volume.id(), change_.inode, step));
    const auto found = holes_in(extents, step);
    holes.insert(holes.end(), found.begin(), found.end());
    range.first = step.end;
  }
  return holes;
}

/// Takes blocks for the range, or for its holes alone. They are not written: what was never written
/// reads as zero.
Result<void> Allocation::take(FileBlocks range, bool holes_only) {
  while (!range.empty()) {
    const std::uint32_t window = window_of(range.first);
    const FileBlocks part{range.first,
                          std::min(range.end, (std::uint64_t{window} + 1) * kWindowBlocks)};
    std::vector<FileBlocks> runs{part};
    if (holes_only) {
      COWFS_ASSIGN(runs, find_holes(part));
    }
    std::uint64_t count = 0;
    for (const FileBlocks& run : runs) count += run.count();
    if (count > 0) {
      // Before anything is made or moved for it.
      if (change_.store().space().free_blocks < count)
        return fail(ErrorCode::kNoSpace, "fallocate");
      COWFS_ASSIGN(const auto own, usable_own_object(change_, window, count));
      COWFS_TRY(fresh_.take(runs, own));
    }
    range.first = part.end;
  }
  return {};
}

Result<void> Allocation::fill_holes() { return take(touched(), true); }

Result<void> Allocation::punch() {
  COWFS_TRY(zero_edges());
  if (!whole().empty()) cleared_.push_back(whole());
  return {};
}

Result<void> Allocation::zero() {
  COWFS_TRY(zero_edges());
  COWFS_TRY(take(whole(), false));
  // The edges have blocks afterwards too: those that became zero altogether, and those that were
  // holes.
  for (const std::uint64_t block : {touched().first, touched().end - 1}) {
    const FileBlocks edge{block, block + 1};
    const bool inner = block >= whole().first && block < whole().end;
    if (inner || !clip_extents(fresh_.extents(), edge).empty()) continue;
    COWFS_ASSIGN(auto runs, find_holes(edge));
    if (std::erase(cleared_, edge) > 0) runs = {edge};
    COWFS_TRY(fresh_.take(runs));
  }
  return {};
}

Result<void> Allocation::zero_edges() {
  const FileBlocks blocks = touched();
  const std::size_t from = offset_ % kBlockSize;
  const std::size_t to = end_ % kBlockSize;
  if (blocks.count() == 1) {
    if (from != 0 || to != 0) return zero_part(blocks.first, from, to == 0 ? kBlockSize : to);
    return {};
  }
  if (from != 0) COWFS_TRY(zero_part(blocks.first, from, kBlockSize));
  if (to != 0) COWFS_TRY(zero_part(blocks.end - 1, 0, to));
  return {};
}

/// Zeroes bytes [from, to) of a block: what stays goes to a new place; a block that is zero
/// altogether becomes a hole.
Result<void> Allocation::zero_part(std::uint64_t block, std::size_t from, std::size_t to) {
  const FileBlocks range{block, block + 1};
  COWFS_ASSIGN(const auto extents, [&] {
    return find_extents(ReadView(change_.store()), change_.volume.id(), change_.inode, range);
  }());
  if (extents.empty()) return {};
  std::array<std::byte, kBlockSize> bytes;
  COWFS_TRY(read_extents(change_.store(), extents, block << kBlockShift, bytes));
  const MutableBytes part = MutableBytes(bytes).subspan(from, to - from);
  const bool was_zero = is_zero(part);
  std::ranges::fill(part, std::byte{0});
  if (is_zero(bytes)) {
    cleared_.push_back(range);
    return {};
  }
  if (was_zero) return {};
  COWFS_TRY(fresh_.take({&range, 1}));
  return write_extents(change_.store(), clip_extents(fresh_.extents(), range), block, bytes);
}

/// The blocks from `from` on that one transaction may change: bounded by the extents that are there
/// and by those that come.
Result<FileBlocks> Allocation::next_step(std::uint64_t from) const {
  const ReadView view(change_.store());
  COWFS_ASSIGN(FileBlocks step,
               one_step_of(view, change_.volume.id(), change_.inode, {from, touched().end}));
  const std::vector<Extent>& fresh = fresh_.extents();
  const auto first = std::ranges::lower_bound(
      fresh, from, {}, [](const Extent& extent) { return extent.end() - 1; });
  if (fresh.end() - first > static_cast<std::ptrdiff_t>(kExtentsPerStep)) {
    step.end = std::min(step.end, (first + kExtentsPerStep - 1)->end());
  }
  return step;
}

Result<void> Allocation::commit(std::uint64_t size) {
  for (std::uint64_t from = touched().first; from < touched().end;) {
    COWFS_ASSIGN(const FileBlocks step, next_step(from));
    COWFS_ASSIGN(ExtentEdit edit, [&] {
      return ExtentEdit::load(ReadView(change_.store()), change_.volume.id(), change_.inode, step);
    }());
    for (const FileBlocks& range : cleared_) {
      edit.clear({std::max(range.first, step.first), std::min(range.end, step.end)});
    }
    edit.replace(clip_extents(fresh_.extents(), step));
    const bool last = step.end == touched().end;
    Transaction transaction(change_.context);
    if (fresh_.extents().empty()) transaction.frees_space();
    COWFS_TRY(commit_written(change_, edit, std::move(transaction), last ? size : 0));
    fresh_.keep_below(step.end);
    from = step.end;
  }
  return {};
}

Result<void> allocate_locked(FileChange& change, AllocateMode mode, std::uint64_t offset,
                             std::uint64_t end) {
  const bool grows = mode == AllocateMode::kAllocate || mode == AllocateMode::kZeroRange;
  const std::uint64_t size = grows ? end : 0;
  if (size > change.record.size) COWFS_TRY(clear_past_end(change));
  Allocation allocation(change, offset, end);
  switch (mode) {
    case AllocateMode::kAllocate:
    case AllocateMode::kAllocateKeepSize: COWFS_TRY(allocation.fill_holes()); break;
    case AllocateMode::kPunchHole: COWFS_TRY(allocation.punch()); break;
    case AllocateMode::kZeroRange:
    case AllocateMode::kZeroRangeKeepSize: COWFS_TRY(allocation.zero()); break;
  }
  return allocation.commit(size);
}

}  // namespace

Result<void> Volume::allocate(const RequestContext& context, InodeNumber inode, AllocateMode mode,
                              std::uint64_t offset, std::uint64_t length, bool drop_privileges) {
  if (length == 0) return fail(ErrorCode::kInvalidArgument);
  if (offset > kFileSizeLimit || length > kFileSizeLimit - offset)
    return fail(ErrorCode::kFileTooLarge);
  LockedFile file(context, *this, inode, drop_privileges);
  COWFS_TRY(begin_change(file.change()));
  return allocate_locked(file.change(), mode, offset, offset + length);
}

}  // namespace cowfs
