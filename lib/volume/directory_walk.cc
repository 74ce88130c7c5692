#include "lib/volume/directory_walk.h"

#include <algorithm>
#include <vector>

#include "lib/volume/volume.h"

namespace cowfs {
namespace {

/// The parent item of a directory that is not the root.
Result<ParentItem> parent_item(const TreeView& view, VolumeId volume, InodeNumber directory) {
  COWFS_ASSIGN(auto parent, find_parent(view, volume, directory));
  if (!parent) return fail(ErrorCode::kStale);
  return std::move(*parent);
}

Result<std::string> path_in(const TreeView& view, VolumeId volume, InodeNumber inode) {
  std::vector<std::string> names;
  COWFS_TRY(walk_up(view, volume, inode, [&](InodeNumber, const ParentItem& parent) {
    names.push_back(parent.name);
    return true;
  }));
  std::ranges::reverse(names);
  std::string path;
  for (const std::string& name : names) path += path.empty() ? name : "/" + name;
  return path;
}

}  // namespace

Result<InodeNumber> parent_in(const TreeView& view, VolumeId volume, InodeNumber directory) {
  COWFS_ASSIGN(const InodeRecord record, load_inode(view, volume, directory));
  if (!record.is_directory()) return fail(ErrorCode::kNotDirectory);
  if (directory == kRootInode) return kRootInode;
  COWFS_ASSIGN(const ParentItem parent, parent_item(view, volume, directory));
  return parent.directory;
}

Result<void> walk_up(const TreeView& view, VolumeId volume, InodeNumber directory,
                     const VisitAncestor& visit) {
  InodeNumber seen = directory;  // moves on at each power of two steps
  std::uint64_t steps = 0;
  std::uint64_t next_power = 1;
  while (directory != kRootInode) {
    COWFS_ASSIGN(const ParentItem parent, parent_item(view, volume, directory));
    if (!visit(directory, parent)) return {};
    directory = parent.directory;
    if (directory == seen) return fail(ErrorCode::kCorrupted, "directories lie in a circle");
    if (++steps == next_power) {
      seen = directory;
      next_power *= 2;
    }
  }
  return {};
}

Result<std::optional<InodeNumber>> branch_below(const TreeView& view, VolumeId volume,
                                                InodeNumber ancestor, InodeNumber directory) {
  std::optional<InodeNumber> branch;
  COWFS_TRY(walk_up(view, volume, directory, [&](InodeNumber child, const ParentItem& parent) {
    if (parent.directory == ancestor) branch = child;
    return !branch;
  }));
  return branch;
}

Result<InodeRecord> load_named(const TreeView& view, VolumeId volume, InodeNumber inode) {
  auto record = load_inode(view, volume, inode);
  if (!record && record.error().code == ErrorCode::kStale) {
    return fail(ErrorCode::kCorrupted, "a name refers to an inode that does not exist");
  }
  return record;
}

Result<InodeNumber> Volume::parent_of(InodeNumber directory) {
  ReadView view(store_);
  return parent_in(view, id_, directory);
}

Result<std::string> Volume::path_of(InodeNumber directory) {
  ReadView view(store_);
  COWFS_TRY(parent_in(view, id_, directory));
  return path_in(view, id_, directory);
}

std::string describe_file(Store& store, VolumeId volume, InodeNumber inode) {
  ReadView view(store);
  const auto info = view.volume(volume);
  const std::string where =
      info && !info->name.empty() ? info->name : "volume " + std::to_string(raw(volume));
  const auto path = path_in(view, volume, inode);
  return where + (path ? ":/" + *path : ":inode " + std::to_string(raw(inode)));
}

}  // namespace cowfs
