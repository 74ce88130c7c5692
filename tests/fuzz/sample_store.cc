#include "tests/fuzz/sample_store.h"

#include <sys/stat.h>

#include <algorithm>
#include <vector>

#include "lib/base/check.h"
#include "lib/volume/file_system.h"
#include "lib/volume/tree_clone.h"
#include "tests/volume/acl_support.h"

namespace cowfs::fuzz {
namespace {

RequestContext maker() {
  RequestContext context;
  context.uid = context.gid = 1000;
  return context;
}

template <typename T>
auto sure(Result<T> result) {
  COWFS_CHECK(result.has_value());
  if constexpr (!std::is_void_v<T>) return std::move(*result);
}

void write_text(Volume& volume, InodeNumber inode, std::uint64_t offset, const std::string& text) {
  sure(volume.write(maker(), inode, offset, std::as_bytes(std::span(text)), false));
}

InodeNumber make_file(Volume& volume, InodeNumber directory, const std::string& name,
                      const std::string& text) {
  const InodeNumber made =
      sure(volume.make_node(maker(), directory, name, S_IFREG | 0644, 0)).inode;
  write_text(volume, made, 0, text);
  return made;
}

void fill(Volume& volume) {
  const RequestContext context = maker();
  const InodeNumber directory =
      sure(volume.make_directory(context, kRootInode, "directory", 0755)).inode;
  const InodeNumber below = sure(volume.make_directory(context, directory, "below", 02775)).inode;
  const InodeNumber small = make_file(volume, directory, "small", "hello");
  const InodeNumber large =
      make_file(volume, below, "large", std::string(std::size_t{1100} << 10, 'l'));
  write_text(volume, small, 100'000, "after a hole");
  sure(volume.link(context, small, below, "hard link"));
  sure(volume.make_symlink(context, below, "link", std::string(700, 't')));
  sure(volume.make_node(context, below, "fifo", S_IFIFO | 0600, 0));
  const auto set = [&](InodeNumber inode, const char* name, const std::string& value) {
    sure(volume.set_extended_attribute(context, inode, name, value, AttributeMode::kAny));
  };
  set(small, "user.short", "value");
  set(small, "user.long", std::string(2000, 'v'));
  set(small, "system.posix_acl_access", acl_bytes("u::rwx,u:61001:rw-,g::r-x,m::rwx,o::r--"));
  set(directory, "system.posix_acl_default", acl_bytes("u::rwx,g::r-x,g:5:rwx,m::rwx,o::---"));
  for (int i = 0; i < 12; ++i)
    make_file(volume, below, "file " + std::to_string(i), std::string(100, 'f'));
  const InodeNumber copy = make_file(volume, directory, "clone", "");
  sure(Volume::clone_range(context, volume, large, 0, volume, copy, 0, std::uint64_t{1} << 20,
                           false));
  write_text(volume, copy, 8192, "its own");
}

/// Open files, a deleted one among them, and a copy that is not finished.
void leave_unfinished(const std::shared_ptr<Volume>& volume) {
  const InodeNumber orphan = make_file(*volume, kRootInode, "orphan", std::string(10'000, 'o'));
  sure(volume->open_file(orphan, true));
  sure(volume->unlink(maker(), kRootInode, "orphan"));
  const InodeNumber directory = sure(volume->lookup(kRootInode, "directory")).inode;
  TreeClone clone(maker(), true, {volume, directory, volume, kRootInode, "copy"},
                  {.mode = true, .attributes = true});
  sure(clone.begin());
  sure(clone.step());
}

/// The same bytes without what takes space and is zero: each run copies the tables of pages that it
/// writes to.
ArraySet compacted(const ArraySet& set) {
  ArraySet out;
  for (const auto& [name, array] : set) {
    auto small = std::make_shared<MemoryArray>();
    small->resize(array->size());
    std::vector<std::byte> page(MemoryArray::kPageSize);
    for (std::uint64_t at = 0; at < array->size(); at += page.size()) {
      array->read(at, page);
      const bool empty =
          std::ranges::all_of(page, [](std::byte byte) { return byte == std::byte{0}; });
      const std::uint64_t size = std::min<std::uint64_t>(page.size(), array->size() - at);
      if (!empty) small->write(at, Bytes(page).first(size));
    }
    out[name] = std::move(small);
  }
  return out;
}

struct Images {
  ArraySet closed;
  ArraySet killed;
};

Images make_images() {
  auto owned = std::make_unique<MemoryStorage>();
  MemoryStorage& storage = *owned;
  FormatOptions format;
  format.seed = 7;
  sure(FileSystem::format(storage, maker(), 0755, format));
  auto system = sure(FileSystem::open(std::move(owned), quiet_options()));
  const auto volume = sure(system->volume(kMainVolume));
  fill(*volume);
  sure(system->create_volume(maker(), kMainVolume, "snapshot", VolumeKind::kSnapshot));
  const auto fork = sure(system->create_volume(maker(), kMainVolume, "fork", VolumeKind::kFork));
  make_file(*sure(system->volume(fork.id)), kRootInode, "of the fork", "text");
  sure(system->store().checkpoint());
  Images images;
  sure(volume->make_directory(maker(), kRootInode, "late", 0755));
  sure(system->create_volume(maker(), kMainVolume, "late", VolumeKind::kSnapshot));
  write_text(
      *volume,
      sure(volume->lookup(sure(volume->lookup(kRootInode, "directory")).inode, "small")).inode, 0,
      "later");
  leave_unfinished(volume);
  images.killed = compacted(storage.content());
  system.reset();
  auto again = std::make_unique<MemoryStorage>(MemoryStorage::Options{}, images.killed);
  MemoryStorage& closed = *again;
  auto second = sure(FileSystem::open(std::move(again), quiet_options()));
  sure(second->close());
  images.closed = compacted(closed.content());
  return images;
}

const Images& images() {
  static const Images made = make_images();
  return made;
}

}  // namespace

StoreOptions quiet_options() {
  StoreOptions options;
  options.background = false;
  options.reserve_bytes = 0;
  options.journal_segment_bytes = std::uint64_t{1} << 16;
  options.journal_bytes = std::uint64_t{4} << 16;
  options.node_cache_bytes = std::size_t{1} << 20;
  return options;
}

const ArraySet& closed_store() { return images().closed; }
const ArraySet& killed_store() { return images().killed; }

}  // namespace cowfs::fuzz
