// LOOKUP, FORGET, MKNOD, MKDIR, SYMLINK, LINK, UNLINK, RMDIR, RENAME, READLINK.
#include <fcntl.h>
#include <sys/stat.h>

#include "fs/handlers.h"
#include "fs/mount.h"
#include "fs/reply.h"

namespace cowfs {

namespace {

bool is_reserved(std::string_view name) { return name == kSnapshotDirectoryName; }

/// Runs `make(volume, directory)`, which makes `name`, and answers the new entry. Nothing real lies
/// in a virtual directory.
template <typename Make>
void reply_made(fuse_req_t request, fuse_ino_t parent, std::string_view name, Make&& make) {
  Mount& mount = Mount::of(request);
  const Place place = mount.nodes().place_of(parent);
  if (place.is_virtual() || is_reserved(name)) {
    return reply_error(request, ErrorCode::kNotPermitted);
  }
  const auto volume = mount.volume(place.volume);
  if (!volume) return reply_error(request, volume.error());
  reply_entry(request, *volume, make(**volume, place.inode));
}

/// The file that the page sweep opens. Asked again the name is not there: neither answer is to be
/// remembered.
void lookup_for_sync(fuse_req_t request) {
  Mount& mount = Mount::of(request);
  const auto node = mount.page_sweep().syncer().node_asked();
  const auto volume = node ? mount.volume_of(*node) : fail(ErrorCode::kNotFound);
  if (!volume) return reply_error(request, volume.error());
  reply_entry(request, *volume, (*volume)->get_attributes(mount.nodes().place_of(*node).inode), 0);
}

void lookup(fuse_req_t request, fuse_ino_t parent, const char* name) {
  Mount& mount = Mount::of(request);
  if (mount.page_sweep().syncer().is_own(*fuse_req_ctx(request))) return lookup_for_sync(request);
  const Place place = mount.nodes().place_of(parent);
  if (place.is_virtual()) return mount.snapshot_directory().lookup(request, place, name);
  if (is_reserved(name)) {
    if (!mount.settings().snapshot_directories) return reply_no_entry(request);
    const fuse_entry_param entry = mount.snapshot_directory().entry(place);
    fuse_reply_entry(request, &entry);
    return;
  }
  const auto volume = mount.volume(place.volume);
  if (!volume) return reply_error(request, volume.error());
  const Result<Attributes> found = (*volume)->lookup(place.inode, name);
  if (!found && found.error().code == ErrorCode::kNotFound) return reply_no_entry(request);
  reply_entry(request, *volume, found);
}

void forget_one(Mount& mount, fuse_ino_t node, std::uint64_t count) {
  const Place place = mount.nodes().place_of(node);
  if (place.kind == Place::Kind::kSnapshotLink) mount.snapshot_directory().forget(place, count);
  if (place.is_virtual()) return;
  if (const auto volume = mount.volume(place.volume)) (*volume)->forget(place.inode, count);
}

void forget(fuse_req_t request, fuse_ino_t node, std::uint64_t count) {
  Mount& mount = Mount::of(request);
  forget_one(mount, node, count);
  mount.notifier().memory_freed(1);
  fuse_reply_none(request);
}

void forget_many(fuse_req_t request, std::size_t count, fuse_forget_data* forgets) {
  Mount& mount = Mount::of(request);
  for (std::size_t i = 0; i < count; ++i) forget_one(mount, forgets[i].ino, forgets[i].nlookup);
  mount.notifier().memory_freed(count);
  fuse_reply_none(request);
}

void make_node(fuse_req_t request, fuse_ino_t parent, const char* name, mode_t mode, dev_t device) {
  reply_made(request, parent, name, [&](Volume& volume, InodeNumber directory) {
    return volume.make_node(creator_of(request, mode), directory, name, mode, device);
  });
}

void make_directory(fuse_req_t request, fuse_ino_t parent, const char* name, mode_t mode) {
  Mount& mount = Mount::of(request);
  const Place place = mount.nodes().place_of(parent);
  if (place.is_virtual()) return mount.snapshot_directory().make(request, place, name);
  reply_made(request, parent, name, [&](Volume& volume, InodeNumber directory) {
    return volume.make_directory(context_of(request), directory, name, mode);
  });
}

void make_symlink(fuse_req_t request, const char* target, fuse_ino_t parent, const char* name) {
  reply_made(request, parent, name, [&](Volume& volume, InodeNumber directory) {
    return volume.make_symlink(context_of(request), directory, name, target);
  });
}

void link(fuse_req_t request, fuse_ino_t node, fuse_ino_t new_parent, const char* new_name) {
  const Place place = Mount::of(request).nodes().place_of(node);
  reply_made(request, new_parent, new_name,
             [&](Volume& volume, InodeNumber directory) -> Result<Attributes> {
               if (place.is_virtual()) return fail(ErrorCode::kNotPermitted);
               if (place.volume != volume.id()) return fail(ErrorCode::kCrossVolume);
               return volume.link(context_of(request), place.inode, directory, new_name);
             });
}

void unlink(fuse_req_t request, fuse_ino_t parent, const char* name) {
  if (is_reserved(name)) return reply_error(request, ErrorCode::kNotPermitted);
  reply_done(request, on_inode(request, parent, [&](Volume& volume, InodeNumber directory) {
               return discard(volume.unlink(context_of(request), directory, name));
             }));
}

void remove_directory(fuse_req_t request, fuse_ino_t parent, const char* name) {
  Mount& mount = Mount::of(request);
  const Place place = mount.nodes().place_of(parent);
  if (place.is_virtual()) return mount.snapshot_directory().remove(request, place, name);
  if (is_reserved(name)) return reply_error(request, ErrorCode::kNotPermitted);
  reply_done(request, on_inode(request, parent, [&](Volume& volume, InodeNumber directory) {
               return discard(volume.remove_directory(context_of(request), directory, name));
             }));
}

/// Of the flags but RENAME_WHITEOUT.
Result<RenameMode> rename_mode_of(unsigned flags) {
  switch (flags) {
    case 0: return RenameMode::kReplace;
    case RENAME_NOREPLACE: return RenameMode::kNoReplace;
    case RENAME_EXCHANGE: return RenameMode::kExchange;
    default: return fail(ErrorCode::kInvalidArgument);
  }
}

Result<void> rename_inode(fuse_req_t request, const Place& from, const char* name, const Place& to,
                          const char* new_name, unsigned flags) {
  if (is_reserved(name) || is_reserved(new_name)) return fail(ErrorCode::kNotPermitted);
  if (from.volume != to.volume) return fail(ErrorCode::kCrossVolume);
  const bool leaves_whiteout = (flags & RENAME_WHITEOUT) != 0;
  COWFS_ASSIGN(const RenameMode mode, rename_mode_of(flags & ~unsigned{RENAME_WHITEOUT}));
  if (leaves_whiteout && mode == RenameMode::kExchange) return fail(ErrorCode::kInvalidArgument);
  COWFS_ASSIGN(const auto volume, Mount::of(request).volume(from.volume));
  return volume->rename(context_of(request), from.inode, name, to.inode, new_name, mode,
                        leaves_whiteout ? Whiteout::kLeave : Whiteout::kNone);
}

void rename(fuse_req_t request, fuse_ino_t parent, const char* name, fuse_ino_t new_parent,
            const char* new_name, unsigned flags) {
  Mount& mount = Mount::of(request);
  const Place from = mount.nodes().place_of(parent);
  const Place to = mount.nodes().place_of(new_parent);
  if (from.is_virtual() || to.is_virtual()) {
    return mount.snapshot_directory().rename(request, from, name, to, new_name, flags);
  }
  reply_done(request, rename_inode(request, from, name, to, new_name, flags));
}

void read_link(fuse_req_t request, fuse_ino_t node) {
  Mount& mount = Mount::of(request);
  const Place place = mount.nodes().place_of(node);
  if (place.is_virtual()) return mount.snapshot_directory().read_link(request, place);
  const Result<std::string> target = on_inode(
      request, node, [](Volume& volume, InodeNumber inode) { return volume.read_link(inode); });
  if (!target) return reply_error(request, target.error());
  fuse_reply_readlink(request, target->c_str());
}

}  // namespace

void add_name_handlers(fuse_lowlevel_ops& table) {
  table.lookup = lookup;
  table.forget = forget;
  table.forget_multi = forget_many;
  table.mknod = make_node;
  table.mkdir = make_directory;
  table.symlink = make_symlink;
  table.link = link;
  table.unlink = unlink;
  table.rmdir = remove_directory;
  table.rename = rename;
  table.readlink = read_link;
}

}  // namespace cowfs
