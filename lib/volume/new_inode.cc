#include "lib/volume/new_inode.h"

#include <sys/stat.h>

#include "lib/volume/acl.h"
#include "lib/volume/attribute_item.h"

namespace cowfs {
namespace {

/// The mode that it gets below a setgid directory: directories hand the bit on; a file may not run
/// with the group of a directory that its maker is not in (as the kernel does since 6.0,
/// inode_sgid_strip).
mode_t mode_below_setgid(const RequestContext& context, gid_t gid, mode_t mode) {
  if (S_ISDIR(mode)) return mode | S_ISGID;
  const bool runs_as_group = (mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP);
  if (runs_as_group && context.uid != 0 && !in_group(context, gid)) return mode & ~mode_t{S_ISGID};
  return mode;
}

InodeRecord new_record(const RequestContext& context, const InodeRecord& directory,
                       const NewInode& what, Timestamp time) {
  InodeRecord record;
  record.mode = what.mode;
  record.link_count = !what.has_name ? 0 : S_ISDIR(what.mode) ? 2 : 1;
  record.uid = context.uid;
  record.gid = context.gid;
  if ((directory.mode & S_ISGID) != 0) {
    record.gid = directory.gid;
    record.mode = mode_below_setgid(context, directory.gid, what.mode);
  }
  record.size = what.target.size();
  record.device = what.device;
  record.access_time = record.modify_time = record.change_time = record.birth_time = time;
  return record;
}

/// What the directory's default list, or else the umask, leaves of the mode; and the lists that a
/// new inode gets (acl(5), "Object creation and default ACLs").
Result<void> inherit_acl(VolumeChange& change, const Volume& volume, const RequestContext& context,
                         InodeNumber directory, InodeNumber inode, InodeRecord& record) {
  if (record.is_symlink()) return {};
  COWFS_ASSIGN(auto list, load_acl(change.view(), volume.id(), directory, kDefaultAclAttribute));
  if (!list) {
    record.mode &= ~(context.umask & 0777);
    return {};
  }
  const auto put = [&](std::string_view name) {
    put_attribute(change.transaction(), volume.id(), inode, name, list->encode(), std::nullopt);
  };
  if (record.is_directory()) put(kDefaultAclAttribute);
  record.mode = list->restrict_to(record.mode);
  if (!list->is_minimal()) put(kAccessAclAttribute);
  return {};
}

}  // namespace

Result<AddedInode> add_new_inode(VolumeChange& change, Volume& volume,
                                 const RequestContext& context, InodeNumber directory,
                                 const NewInode& what) {
  COWFS_ASSIGN(const InodeRecord* parent, change.directory(directory));
  COWFS_ASSIGN(const InodeNumber inode, volume.store().allocate_inode());
  InodeRecord record = new_record(context, *parent, what, change.time());
  COWFS_TRY(inherit_acl(change, volume, context, directory, inode, record));
  change.add_inode(inode, record);
  return AddedInode{inode, record};
}

}  // namespace cowfs
