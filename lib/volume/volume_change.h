// One change of a volume's names and attributes, from the locks to the commit.
//
// Takes an Operation and the exclusive tree lock when it is made and gives them back in commit()
// (or when it goes). In between, a method of Volume checks what must hold and edits: inode records
// are loaded once and all that were edited are put at the commit, so that a directory that plays
// two parts in a rename is one record. An inode that loses its last name is erased in the same
// transaction where nobody holds it and it is small; else it becomes an orphan (orphans.h).
//
// The time of the change is taken under the lock: times in a tree never run against its order of
// changes.
#pragma once

#include <map>
#include <optional>
#include <string_view>
#include <utility>

#include "lib/volume/change_checks.h"
#include "lib/volume/inode_record.h"
#include "lib/volume/name_item.h"
#include "lib/volume/volume.h"

namespace cowfs {

class VolumeChange {
 public:
  /// Waits for the locks. The caller holds no lock.
  VolumeChange(Volume& volume, const RequestContext& context);
  ~VolumeChange();
  VolumeChange(const VolumeChange&) = delete;
  VolumeChange& operator=(const VolumeChange&) = delete;

  /// The first call: kReadOnly, kStale.
  Result<void> check_writable() const;

  Timestamp time() const { return time_; }
  const TreeView& view() const { return *view_; }
  Transaction& transaction() { return transaction_; }

  /// An inode's record to edit, put at the commit. Valid until the commit. kStale.
  Result<InodeRecord*> inode(InodeNumber inode);
  /// The same of a directory: kNotDirectory; kNotFound where it was removed.
  Result<InodeRecord*> directory(InodeNumber inode);
  InodeRecord* add_inode(InodeNumber inode, const InodeRecord& record);

  Result<NameSlot> find(InodeNumber directory, std::string_view name) const;
  /// The entry of that name: kNotFound.
  Result<NameItem> find_existing(InodeNumber directory, std::string_view name) const;
  /// A cookie for a new name: kExists, kNoSpace where its hash is full.
  Result<std::uint64_t> find_free(InodeNumber directory, std::string_view name) const;

  /// Adds a name to a directory: its items, its size and times, its link count for a directory
  /// (kTooManyLinks).
  Result<void> add_entry(InodeNumber directory, const NameItem& item);
  Result<void> remove_entry(InodeNumber directory, const NameItem& item);

  /// One name of an inode is gone: fewer links, a new change time; without links it is erased or
  /// becomes an orphan. At most one inode a change loses its last name.
  Result<void> drop_link(InodeNumber inode);
  /// A new inode without a name, which is opened at the commit.
  void add_unnamed(InodeNumber inode);
  /// An orphan has got its first name.
  void adopt(InodeNumber inode);
  /// The inode counts as opened for writing from the commit on. The caller has a pin for it.
  void open_at_commit(InodeNumber inode) { opened_ = inode; }

  /// Commits, gives the locks back, then goes on with what was too much for one transaction.
  Result<void> commit();

 private:
  enum class Fate { kKept, kErased, kErasing };

  Result<void> end_life(InodeNumber inode);
  Result<void> commit_locked();

  Volume& volume_;
  std::optional<Operation> operation_;
  std::optional<UpdateView> view_;
  Transaction transaction_;
  Timestamp time_;
  std::map<InodeNumber, InodeRecord> records_;
  std::optional<std::pair<InodeNumber, Fate>> ended_;  // the inode that lost its last name
  std::optional<InodeNumber> unnamed_;
  std::optional<InodeNumber> adopted_;
  std::optional<InodeNumber> opened_;
};

}  // namespace cowfs
