// New inodes: files, directories, symbolic links, nodes of devices, FIFOs and sockets.
#include <sys/stat.h>

#include "lib/tree/node.h"
#include "lib/volume/acl.h"
#include "lib/volume/attribute_item.h"
#include "lib/volume/inode_table.h"
#include "lib/volume/volume_change.h"

namespace cowfs {
namespace {

constexpr mode_t kPermissionBits = 07777;

/// What a new inode is beyond its owner and times.
struct NewInode {
  mode_t mode = 0;
  std::uint64_t device = 0;
  std::string_view target = {};  // of a symbolic link
  bool open = false;
};

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
  record.link_count = S_ISDIR(what.mode) ? 2 : 1;
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

void put_target(Transaction& transaction, VolumeId volume, InodeNumber inode,
                std::string_view target) {
  for (std::uint16_t chunk = 0; chunk * kMaxValueSize < target.size(); ++chunk) {
    transaction.put(volume, key_of(inode, KeyKind::kSymlink).be(chunk).take(),
                    std::string(target.substr(chunk * kMaxValueSize, kMaxValueSize)));
  }
}

Result<Attributes> make_named(Volume& volume, const RequestContext& context, InodeNumber directory,
                              std::string_view name, const NewInode& what) {
  VolumeChange change(volume, context);
  COWFS_TRY(change.check_writable());
  COWFS_ASSIGN(const InodeRecord* parent, change.directory(directory));
  COWFS_ASSIGN(const std::uint64_t cookie, change.find_free(directory, name));
  COWFS_ASSIGN(const InodeNumber inode, volume.store().allocate_inode());
  InodeRecord record = new_record(context, *parent, what, change.time());
  COWFS_TRY(inherit_acl(change, volume, context, directory, inode, record));
  change.add_inode(inode, record);
  COWFS_TRY(change.add_entry(directory, {cookie, inode, record.type(), std::string(name)}));
  put_target(change.transaction(), volume.id(), inode, what.target);
  if (what.open) change.open_at_commit(inode);
  COWFS_TRY(change.commit());
  return attributes_of(inode, record);
}

Result<Attributes> make(Volume& volume, const RequestContext& context, InodeNumber directory,
                        std::string_view name, const NewInode& what) {
  COWFS_TRY(check_new_name(name));
  if (!what.open) return make_named(volume, context, directory, name, what);
  COWFS_TRY(volume.inodes().pin());
  auto made = make_named(volume, context, directory, name, what);
  if (!made) volume.inodes().unpin();
  return made;
}

bool is_node_type(mode_t mode) {
  return S_ISREG(mode) || S_ISFIFO(mode) || S_ISSOCK(mode) || S_ISCHR(mode) || S_ISBLK(mode);
}

Result<Attributes> make_without_name(Volume& volume, const RequestContext& context,
                                     InodeNumber directory, mode_t mode) {
  VolumeChange change(volume, context);
  COWFS_TRY(change.check_writable());
  COWFS_ASSIGN(const InodeRecord* parent, change.directory(directory));
  COWFS_ASSIGN(const InodeNumber inode, volume.store().allocate_inode());
  InodeRecord record = new_record(context, *parent, {.mode = mode}, change.time());
  record.link_count = 0;
  COWFS_TRY(inherit_acl(change, volume, context, directory, inode, record));
  change.add_inode(inode, record);
  change.add_unnamed(inode);
  COWFS_TRY(change.commit());
  return attributes_of(inode, record);
}

}  // namespace

Result<Attributes> Volume::make_node(const RequestContext& context, InodeNumber directory,
                                     std::string_view name, mode_t mode, std::uint64_t device,
                                     bool open) {
  if ((mode & S_IFMT) == 0) mode |= S_IFREG;  // mknod(2)
  if (!is_node_type(mode)) return fail(ErrorCode::kInvalidArgument);
  mode &= S_IFMT | kPermissionBits;
  const bool has_device = S_ISCHR(mode) || S_ISBLK(mode);
  return make(*this, context, directory, name,
              {.mode = mode, .device = has_device ? device : 0, .open = open});
}

Result<Attributes> Volume::make_unnamed(const RequestContext& context, InodeNumber directory,
                                        mode_t mode) {
  COWFS_TRY(inodes_->pin());
  auto made = make_without_name(*this, context, directory, S_IFREG | (mode & kPermissionBits));
  if (!made) inodes_->unpin();
  return made;
}

Result<Attributes> Volume::make_directory(const RequestContext& context, InodeNumber directory,
                                          std::string_view name, mode_t mode) {
  return make(*this, context, directory, name, {.mode = S_IFDIR | (mode & kPermissionBits)});
}

Result<Attributes> Volume::make_symlink(const RequestContext& context, InodeNumber directory,
                                        std::string_view name, std::string_view target) {
  if (target.empty()) return fail(ErrorCode::kNotFound);
  if (target.size() > kSymlinkLimit) return fail(ErrorCode::kNameTooLong);
  return make(*this, context, directory, name, {.mode = S_IFLNK | 0777, .target = target});
}

Result<std::string> Volume::read_link(InodeNumber inode) {
  ReadView view(store_);
  COWFS_ASSIGN(const InodeRecord record, load_inode(view, id_, inode));
  if (!record.is_symlink()) return fail(ErrorCode::kInvalidArgument);
  const std::string prefix = key_of(inode, KeyKind::kSymlink).take();
  std::string target;
  COWFS_TRY(view.scan(id_, prefix, [&](std::string_view key, std::string_view chunk) {
    if (!has_prefix(key, prefix)) return false;
    target.append(chunk);
    return target.size() <= kSymlinkLimit;
  }));
  if (target.size() != record.size) {
    return fail(ErrorCode::kCorrupted, "a symbolic link is damaged");
  }
  return target;
}

}  // namespace cowfs
