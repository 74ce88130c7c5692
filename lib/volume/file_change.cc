#include "lib/volume/file_change.h"

#include <algorithm>
#include <array>

#include "lib/volume/change_checks.h"
#include "lib/volume/extent_data.h"
#include "lib/volume/file_truncate.h"
#include "lib/volume/new_blocks.h"

namespace cowfs {

LockedFile::LockedFile(const RequestContext& context, Volume& volume, InodeNumber inode,
                       bool drop_privileges)
    : operation_(volume.store()),
      handle_(volume.inodes().lock_handle(inode)),
      lock_(handle_->mutex),
      change_{.context = context,
              .volume = volume,
              .inode = inode,
              .operation = operation_,
              .open = *handle_,
              .drop_privileges = drop_privileges,
              .record = {},
              .shared_at = {}} {}

Result<InodeRecord> load_regular_file(const TreeView& view, VolumeId volume, InodeNumber inode) {
  COWFS_ASSIGN(InodeRecord record, load_inode(view, volume, inode));
  if (record.is_directory()) return fail(ErrorCode::kIsDirectory);
  if (!record.is_regular()) return fail(ErrorCode::kInvalidArgument);
  return record;
}

Result<void> begin_change(FileChange& change) {
  {
    const ReadView view(change.store());
    COWFS_ASSIGN(change.record, load_regular_file(view, change.volume.id(), change.inode));
    COWFS_TRY(check_writable(view, change.store(), change.volume.id()));
    COWFS_ASSIGN(change.shared_at, view.shared_at(change.volume.id()));
  }
  if ((change.record.flags & kInodeTruncating) != 0) COWFS_TRY(erase_past_end(change, false));
  return {};
}

Result<void> commit_change(FileChange& change, ExtentEdit& edit, Transaction transaction,
                           const ChangeRecord& apply) {
  const VolumeId volume = change.volume.id();
  UpdateView view(change.store(), change.operation);
  COWFS_ASSIGN(InodeRecord record, load_inode(view, volume, change.inode));
  const std::uint64_t size = record.size;
  record.blocks += edit.finish(change.shared_at, transaction);
  COWFS_TRY(apply(view, record, transaction));
  const bool only_times = transaction.empty() && record.size == size;
  if (only_times) transaction.only_overwrites();
  for (const ObjectNumber object : change.overwritten) transaction.overwrote(object);
  put_inode(transaction, volume, change.inode, record);
  COWFS_TRY(view.commit(transaction));
  change.open.unsynced.note_commit(view.sequence(), only_times, transaction.overwritten());
  change.overwritten.clear();
  change.record = record;
  return {};
}

Result<void> keep_record(const TreeView&, InodeRecord&, Transaction&) { return {}; }

Result<void> commit_written(FileChange& change, ExtentEdit& edit, Transaction transaction,
                            std::uint64_t end) {
  const auto apply = [&](const TreeView& view, InodeRecord& record,
                         Transaction& adding) -> Result<void> {
    record.size = std::max(record.size, end);
    record.modify_time = record.change_time = now();
    if (!change.drop_privileges || !has_privileges(record)) return {};
    return drop_privileges(view, adding, change.volume.id(), change.inode, record);
  };
  COWFS_TRY(commit_change(change, edit, std::move(transaction), apply));
  change.drop_privileges = false;
  return {};
}

Result<void> clear_past_end(FileChange& change) {
  const std::uint64_t size = change.record.size;
  if (size % kBlockSize == 0) return {};
  const FileBlocks last{block_of(size), block_of(size) + 1};
  COWFS_ASSIGN(ExtentEdit edit, [&] {
    return ExtentEdit::load(ReadView(change.store()), change.volume.id(), change.inode, last);
  }());
  const std::vector<Extent> extents = clip_extents(edit.extents(), last);
  if (extents.empty()) return {};
  std::array<std::byte, kBlockSize> block;
  COWFS_TRY(read_extents(change.store(), extents, last.first << kBlockShift, block));
  const MutableBytes past_end = MutableBytes(block).subspan(size % kBlockSize);
  if (is_zero(past_end)) return {};
  std::ranges::fill(past_end, std::byte{0});
  OverwriteGuard overwrite(change.store());
  bool here = change.is_alone(extents.front());
  if (here) {
    COWFS_ASSIGN(here, overwrite.add(extents.front().blocks));
  }
  if (here) {  // nobody has seen these bytes: in place
    change.note_overwritten(extents);
    overwrite.writing();
    COWFS_TRY(write_extents(change.store(), extents, last.first, block));
    overwrite.written();
    return {};
  }
  NewBlocks blocks(change.store());
  COWFS_TRY(blocks.take({&last, 1}));
  COWFS_TRY(write_extents(change.store(), blocks.extents(), last.first, block));
  edit.replace(blocks.extents());
  COWFS_TRY(commit_change(change, edit, Transaction(change.context), keep_record));
  blocks.keep_all();
  return {};
}

}  // namespace cowfs
