#include "fs/snapshot_directory.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstdio>
#include <limits>

#include "fs/mount.h"
#include "fs/reply.h"

namespace cowfs {

namespace {

constexpr std::uint64_t kDotCookie = 1;
constexpr std::uint64_t kDotDotCookie = 2;
constexpr std::uint64_t kFirstVolumeCookie = 3;     // of volume 0
constexpr std::uint64_t kUnknownNode = 0xffffffff;  // of an entry in a listing alone

/// "../../..": as many as there are names in a path, and `more`.
std::string way_up(std::string_view path, std::size_t more) {
  std::size_t levels = more;
  if (!path.empty()) levels += 1 + static_cast<std::size_t>(std::ranges::count(path, '/'));
  std::string way;
  for (std::size_t i = 0; i < levels; ++i) way += i == 0 ? ".." : "/..";
  return way;
}

Result<bool> is_empty(Volume& volume) {
  bool empty = true;
  COWFS_TRY(volume.read_directory(kRootInode, 0, false,
                                  [&](const DirectoryEntry& entry, const Attributes*) {
                                    if (entry.name != "." && entry.name != "..") empty = false;
                                    return empty;
                                  }));
  return empty;
}

}  // namespace

bool SnapshotDirectory::is_at_root(const Place& place) const {
  return place.kind == Place::Kind::kSnapshotDirectory && place.inode == kRootInode &&
         place.volume == mount_.nodes().mounted();
}

struct stat SnapshotDirectory::directory_status(std::uint64_t node) const {
  struct stat status{};
  status.st_ino = node;
  status.st_mode = S_IFDIR | 0755;
  status.st_nlink = 2;
  status.st_uid = mount_.settings().owner_uid;
  status.st_gid = mount_.settings().owner_gid;
  status.st_blksize = kPreferredBytes;
  const Timestamp changed = mount_.volumes_changed();
  status.st_mtim = {static_cast<time_t>(changed.seconds), static_cast<long>(changed.nanoseconds)};
  status.st_atim = status.st_ctim = status.st_mtim;
  return status;
}

struct stat SnapshotDirectory::link_status(std::uint64_t node, const SnapshotLink& link) const {
  struct stat status = directory_status(node);
  status.st_mode = S_IFLNK | 0777;
  status.st_nlink = 1;
  status.st_size = static_cast<off_t>(link.target.size());
  return status;
}

fuse_entry_param SnapshotDirectory::entry(const Place& directory) const {
  fuse_entry_param entry{};
  entry.ino = mount_.nodes().of_snapshot_directory(directory.volume, directory.inode);
  entry.attr = directory_status(entry.ino);
  return entry;
}

Result<std::string> SnapshotDirectory::target_text(const Place& place, const VolumeInfo& target) {
  if (target.id == place.volume) return std::string("..");
  COWFS_ASSIGN(const auto here, mount_.volume(place.volume));
  COWFS_ASSIGN(const std::string path_here, here->path_of(place.inode));
  COWFS_ASSIGN(const auto there, mount_.volume(target.id));
  COWFS_ASSIGN(const std::string path_there, there->path_of(place.inode));
  // Out of `.cowfs`, up to the volume's root, and out of MOUNT/.cowfs/NAME where that is not the
  // mount's.
  const bool here_is_mounted = place.volume == mount_.nodes().mounted();
  std::string text = way_up(path_here, here_is_mounted ? 1 : 3);
  if (target.id != mount_.nodes().mounted()) {
    text.append("/").append(kSnapshotDirectoryName).append("/").append(target.name);
  }
  if (!path_there.empty()) text.append("/").append(path_there);
  if (text.size() > kSymlinkLimit) return fail(ErrorCode::kNameTooLong);
  return text;
}

Result<SnapshotLink> SnapshotDirectory::link_to(const Place& place, const VolumeInfo& target) {
  Result<std::string> text = target_text(place, target);
  if (!text) {
    const ErrorCode code = text.error().code;
    // The directory is not in that volume, or was removed from this one.
    if (code == ErrorCode::kStale || code == ErrorCode::kNotDirectory)
      return fail(ErrorCode::kNotFound);
    return fail(std::move(text).error());
  }
  return SnapshotLink{place.volume, place.inode, target.id, *std::move(text)};
}

void SnapshotDirectory::lookup(fuse_req_t request, const Place& place, std::string_view name) {
  if (place.kind != Place::Kind::kSnapshotDirectory) {
    return reply_error(request, ErrorCode::kNotDirectory);
  }
  if (name.size() > kNameLimit) return reply_error(request, ErrorCode::kNameTooLong);
  const Result<VolumeInfo> volume = mount_.file_system().store().find_volume(name);
  if (!volume) return reply_error(request, ErrorCode::kNotFound);
  if (is_at_root(place) && volume->id != place.volume) return reply_root_entry(request, volume->id);
  const Result<SnapshotLink> link = link_to(place, *volume);
  if (!link) return reply_error(request, link.error());
  reply_link_entry(request, *link);
}

void SnapshotDirectory::reply_root_entry(fuse_req_t request, VolumeId id) {
  Result<std::shared_ptr<Volume>> volume = mount_.volume(id);
  if (!volume) return reply_error(request, ErrorCode::kNotFound);
  const Result<Attributes> root = (*volume)->get_attributes(kRootInode);
  if (!root) return reply_error(request, root.error());
  fuse_entry_param entry = entry_of(*root, mount_.nodes().of_inode(id, kRootInode));
  entry.entry_timeout = 0;
  (*volume)->remember(kRootInode);
  if (fuse_reply_entry(request, &entry) != 0) (*volume)->forget(kRootInode, 1);
}

void SnapshotDirectory::reply_link_entry(fuse_req_t request, const SnapshotLink& link) {
  const Result<std::uint32_t> number = links_.remember(link);
  if (!number) return reply_error(request, number.error());
  fuse_entry_param entry{};
  entry.ino = mount_.nodes().of_snapshot_link(*number);
  entry.attr = link_status(entry.ino, link);
  if (fuse_reply_entry(request, &entry) != 0) links_.forget(*number, 1);
}

Result<struct stat> SnapshotDirectory::status(std::uint64_t node, const Place& place) {
  if (place.kind == Place::Kind::kSnapshotDirectory) return directory_status(node);
  COWFS_ASSIGN(const SnapshotLink link, links_.find(place.link));
  return link_status(node, link);
}

void SnapshotDirectory::read_link(fuse_req_t request, const Place& place) {
  if (place.kind != Place::Kind::kSnapshotLink) {
    return reply_error(request, ErrorCode::kInvalidArgument);
  }
  const Result<SnapshotLink> link = links_.find(place.link);
  if (!link) return reply_error(request, link.error());
  fuse_reply_readlink(request, link->target.c_str());
}

Result<void> SnapshotDirectory::list(const Place& place, std::uint64_t cookie,
                                     const std::function<bool(const Entry&)>& visit) {
  if (place.kind != Place::Kind::kSnapshotDirectory) return fail(ErrorCode::kNotDirectory);
  const std::uint64_t self = mount_.nodes().of_snapshot_directory(place.volume, place.inode);
  const std::uint64_t above = mount_.nodes().of_inode(place.volume, place.inode);
  if (cookie < kDotCookie && !visit({".", self, S_IFDIR, kDotCookie})) return {};
  if (cookie < kDotDotCookie && !visit({"..", above, S_IFDIR, kDotDotCookie})) return {};
  std::vector<VolumeInfo> volumes = mount_.file_system().store().list_volumes();
  std::ranges::sort(volumes, {}, &VolumeInfo::id);
  for (const VolumeInfo& volume : volumes) {
    const std::uint64_t own_cookie = kFirstVolumeCookie + raw(volume.id);
    if (own_cookie <= cookie) continue;
    Entry entry{volume.name, kUnknownNode, S_IFLNK, own_cookie};
    if (is_at_root(place) && volume.id != place.volume) {
      entry.node = mount_.nodes().of_inode(volume.id, kRootInode);
      entry.type = S_IFDIR;
    } else if (!link_to(place, volume)) {
      continue;
    }
    if (!visit(entry)) return {};
  }
  return {};
}

void SnapshotDirectory::make(fuse_req_t request, const Place& place, std::string_view name) {
  if (!is_at_root(place)) return reply_error(request, ErrorCode::kNotPermitted);
  mount_.make_volume({context_of(request), place.volume, std::string(name), VolumeKind::kSnapshot,
                      [this, request](const Result<VolumeInfo>& made) {
                        if (!made) return reply_error(request, made.error());
                        reply_root_entry(request, made->id);
                      }});
}

Result<void> SnapshotDirectory::check_removable(const VolumeInfo& info) {
  if (info.read_only) return {};
  // The kernel holds the root's lock: nothing is created in it meanwhile.
  COWFS_ASSIGN(const auto volume, mount_.volume(info.id));
  COWFS_ASSIGN(const bool empty, is_empty(*volume));
  if (!empty) return fail(ErrorCode::kNotEmpty);
  return {};
}

void SnapshotDirectory::remove(fuse_req_t request, const Place& place, std::string_view name) {
  if (!is_at_root(place)) return reply_error(request, ErrorCode::kNotPermitted);
  const Result<VolumeInfo> volume = mount_.file_system().store().find_volume(name);
  if (!volume) return reply_error(request, ErrorCode::kNotFound);
  const RequestContext context = context_of(request);
  Result<void> result = mount_.check_owner(context);
  if (result) result = check_removable(*volume);
  if (result) result = mount_.delete_volume(context, *volume);
  reply_done(request, result);
}

void SnapshotDirectory::rename(fuse_req_t request, const Place& from, std::string_view name,
                               const Place& to, std::string_view new_name, unsigned flags) {
  if (!is_at_root(from) || !is_at_root(to)) {
    return reply_error(request, ErrorCode::kNotPermitted);
  }
  if ((flags & ~static_cast<unsigned>(RENAME_NOREPLACE)) != 0) {
    return reply_error(request, ErrorCode::kInvalidArgument);
  }
  const Result<VolumeInfo> volume = mount_.file_system().store().find_volume(name);
  if (!volume) return reply_error(request, ErrorCode::kNotFound);
  reply_done(request, mount_.rename_volume(context_of(request), *volume, new_name));
}

}  // namespace cowfs
