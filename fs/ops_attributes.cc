// GETATTR, SETATTR, STATX, STATFS.
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>

#include "fs/handlers.h"
#include "fs/mount.h"
#include "fs/reply.h"

namespace cowfs {

namespace {

constexpr mode_t kPermissionBits = 07777;

Timestamp timestamp_of(const timespec& time) {
  return {time.tv_sec, static_cast<std::uint32_t>(time.tv_nsec)};
}

/// What stat(2) says of any node, how long the kernel may remember it, and the time of birth.
struct Status {
  struct stat basic{};
  double timeout = 0;
  Timestamp birth_time;
};

Result<Status> status_of(fuse_req_t request, fuse_ino_t node) {
  Mount& mount = Mount::of(request);
  const Place place = mount.nodes().place_of(node);
  if (place.is_virtual()) {
    COWFS_ASSIGN(const struct stat basic, mount.snapshot_directory().status(node, place));
    return Status{basic, 0, {basic.st_mtim.tv_sec, 0}};
  }
  COWFS_ASSIGN(const Attributes attributes,
               on_inode(request, node, [](Volume& volume, InodeNumber inode) {
                 return volume.get_attributes(inode);
               }));
  return Status{stat_of(attributes, node), kForever, attributes.birth_time};
}

void get_attributes(fuse_req_t request, fuse_ino_t node, fuse_file_info*) {
  const Result<Status> status = status_of(request, node);
  if (!status) return reply_error(request, status.error());
  fuse_reply_attr(request, &status->basic, status->timeout);
}

void take_times(AttributeChange& change, const struct stat& wanted, int valid) {
  if ((valid & FUSE_SET_ATTR_ATIME_NOW) != 0) change.access_time = now();
  else if ((valid & FUSE_SET_ATTR_ATIME) != 0) change.access_time = timestamp_of(wanted.st_atim);
  if ((valid & FUSE_SET_ATTR_MTIME_NOW) != 0) change.modify_time = now();
  else if ((valid & FUSE_SET_ATTR_MTIME) != 0) change.modify_time = timestamp_of(wanted.st_mtim);
  if ((valid & FUSE_SET_ATTR_CTIME) != 0) change.change_time = timestamp_of(wanted.st_ctim);
}

/// KILLPRIV_V2 (fs/fuse/dir.c): FATTR_KILL_SUIDGID, which has the value of libfuse's KILL_SUID,
/// comes with chown and with truncate by callers without CAP_FSETID. A SETATTR that changes nothing
/// comes before a write, fallocate or copy_file_range that has to drop privileges: dropping them at
/// once keeps the kernel's own copy of the mode right. From root it means file capabilities, which
/// are gone by then.
bool drops_privileges(int valid, uid_t caller) {
  if (valid == 0) return caller != 0;
  return (valid & FUSE_SET_ATTR_KILL_SUID) != 0;
}

AttributeChange change_of(const struct stat& wanted, int valid) {
  AttributeChange change;
  if ((valid & FUSE_SET_ATTR_MODE) != 0) change.permissions = wanted.st_mode & kPermissionBits;
  if ((valid & FUSE_SET_ATTR_UID) != 0) change.uid = wanted.st_uid;
  if ((valid & FUSE_SET_ATTR_GID) != 0) change.gid = wanted.st_gid;
  if ((valid & FUSE_SET_ATTR_SIZE) != 0) change.size = static_cast<std::uint64_t>(wanted.st_size);
  take_times(change, wanted, valid);
  return change;
}

void set_attributes(fuse_req_t request, fuse_ino_t node, struct stat* wanted, int valid,
                    fuse_file_info*) {
  AttributeChange change = change_of(*wanted, valid);
  change.drop_privileges = drops_privileges(valid, fuse_req_ctx(request)->uid);
  if (valid == 0 && !change.drop_privileges) return get_attributes(request, node, nullptr);
  reply_attributes(request, node, on_inode(request, node, [&](Volume& volume, InodeNumber inode) {
                     return volume.set_attributes(context_of(request), inode, change);
                   }));
}

#if COWFS_FUSE_HAS_STATX
struct statx_timestamp statx_time_of(const timespec& time) {
  struct statx_timestamp out{};
  out.tv_sec = time.tv_sec;
  out.tv_nsec = static_cast<std::uint32_t>(time.tv_nsec);
  return out;
}

struct statx extended(const struct stat& basic, const Timestamp& birth_time) {
  struct statx out{};
  out.stx_mask = STATX_BASIC_STATS | STATX_BTIME;
  out.stx_ino = basic.st_ino;
  out.stx_mode = static_cast<std::uint16_t>(basic.st_mode);
  out.stx_nlink = static_cast<std::uint32_t>(basic.st_nlink);
  out.stx_uid = basic.st_uid;
  out.stx_gid = basic.st_gid;
  out.stx_rdev_major = major(basic.st_rdev);
  out.stx_rdev_minor = minor(basic.st_rdev);
  out.stx_size = static_cast<std::uint64_t>(basic.st_size);
  out.stx_blocks = static_cast<std::uint64_t>(basic.st_blocks);
  out.stx_blksize = static_cast<std::uint32_t>(basic.st_blksize);
  out.stx_atime = statx_time_of(basic.st_atim);
  out.stx_mtime = statx_time_of(basic.st_mtim);
  out.stx_ctime = statx_time_of(basic.st_ctim);
  out.stx_btime = statx_time_of({birth_time.seconds, birth_time.nanoseconds});
  return out;
}

/// As GETATTR, with the time of birth.
void get_extended_status(fuse_req_t request, fuse_ino_t node, int, int, fuse_file_info*) {
  const Result<Status> status = status_of(request, node);
  if (!status) return reply_error(request, status.error());
  struct statx out = extended(status->basic, status->birth_time);
  fuse_reply_statx(request, 0, &out, status->timeout);
}
#endif

/// Used space is what any volume's files hold; free is what the host still has for us.
void get_space(fuse_req_t request, fuse_ino_t) {
  const StoreSpace space = Mount::of(request).file_system().store().space_now();
  struct statvfs status{};
  status.f_bsize = kBlockSize;
  status.f_frsize = kBlockSize;
  status.f_blocks = space.live_blocks + space.free_blocks;
  status.f_bfree = space.free_blocks;
  status.f_bavail = space.free_blocks;
  status.f_namemax = kNameLimit;  // no limit of files is told, as on btrfs
  fuse_reply_statfs(request, &status);
}

}  // namespace

void add_attribute_handlers(fuse_lowlevel_ops& table) {
  table.getattr = get_attributes;
  table.setattr = set_attributes;
  table.statfs = get_space;
#if COWFS_FUSE_HAS_STATX
  table.statx = get_extended_status;
#endif
}

}  // namespace cowfs
