#include "lib/volume/volume_change.h"

#include <sys/stat.h>

#include <algorithm>

#include "lib/base/check.h"
#include "lib/volume/inode_table.h"
#include "lib/volume/orphans.h"

namespace cowfs {
VolumeChange::VolumeChange(Volume& volume, const RequestContext& context)
    : volume_(volume), transaction_(context) {
  operation_.emplace(volume.store());
  view_.emplace(volume.store(), *operation_);
  time_ = now();
}

VolumeChange::~VolumeChange() {
  if (ended_) volume_.inodes().drop_orphan(ended_->first);
  if (unnamed_) volume_.inodes().drop_orphan(*unnamed_);
}

Result<void> VolumeChange::check_writable() const {
  return cowfs::check_writable(*view_, volume_.store(), volume_.id());
}

Result<InodeRecord*> VolumeChange::inode(InodeNumber inode) {
  const auto known = records_.find(inode);
  if (known != records_.end()) return &known->second;
  COWFS_ASSIGN(const InodeRecord record, load_inode(*view_, volume_.id(), inode));
  return add_inode(inode, record);
}

InodeRecord* VolumeChange::add_inode(InodeNumber inode, const InodeRecord& record) {
  return &records_.insert_or_assign(inode, record).first->second;
}

Result<InodeRecord*> VolumeChange::directory(InodeNumber inode) {
  COWFS_ASSIGN(InodeRecord * record, this->inode(inode));
  if (!record->is_directory()) return fail(ErrorCode::kNotDirectory);
  if (record->link_count == 0) return fail(ErrorCode::kNotFound);
  return record;
}

Result<NameSlot> VolumeChange::find(InodeNumber directory, std::string_view name) const {
  return find_name(*view_, volume_.id(), directory, name, volume_.store().name_seed());
}

Result<NameItem> VolumeChange::find_existing(InodeNumber directory, std::string_view name) const {
  COWFS_ASSIGN(NameSlot slot, find(directory, name));
  if (!slot.item) return fail(ErrorCode::kNotFound);
  return std::move(*slot.item);
}

Result<std::uint64_t> VolumeChange::find_free(InodeNumber directory, std::string_view name) const {
  COWFS_ASSIGN(const NameSlot slot, find(directory, name));
  if (slot.item) return fail(ErrorCode::kExists);
  if (!slot.free_cookie) return fail(ErrorCode::kNoSpace, "too many names of one hash");
  return *slot.free_cookie;
}

Result<void> VolumeChange::add_entry(InodeNumber directory, const NameItem& item) {
  COWFS_ASSIGN(InodeRecord * record, this->directory(directory));
  if (S_ISDIR(item.type)) {
    if (record->link_count >= kLinkLimit) return fail(ErrorCode::kTooManyLinks);
    ++record->link_count;
  }
  record->size = std::min(record->size + entry_size(item.name),
                          kFileSizeLimit);  // a damaged size may be near the limit
  record->modify_time = record->change_time = time_;
  put_name(transaction_, volume_.id(), directory, item);
  return {};
}

Result<void> VolumeChange::remove_entry(InodeNumber directory, const NameItem& item) {
  COWFS_ASSIGN(InodeRecord * record, this->directory(directory));
  if (S_ISDIR(item.type)) {
    if (record->link_count <= 2) return fail(ErrorCode::kCorrupted, "a link count is damaged");
    --record->link_count;
  }
  record->size -= std::min(record->size, entry_size(item.name));
  record->modify_time = record->change_time = time_;
  erase_name(transaction_, volume_.id(), directory, item);
  return {};
}

Result<void> VolumeChange::drop_link(InodeNumber inode) {
  COWFS_ASSIGN(InodeRecord * record, this->inode(inode));
  if (record->link_count == 0) return fail(ErrorCode::kCorrupted, "a link count is damaged");
  record->link_count = record->is_directory() ? 0 : record->link_count - 1;
  record->change_time = time_;
  if (record->link_count == 0) return end_life(inode);
  return {};
}

Result<void> VolumeChange::end_life(InodeNumber inode) {
  COWFS_CHECK(!ended_);
  const bool kept = volume_.inodes().add_orphan(inode);
  ended_ = {inode, Fate::kKept};
  if (!kept) {
    COWFS_ASSIGN(const bool gone, erase_some(*view_, volume_.id(), inode, transaction_));
    ended_->second = gone ? Fate::kErased : Fate::kErasing;
    if (gone) {
      records_.erase(inode);
      return {};
    }
  }
  transaction_.put(volume_.id(), orphan_key(inode), {});
  return {};
}

void VolumeChange::add_unnamed(InodeNumber inode) {
  volume_.inodes().add_kept_orphan(inode);
  unnamed_ = inode;
  transaction_.put(volume_.id(), orphan_key(inode), {});
  open_at_commit(inode);
}

void VolumeChange::adopt(InodeNumber inode) {
  adopted_ = inode;
  transaction_.erase(volume_.id(), orphan_key(inode));
}

Result<void> VolumeChange::commit_locked() {
  for (const auto& [inode, record] : records_) {
    put_inode(transaction_, volume_.id(), inode, record);
  }
  COWFS_TRY(view_->commit(transaction_));
  unnamed_.reset();
  if (adopted_) volume_.inodes().drop_orphan(*adopted_);
  if (opened_) COWFS_TRY(volume_.inodes().open(*opened_, true, false));
  return {};
}

Result<void> VolumeChange::commit() {
  COWFS_TRY(commit_locked());
  const auto ended = std::exchange(ended_, std::nullopt);
  if (ended && ended->second == Fate::kErased) volume_.inodes().drop_orphan(ended->first);
  view_.reset();
  operation_.reset();
  // What is left of it now stays an orphan until the next mount: the name is gone all the same.
  if (ended && ended->second == Fate::kErasing) (void)erase_orphan(volume_, ended->first);
  return {};
}

}  // namespace cowfs
