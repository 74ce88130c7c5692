// New inodes: files, directories, symbolic links, nodes of devices, FIFOs and sockets.
#include <sys/stat.h>

#include "lib/tree/node.h"
#include "lib/volume/inode_table.h"
#include "lib/volume/new_inode.h"
#include "lib/volume/volume_change.h"

namespace cowfs {
namespace {

constexpr mode_t kPermissionBits = 07777;

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
  COWFS_TRY(change.directory(directory));
  COWFS_ASSIGN(const std::uint64_t cookie, change.find_free(directory, name));
  COWFS_ASSIGN(const AddedInode added, add_new_inode(change, volume, context, directory, what));
  COWFS_TRY(
      change.add_entry(directory, {cookie, added.number, added.record.type(), std::string(name)}));
  put_target(change.transaction(), volume.id(), added.number, what.target);
  if (what.open) change.open_at_commit(added.number);
  COWFS_TRY(change.commit());
  return attributes_of(added.number, added.record);
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
  COWFS_ASSIGN(const AddedInode added, add_new_inode(change, volume, context, directory,
                                                     {.mode = mode, .has_name = false}));
  change.add_unnamed(added.number);
  COWFS_TRY(change.commit());
  return attributes_of(added.number, added.record);
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
