// CREATE, TMPFILE, OPEN, RELEASE, READ, WRITE, FSYNC.
//
// A file handle says whether its file counts among the open writers of the volume.
#include <fcntl.h>
#include <sys/stat.h>

#include <vector>

#include "fs/handlers.h"
#include "fs/mount.h"
#include "fs/reply.h"

namespace cowfs {

namespace {

constexpr std::uint64_t kReadHandle = 0;
constexpr std::uint64_t kWriteHandle = 1;

bool wants_write(int flags) { return (flags & O_ACCMODE) != O_RDONLY; }

void fill(fuse_file_info& info, bool writable) {
  info.fh = writable ? kWriteHandle : kReadHandle;
  info.keep_cache = 1;  // everything changes through this mount
}

/// CREATE of a name that exists: the kernel did not know of it. Opens it as open(2) would.
Result<Attributes> open_existing(Volume& volume, const RequestContext& context,
                                 InodeNumber directory, std::string_view name, int flags) {
  if ((flags & O_EXCL) != 0) return fail(ErrorCode::kExists);
  COWFS_ASSIGN(Attributes found, volume.lookup(directory, name));
  if (!S_ISREG(found.mode)) return fail(ErrorCode::kExists);
  COWFS_TRY(volume.open_file(found.inode, wants_write(flags)));
  if ((flags & O_TRUNC) == 0) return found;
  AttributeChange change;
  change.size = 0;
  change.drop_privileges = context.uid != 0;
  Result<Attributes> cut = volume.set_attributes(context, found.inode, change);
  if (!cut) volume.close_file(found.inode, wants_write(flags));
  return cut;
}

Result<Attributes> create_or_open(Volume& volume, const RequestContext& context,
                                  InodeNumber directory, std::string_view name, mode_t mode,
                                  int flags) {
  Result<Attributes> made = volume.make_node(context, directory, name, S_IFREG | mode, 0);
  if (!made && made.error().code == ErrorCode::kExists) {
    return open_existing(volume, context, directory, name, flags);
  }
  if (made) COWFS_TRY(volume.open_file(made->inode, wants_write(flags)));
  return made;
}

void reply_created(fuse_req_t request, Volume& volume, const Result<Attributes>& made,
                   fuse_file_info& info, bool writable) {
  if (!made) return reply_error(request, made.error());
  const InodeNumber inode = made->inode;
  const fuse_entry_param entry =
      entry_of(*made, Mount::of(request).nodes().of_inode(volume.id(), inode));
  fill(info, writable);
  volume.remember(inode);
  if (fuse_reply_create(request, &entry, &info) == 0) return;
  volume.close_file(inode, writable);
  volume.forget(inode, 1);
}

void create(fuse_req_t request, fuse_ino_t parent, const char* name, mode_t mode,
            fuse_file_info* info) {
  Mount& mount = Mount::of(request);
  const Place place = mount.nodes().place_of(parent);
  if (place.is_virtual() || name == kSnapshotDirectoryName) {
    return reply_error(request, ErrorCode::kNotPermitted);
  }
  const auto volume = mount.volume(place.volume);
  if (!volume) return reply_error(request, volume.error());
  const Result<Attributes> made = create_or_open(**volume, creator_of(request, mode), place.inode,
                                                 name, mode & 07777, info->flags);
  reply_created(request, **volume, made, *info, wants_write(info->flags));
}

#if COWFS_FUSE_HAS_TMPFILE
void make_unnamed(fuse_req_t request, fuse_ino_t parent, mode_t mode, fuse_file_info* info) {
  Mount& mount = Mount::of(request);
  const Place place = mount.nodes().place_of(parent);
  if (place.is_virtual()) return reply_error(request, ErrorCode::kNotPermitted);
  const auto volume = mount.volume(place.volume);
  if (!volume) return reply_error(request, volume.error());
  const Result<Attributes> made =
      (*volume)->make_unnamed(creator_of(request, mode), place.inode, S_IFREG | (mode & 07777));
  reply_created(request, **volume, made, *info, true);
}
#endif

/// O_TRUNC does not come here: without FUSE_CAP_ATOMIC_O_TRUNC it is a SETATTR of its own.
void open(fuse_req_t request, fuse_ino_t node, fuse_file_info* info) {
  const bool writable = wants_write(info->flags);
  const Result<void> opened = on_inode(request, node, [&](Volume& volume, InodeNumber inode) {
    return volume.open_file(inode, writable);
  });
  if (!opened) return reply_error(request, opened.error());
  fill(*info, writable);
  if (fuse_reply_open(request, info) == 0) return;
  const Place place = Mount::of(request).nodes().place_of(node);
  if (const auto volume = Mount::of(request).volume(place.volume)) {
    (*volume)->close_file(place.inode, writable);
  }
}

void release(fuse_req_t request, fuse_ino_t node, fuse_file_info* info) {
  reply_done(request,
             on_inode(request, node, [&](Volume& volume, InodeNumber inode) -> Result<void> {
               volume.close_file(inode, info->fh == kWriteHandle);
               return {};
             }));
}

/// Reused by all reads of a worker, so that a read does not begin with page faults.
MutableBytes read_buffer(std::size_t size) {
  thread_local std::vector<std::byte> buffer;
  if (buffer.size() < size) buffer.resize(size);
  return MutableBytes(buffer).first(size);
}

/// The file is open: where the host has lost its data, that is no ENOENT.
Error data_error(Error error) {
  if (error.code == ErrorCode::kNotFound) error.code = ErrorCode::kIo;
  return error;
}

void read(fuse_req_t request, fuse_ino_t node, std::size_t size, off_t offset, fuse_file_info*) {
  const MutableBytes buffer = read_buffer(size);
  const Result<std::size_t> done = on_inode(request, node, [&](Volume& volume, InodeNumber inode) {
    return volume.read(inode, static_cast<std::uint64_t>(offset), buffer);
  });
  if (!done) return reply_error(request, data_error(done.error()));
  fuse_reply_buf(request, reinterpret_cast<const char*>(buffer.data()), *done);
}

/// Whether setuid, setgid and file capabilities go. Pages of a mapping are written by nobody in
/// particular: the kernel has dropped privileges when they were made writable. A libfuse that does
/// not relay the kernel's word: by anybody but root.
bool drops_privileges(fuse_req_t request, const fuse_file_info& info) {
  static const bool relayed = fuse_compat::relays_write_kill();
  if (relayed) return fuse_compat::write_kill_flag(info);
  return info.writepage == 0 && fuse_req_ctx(request)->uid != 0;
}

void write(fuse_req_t request, fuse_ino_t node, const char* data, std::size_t size, off_t offset,
           fuse_file_info* info) {
  const Bytes bytes(reinterpret_cast<const std::byte*>(data), size);
  const Result<std::size_t> done = on_inode(request, node, [&](Volume& volume, InodeNumber inode) {
    return volume.write(context_of(request), inode, static_cast<std::uint64_t>(offset), bytes,
                        drops_privileges(request, *info));
  });
  if (!done) return reply_error(request, data_error(done.error()));
  fuse_reply_write(request, *done);
}

void sync(fuse_req_t request, fuse_ino_t node, int data_only, fuse_file_info*) {
  MountSyncer& syncer = Mount::of(request).page_sweep().syncer();
  if (syncer.is_own(*fuse_req_ctx(request))) {
    syncer.note_synced(node);
    fuse_reply_err(request,
                   0);  // what the sweep waits for has arrived; it promises nothing durable
    return;
  }
  reply_done(request, on_inode(request, node, [&](Volume& volume, InodeNumber inode) {
               return volume.sync(inode, data_only != 0);
             }));
}

}  // namespace

void add_file_handlers(fuse_lowlevel_ops& table) {
  table.create = create;
  table.open = open;
  table.release = release;
  table.read = read;
  table.write = write;
  table.fsync = sync;
#if COWFS_FUSE_HAS_TMPFILE
  table.tmpfile = make_unnamed;
#endif
}

}  // namespace cowfs
