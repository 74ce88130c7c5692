// truncate_file: the new size is visible in one transaction, and what it leaves past the end is
// erased in as many as it takes.

#include "lib/volume/file_truncate.h"

#include <algorithm>
#include <array>

#include "lib/volume/extent_data.h"
#include "lib/volume/file_data.h"
#include "lib/volume/new_blocks.h"
#include "lib/volume/orphans.h"
#include "lib/volume/own_object.h"

namespace cowfs {
namespace {

constexpr std::size_t kOwnObjectsPerStep = 1000;

/// One step of erasing what lies past a size: the extents of [.., step end), and own objects of
/// windows past it.
struct EraseStep {
  ExtentEdit edit;
  FileBlocks range;  // from the block that the size cuts, or the first past it
  std::vector<std::uint32_t> windows;
  bool last = false;
};

Result<EraseStep> load_step(const FileChange& change, std::uint64_t size) {
  const VolumeId volume = change.volume.id();
  const ReadView view(change.store());
  COWFS_ASSIGN(const FileBlocks range,
               one_step_of(view, volume, change.inode, {block_of(size), kFileBlockLimit}));
  COWFS_ASSIGN(ExtentEdit edit, ExtentEdit::load(view, volume, change.inode, range));
  const std::uint64_t first_window = (blocks_for(size) + kWindowBlocks - 1) / kWindowBlocks;
  COWFS_ASSIGN(auto windows, windows_with_own_object(view, volume, change.inode,
                                                     static_cast<std::uint32_t>(first_window),
                                                     kOwnObjectsPerStep));
  const bool last = range.end == kFileBlockLimit && windows.size() < kOwnObjectsPerStep;
  return EraseStep{std::move(edit), range, std::move(windows), last};
}

void add_erases(const FileChange& change, EraseStep& step, std::uint64_t size,
                Transaction& transaction) {
  step.edit.clear({blocks_for(size), step.range.end});
  for (const std::uint32_t window : step.windows) {
    transaction.erase(change.volume.id(), own_object_key(change.inode, window));
  }
}

/// The last block of a file that is cut at `size`, within it: what stays goes to a new place, or
/// becomes a hole where it is zero. The block is left alone where it is zero past the cut already,
/// or where the store is full: those bytes are past the end then, and cleared when the file grows.
Result<void> cut_last_block(FileChange& change, ExtentEdit& edit, std::uint64_t size,
                            NewBlocks& blocks) {
  if (size % kBlockSize == 0) return {};
  const FileBlocks last{block_of(size), block_of(size) + 1};
  const std::vector<Extent> extents = clip_extents(edit.extents(), last);
  if (extents.empty()) return {};
  std::array<std::byte, kBlockSize> block;
  COWFS_TRY(read_extents(change.store(), extents, last.first << kBlockShift, block));
  const MutableBytes past_end = MutableBytes(block).subspan(size % kBlockSize);
  if (is_zero(past_end)) return {};
  std::ranges::fill(past_end, std::byte{0});
  if (is_zero(block)) {
    edit.clear(last);
    return {};
  }
  const auto taken = blocks.take({&last, 1});
  if (!taken && taken.error().code == ErrorCode::kNoSpace) return {};
  COWFS_TRY(taken);
  COWFS_TRY(write_extents(change.store(), blocks.extents(), last.first, block));
  edit.replace(blocks.extents());
  return {};
}

/// Marks a truncation as unfinished, or takes the marks away. An inode without names keeps the item
/// that says so.
void mark_unfinished(const FileChange& change, bool unfinished, InodeRecord& record,
                     Transaction& transaction) {
  const bool was_unfinished = (record.flags & kInodeTruncating) != 0;
  record.flags = unfinished ? record.flags | kInodeTruncating : record.flags & ~kInodeTruncating;
  if (record.link_count == 0) return;
  if (unfinished && !was_unfinished) {
    transaction.put(change.volume.id(), orphan_key(change.inode),
                    encode_truncated_orphan(record.size));
  } else if (!unfinished && was_unfinished) {
    transaction.erase(change.volume.id(), orphan_key(change.inode));
  }
}

/// Sets the size, to at most what it is, and erases the first step of what lies past it.
Result<void> shrink(FileChange& change, std::uint64_t new_size,
                    const std::function<void(InodeRecord&)>& also) {
  COWFS_ASSIGN(EraseStep step, load_step(change, new_size));
  NewBlocks blocks(change.store());
  COWFS_TRY(cut_last_block(change, step.edit, new_size, blocks));
  Transaction transaction(change.context);
  transaction.frees_space();
  add_erases(change, step, new_size, transaction);
  const auto apply = [&](const TreeView&, InodeRecord& record,
                         Transaction& adding) -> Result<void> {
    record.size = new_size;
    record.modify_time = record.change_time = now();
    also(record);
    mark_unfinished(change, !step.last, record, adding);
    return {};
  };
  COWFS_TRY(commit_change(change, step.edit, std::move(transaction), apply));
  blocks.keep_all();
  if (new_size == 0) change.open.windows_without_own_object.clear();
  return step.last ? Result<void>{} : erase_past_end(change, false);
}

Result<void> grow(FileChange& change, std::uint64_t new_size,
                  const std::function<void(InodeRecord&)>& also) {
  COWFS_TRY(clear_past_end(change));
  ExtentEdit nothing(change.volume.id(), change.inode);
  const auto apply = [&](const TreeView&, InodeRecord& record, Transaction&) -> Result<void> {
    record.size = new_size;
    record.modify_time = record.change_time = now();
    also(record);
    return {};
  };
  return commit_change(change, nothing, Transaction(change.context), apply);
}

}  // namespace

Result<void> erase_past_end(FileChange& change, bool allow_read_only) {
  for (bool last = false; !last;) {
    COWFS_ASSIGN(EraseStep step, load_step(change, change.record.size));
    last = step.last;
    Transaction transaction(change.context);
    transaction.frees_space();
    if (allow_read_only) transaction.allow_read_only();
    add_erases(change, step, change.record.size, transaction);
    const auto apply = [&](const TreeView&, InodeRecord& record,
                           Transaction& adding) -> Result<void> {
      mark_unfinished(change, !last, record, adding);
      return {};
    };
    COWFS_TRY(commit_change(change, step.edit, std::move(transaction), apply));
  }
  return {};
}

Result<void> truncate_file(const RequestContext& context, Volume& volume, InodeNumber inode,
                           std::uint64_t new_size, const std::function<void(InodeRecord&)>& also) {
  if (new_size > kFileSizeLimit) return fail(ErrorCode::kFileTooLarge);
  LockedFile file(context, volume, inode);
  FileChange& change = file.change();
  COWFS_TRY(begin_change(change));
  return new_size > change.record.size ? grow(change, new_size, also)
                                       : shrink(change, new_size, also);
}

Result<void> finish_truncation(const RequestContext& context, Volume& volume, InodeNumber inode,
                               bool allow_read_only) {
  LockedFile file(context, volume, inode);
  FileChange& change = file.change();
  {
    const ReadView view(volume.store());
    COWFS_ASSIGN(change.record, load_regular_file(view, volume.id(), inode));
    COWFS_ASSIGN(change.shared_at, view.shared_at(volume.id()));
  }
  if ((change.record.flags & kInodeTruncating) == 0) return {};
  return erase_past_end(change, allow_read_only);
}

}  // namespace cowfs
