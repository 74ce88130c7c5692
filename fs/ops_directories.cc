// OPENDIR, READDIR, READDIRPLUS, FSYNCDIR, RELEASEDIR. An open directory has a number: tree clones
// belong to one.
#include <sys/stat.h>

#include <string>
#include <vector>

#include "fs/handlers.h"
#include "fs/mount.h"
#include "fs/reply.h"

namespace cowfs {

namespace {

/// The answer to one READDIR or READDIRPLUS: entries one after another, as many as fit.
class Listing {
 public:
  Listing(fuse_req_t request, std::size_t size) : request_(request), bytes_(size, '\0') {}

  bool add(const std::string& name, const struct stat& status, std::uint64_t cookie) {
    return take(fuse_add_direntry(request_, rest(), rest_size(), name.c_str(), &status,
                                  static_cast<off_t>(cookie)));
  }
  bool add(const std::string& name, const fuse_entry_param& entry, std::uint64_t cookie) {
    return take(fuse_add_direntry_plus(request_, rest(), rest_size(), name.c_str(), &entry,
                                       static_cast<off_t>(cookie)));
  }
  bool reply() { return fuse_reply_buf(request_, bytes_.data(), used_) == 0; }

 private:
  char* rest() { return bytes_.data() + used_; }
  std::size_t rest_size() const { return bytes_.size() - used_; }
  bool take(std::size_t needed) {
    if (needed > rest_size()) return false;
    used_ += needed;
    return true;
  }

  fuse_req_t request_;
  std::string bytes_;
  std::size_t used_ = 0;
};

bool is_dot(std::string_view name) { return name == "." || name == ".."; }

void open_directory(fuse_req_t request, fuse_ino_t node, fuse_file_info* info) {
  // What `.cowfs` lists changes without the kernel's doing.
  const bool cacheable = !Mount::of(request).is_virtual(node);
  info->cache_readdir = cacheable ? 1 : 0;
  info->keep_cache = cacheable ? 1 : 0;
  info->fh = Mount::of(request).tree_clones().new_handle();
  fuse_reply_open(request, info);
}

void release_directory(fuse_req_t request, fuse_ino_t, fuse_file_info* info) {
  Mount::of(request).tree_clones().close(info->fh);
  Mount::of(request).checkpoint_holds().close(info->fh);
  fuse_reply_err(request, 0);
}

void list_virtual(fuse_req_t request, const Place& place, std::size_t size, off_t cookie,
                  bool plus) {
  Listing listing(request, size);
  const auto visit = [&](const SnapshotDirectory::Entry& entry) {
    fuse_entry_param parameters{};  // node 0: a name alone, without a lookup
    parameters.attr.st_ino = entry.node;
    parameters.attr.st_mode = entry.type;
    const std::string name(entry.name);
    return plus ? listing.add(name, parameters, entry.cookie)
                : listing.add(name, parameters.attr, entry.cookie);
  };
  const Result<void> listed = Mount::of(request).snapshot_directory().list(
      place, static_cast<std::uint64_t>(cookie), visit);
  if (!listed) return reply_error(request, listed.error());
  listing.reply();
}

void read_directory(fuse_req_t request, fuse_ino_t node, std::size_t size, off_t cookie,
                    fuse_file_info*) {
  const NodeIds& nodes = Mount::of(request).nodes();
  const Place place = nodes.place_of(node);
  if (place.is_virtual()) return list_virtual(request, place, size, cookie, false);
  Listing listing(request, size);
  const auto visit = [&](const DirectoryEntry& entry, const Attributes*) {
    struct stat status{};
    status.st_ino = nodes.of_inode(place.volume, entry.inode);
    status.st_mode = entry.type;
    return listing.add(std::string(entry.name), status, entry.cookie);
  };
  const Result<void> listed = on_inode(request, node, [&](Volume& volume, InodeNumber directory) {
    return volume.read_directory(directory, static_cast<std::uint64_t>(cookie), false, visit);
  });
  if (!listed) return reply_error(request, listed.error());
  listing.reply();
}

/// Collects entries with attributes; the inodes that get a lookup by it are in `looked_up`.
Result<void> list_with_attributes(const NodeIds& nodes, Volume& volume, InodeNumber directory,
                                  std::uint64_t cookie, Listing& listing,
                                  std::vector<InodeNumber>& looked_up) {
  return volume.read_directory(
      directory, cookie, true, [&](const DirectoryEntry& entry, const Attributes* attributes) {
        const std::uint64_t node = nodes.of_inode(volume.id(), entry.inode);
        const bool counts = attributes != nullptr && !is_dot(entry.name);
        fuse_entry_param parameters{};
        if (counts) parameters = entry_of(*attributes, node);
        parameters.attr.st_ino = node;
        if (!counts) parameters.attr.st_mode = entry.type;
        if (!listing.add(std::string(entry.name), parameters, entry.cookie)) return false;
        if (counts) looked_up.push_back(entry.inode);
        return true;
      });
}

void read_directory_plus(fuse_req_t request, fuse_ino_t node, std::size_t size, off_t cookie,
                         fuse_file_info*) {
  Mount& mount = Mount::of(request);
  const Place place = mount.nodes().place_of(node);
  if (place.is_virtual()) return list_virtual(request, place, size, cookie, true);
  const auto volume = mount.volume(place.volume);
  if (!volume) return reply_error(request, volume.error());
  Listing listing(request, size);
  std::vector<InodeNumber> looked_up;
  const Result<void> listed = list_with_attributes(
      mount.nodes(), **volume, place.inode, static_cast<std::uint64_t>(cookie), listing, looked_up);
  if (!listed) return reply_error(request, listed.error());
  for (const InodeNumber inode : looked_up) (*volume)->remember(inode);
  if (listing.reply()) return;
  for (const InodeNumber inode : looked_up) (*volume)->forget(inode, 1);
}

void sync_directory(fuse_req_t request, fuse_ino_t node, int data_only, fuse_file_info*) {
  Mount& mount = Mount::of(request);
  if (mount.is_virtual(node)) return reply_done(request, mount.file_system().store().sync());
  reply_done(request, on_inode(request, node, [&](Volume& volume, InodeNumber inode) {
               return volume.sync(inode, data_only != 0);
             }));
}

}  // namespace

void add_directory_handlers(fuse_lowlevel_ops& table) {
  table.opendir = open_directory;
  table.readdir = read_directory;
  table.readdirplus = read_directory_plus;
  table.fsyncdir = sync_directory;
  table.releasedir = release_directory;
}

}  // namespace cowfs
