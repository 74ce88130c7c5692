// stat(2) and setattr.
#include <sys/stat.h>

#include "lib/volume/acl.h"
#include "lib/volume/attribute_item.h"
#include "lib/volume/file_data.h"
#include "lib/volume/volume_change.h"

namespace cowfs {
namespace {

constexpr std::uint32_t kNanosecondsPerSecond = 1'000'000'000;

Result<void> check_times(const AttributeChange& change) {
  for (const auto& time : {change.access_time, change.modify_time, change.change_time}) {
    if (time && time->nanoseconds >= kNanosecondsPerSecond) {
      return fail(ErrorCode::kInvalidArgument);
    }
  }
  return {};
}

bool changes_anything(const AttributeChange& change) {
  return change.permissions || change.uid || change.gid || change.size || change.access_time ||
         change.modify_time || change.change_time;
}

/// Whether set-ID bits and capabilities go: on the kernel's word, and whenever the owner changes
/// (POSIX chown; Linux does so for root too).
bool drops_privileges(const AttributeChange& change) {
  return change.drop_privileges || change.uid || change.gid;
}

/// Everything but the size and the privileges.
void apply(const AttributeChange& change, Timestamp time, InodeRecord& record) {
  if (change.permissions) record.mode = record.type() | (*change.permissions & 07777);
  if (change.uid) record.uid = *change.uid;
  if (change.gid) record.gid = *change.gid;
  if (change.access_time) record.access_time = *change.access_time;
  if (change.size) record.modify_time = time;
  if (change.modify_time) record.modify_time = *change.modify_time;
  record.change_time = change.change_time.value_or(time);
}

Result<void> check_size(const InodeRecord& record, std::uint64_t size) {
  if (record.is_directory()) return fail(ErrorCode::kIsDirectory);
  if (!record.is_regular()) return fail(ErrorCode::kInvalidArgument);
  if (size > kFileSizeLimit) return fail(ErrorCode::kFileTooLarge);
  return {};
}

/// An access control list follows the mode.
Result<void> change_acl(VolumeChange& change, VolumeId volume, InodeNumber inode, mode_t mode) {
  COWFS_ASSIGN(auto list, load_acl(change.view(), volume, inode, kAccessAclAttribute));
  if (!list) return {};
  const std::size_t size = list->encode().size();
  list->set_permissions(mode);
  put_attribute(change.transaction(), volume, inode, kAccessAclAttribute, list->encode(), size);
  return {};
}

/// Changes all but the size in one transaction. Nothing to change leaves the times alone.
Result<Attributes> change_record(Volume& volume, const RequestContext& context, InodeNumber inode,
                                 const AttributeChange& asked) {
  VolumeChange change(volume, context);
  COWFS_TRY(change.check_writable());
  COWFS_ASSIGN(InodeRecord * record, change.inode(inode));
  if (asked.size) COWFS_TRY(check_size(*record, *asked.size));
  const bool drops = drops_privileges(asked) && has_privileges(*record);
  if (!drops && !changes_anything(asked)) return attributes_of(inode, *record);
  if (drops) {
    COWFS_TRY(drop_privileges(change.view(), change.transaction(), volume.id(), inode, *record));
  }
  if (asked.permissions) COWFS_TRY(change_acl(change, volume.id(), inode, *asked.permissions));
  apply(asked, change.time(), *record);
  const Attributes attributes = attributes_of(inode, *record);
  COWFS_TRY(change.commit());
  return attributes;
}

}  // namespace

Result<Attributes> Volume::get_attributes(InodeNumber inode) {
  ReadView view(store_);
  COWFS_ASSIGN(const InodeRecord record, load_inode(view, id_, inode));
  return attributes_of(inode, record);
}

Result<Attributes> Volume::set_attributes(const RequestContext& context, InodeNumber inode,
                                          const AttributeChange& change) {
  COWFS_TRY(check_times(change));
  if (!change.size) return change_record(*this, context, inode, change);
  // A truncate may take several transactions. Privileges and permissions go before the data
  // changes, so that a file never has its old rights and new content.
  {
    ReadView view(store_);
    COWFS_TRY(check_writable(view, store_, id_));
    COWFS_ASSIGN(const InodeRecord record, load_inode(view, id_, inode));
    COWFS_TRY(check_size(record, *change.size));
  }
  if (drops_privileges(change) || change.permissions) {
    AttributeChange first;
    first.drop_privileges = drops_privileges(change);
    first.permissions = change.permissions;
    COWFS_TRY(change_record(*this, context, inode, first));
  }
  const Timestamp time = now();
  COWFS_TRY(truncate_file(context, *this, inode, *change.size,
                          [&](InodeRecord& record) { apply(change, time, record); }));
  return get_attributes(inode);
}

}  // namespace cowfs
