// Finding, adding and taking away names.
#include <sys/stat.h>

#include "lib/volume/directory_walk.h"
#include "lib/volume/inode_table.h"
#include "lib/volume/volume_change.h"

namespace cowfs {
namespace {

/// Why a name was not found: the directory may be gone or none at all.
Error why_not_found(const TreeView& view, VolumeId volume, InodeNumber directory) {
  const auto record = load_inode(view, volume, directory);
  if (!record) return record.error();
  return {record->is_directory() ? ErrorCode::kNotFound : ErrorCode::kNotDirectory, {}};
}

Result<InodeNumber> child_of(const TreeView& view, const Volume& volume, InodeNumber directory,
                             std::string_view name) {
  if (name == ".." || name == ".") {
    COWFS_ASSIGN(const InodeNumber parent, parent_in(view, volume.id(), directory));
    return name == "." ? directory : parent;
  }
  COWFS_ASSIGN(const NameSlot slot,
               find_name(view, volume.id(), directory, name, volume.store().name_seed()));
  if (!slot.item) return fail(why_not_found(view, volume.id(), directory));
  return slot.item->child;
}

/// rmdir(2) of the two names that every directory has.
Result<void> check_removable(std::string_view name) {
  COWFS_TRY(check_name(name));
  if (name == ".") return fail(ErrorCode::kInvalidArgument);
  if (name == "..") return fail(ErrorCode::kNotEmpty);
  return {};
}

Result<bool> is_empty(const TreeView& view, VolumeId volume, InodeNumber directory) {
  const std::string prefix = key_of(directory, KeyKind::kName).take();
  bool empty = true;
  COWFS_TRY(view.scan(volume, prefix, [&](std::string_view key, std::string_view) {
    empty = !has_prefix(key, prefix);
    return false;
  }));
  return empty;
}

}  // namespace

Result<void> check_empty(const TreeView& view, VolumeId volume, InodeNumber directory) {
  COWFS_ASSIGN(const bool empty, is_empty(view, volume, directory));
  if (!empty) return fail(ErrorCode::kNotEmpty);
  return {};
}

Result<Attributes> Volume::lookup(InodeNumber directory, std::string_view name) {
  COWFS_TRY(check_name(name));
  ReadView view(store_);
  COWFS_ASSIGN(const InodeNumber child, child_of(view, *this, directory, name));
  COWFS_ASSIGN(const InodeRecord record, load_named(view, id_, child));
  return attributes_of(child, record);
}

Result<Attributes> Volume::link(const RequestContext& context, InodeNumber inode,
                                InodeNumber directory, std::string_view name) {
  COWFS_TRY(check_new_name(name));
  VolumeChange change(*this, context);
  COWFS_TRY(change.check_writable());
  COWFS_TRY(change.directory(directory));
  COWFS_ASSIGN(InodeRecord * record, change.inode(inode));
  COWFS_ASSIGN(const std::uint64_t cookie, change.find_free(directory, name));
  if (record->is_directory()) return fail(ErrorCode::kNotPermitted);
  if (record->link_count >= kLinkLimit) return fail(ErrorCode::kTooManyLinks);
  if (record->link_count == 0) {
    if (!inodes_->is_kept_orphan(inode)) return fail(ErrorCode::kNotFound);
    change.adopt(inode);
  }
  ++record->link_count;
  record->change_time = change.time();
  COWFS_TRY(change.add_entry(directory, {cookie, inode, record->type(), std::string(name)}));
  const Attributes attributes = attributes_of(inode, *record);
  COWFS_TRY(change.commit());
  return attributes;
}

Result<InodeNumber> Volume::unlink(const RequestContext& context, InodeNumber directory,
                                   std::string_view name) {
  COWFS_TRY(check_removable(name));
  VolumeChange change(*this, context);
  COWFS_TRY(change.check_writable());
  COWFS_TRY(change.directory(directory));
  COWFS_ASSIGN(const NameItem item, change.find_existing(directory, name));
  if (S_ISDIR(item.type)) return fail(ErrorCode::kIsDirectory);
  change.transaction().frees_space();
  COWFS_TRY(change.remove_entry(directory, item));
  COWFS_TRY(change.drop_link(item.child));
  COWFS_TRY(change.commit());
  return item.child;
}

Result<InodeNumber> Volume::remove_directory(const RequestContext& context, InodeNumber directory,
                                             std::string_view name) {
  COWFS_TRY(check_removable(name));
  VolumeChange change(*this, context);
  COWFS_TRY(change.check_writable());
  COWFS_TRY(change.directory(directory));
  COWFS_ASSIGN(const NameItem item, change.find_existing(directory, name));
  if (!S_ISDIR(item.type)) return fail(ErrorCode::kNotDirectory);
  COWFS_TRY(check_empty(change.view(), id_, item.child));
  change.transaction().frees_space();
  COWFS_TRY(change.remove_entry(directory, item));
  COWFS_TRY(change.drop_link(item.child));
  COWFS_TRY(change.commit());
  return item.child;
}

}  // namespace cowfs
