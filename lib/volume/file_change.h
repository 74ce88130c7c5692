// What every change of a file's data begins and ends with.
//
//     LockedFile file(context, volume, inode);    // keeps forks out, then other users of the file
//     FileChange& change = file.change();
//     COWFS_TRY(begin_change(change));             // may it be changed? its record, and what is
//     shared
//     ... look (ReadView), take blocks, write data ...
//     COWFS_TRY(commit_written(change, edit, ...)); // one transaction: extents, blocks, size,
//     times
//
// Locks: the order is the store's (store.h): Operation, inode lock, tree lock.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "lib/base/request_context.h"
#include "lib/volume/extent_map.h"
#include "lib/volume/inode_record.h"
#include "lib/volume/inode_table.h"
#include "lib/volume/volume.h"

namespace cowfs {

/// A change of one file under way. Whoever has one holds an Operation and the inode's lock
/// exclusively.
struct FileChange {
  const RequestContext& context;
  Volume& volume;
  InodeNumber inode;
  const Operation& operation;
  OpenState& open;
  bool drop_privileges = false;  // with the first commit_written

  // objects in which blocks were written in place since the last commit
  std::vector<ObjectNumber> overwritten{};

  InodeRecord record;      // as begin_change or the last commit_change saw it
  Generation shared_at{};  // extents born after it are ours alone

  Store& store() const { return volume.store(); }
  bool is_alone(const Extent& extent) const { return extent.birth > shared_at; }
  void note_overwritten(std::span<const Extent> extents) {
    for (const Extent& extent : extents) overwritten.push_back(extent.blocks.object);
  }
};

class LockedFile {
 public:
  LockedFile(const RequestContext& context, Volume& volume, InodeNumber inode,
             bool drop_privileges = false);

  FileChange& change() { return change_; }

 private:
  Operation operation_;
  InodeHandle handle_;
  ExclusiveLock lock_;
  FileChange change_;
};

/// The record of a regular file: kIsDirectory or kInvalidArgument for anything else, kStale where
/// it is gone.
Result<InodeRecord> load_regular_file(const TreeView& view, VolumeId volume, InodeNumber inode);

/// Loads record and shared_at; finishes a truncation that was cut short. Errors: those of
/// load_regular_file, kReadOnly, kStale.
Result<void> begin_change(FileChange& change);

/// What a commit does to the record as it is under the tree lock; it may add to the transaction.
using ChangeRecord = std::function<Result<void>(const TreeView&, InodeRecord&, Transaction&)>;

/// Commits a transaction with what the edit changed and the inode's record, after `apply`. After an
/// error nothing has changed.
Result<void> commit_change(FileChange& change, ExtentEdit& edit, Transaction transaction,
                           const ChangeRecord& apply);

/// For `apply`: only `blocks` follows what the edit changed.
Result<void> keep_record(const TreeView& view, InodeRecord& record, Transaction& transaction);

/// As commit_change, for a change that somebody asked for: mtime and ctime are now, the file ends
/// at `end` bytes at least, and privileges are dropped where the request says so.
Result<void> commit_written(FileChange& change, ExtentEdit& edit, Transaction transaction,
                            std::uint64_t end);

/// Zeroes what lies past the end of the file in its last block. Comes before every growth of the
/// size over it (what a write that was cut short left there would come to light).
Result<void> clear_past_end(FileChange& change);

}  // namespace cowfs
