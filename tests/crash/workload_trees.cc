// A whole directory copied, data shared: one operation, of many transactions and one name.
#include <sys/stat.h>

#include <map>
#include <utility>
#include <vector>

#include "lib/volume/tree_clone.h"
#include "tests/crash/workload.h"
#include "tests/support/tree_clone_policy.h"

namespace cowfs {
namespace {

constexpr std::size_t kMostFiles = 14;  // in a volume with its copies
constexpr std::size_t kMostDirectories = 6;

}  // namespace

struct Workload::TreeCopy {
  Target from;
  InodeNumber source{};
  Target to;
  Name name;
  std::map<InodeNumber, InodeNumber> copies{};  // of files, by their originals

  std::vector<std::pair<std::string, InodeNumber>> names_in(InodeNumber directory) const {
    std::vector<std::pair<std::string, InodeNumber>> names;
    const auto& all = from.live->names;
    for (auto at = all.lower_bound({directory, ""}); at != all.end(); ++at) {
      if (at->first.first != directory) break;
      names.emplace_back(at->first.second, at->second);
    }
    return names;
  }
};

Result<void> Workload::clone_tree() {
  COWFS_ASSIGN(const Target from, some_volume(false));
  COWFS_ASSIGN(const Target to, some_volume(true));
  const bool room = to.live->files.size() + from.live->files.size() < kMostFiles &&
                    to.live->directories.size() + from.live->directories.size() < kMostDirectories;
  if (!room) return unlink();
  TreeCopy copy{from, some_directory(*from.live), to, {kRootInode, new_name()}};
  if (from.live == to.live && copy.source == kRootInode) return {};  // into itself
  begin("clone tree " + std::to_string(raw(copy.source)) + " as " + copy.name.second);
  COWFS_ASSIGN(const InodeNumber copied,
               trees_file_by_file_ ? copy_tree_file_by_file(copy) : copy_tree_at_once(copy));
  to.live->directories.insert(copied);
  model_.add_name(*to.live, copy.name.first, copy.name.second, copied);
  COWFS_TRY(note_tree(copy, copied));
  return end();
}

Result<InodeNumber> Workload::copy_tree_at_once(const TreeCopy& copy) {
  TreeClone clone(
      crash_user(), true,
      {copy.from.volume, copy.source, copy.to.volume, copy.name.first, copy.name.second}, kArchive);
  COWFS_TRY(clone.begin());
  for (bool more = true; more;) {
    COWFS_ASSIGN(more, clone.step());
  }
  COWFS_ASSIGN(const Attributes made, clone.publish());
  return made.inode;
}

/// What cp would do. A crash finds it half done.
Result<InodeNumber> Workload::copy_tree_file_by_file(const TreeCopy& copy) {
  Volume& to = *copy.to.volume;
  const RequestContext user = crash_user();
  COWFS_ASSIGN(const Attributes root,
               to.make_directory(user, copy.name.first, copy.name.second, 0755));
  std::vector<std::pair<InodeNumber, InodeNumber>> waiting{{copy.source, root.inode}};
  std::map<InodeNumber, InodeNumber> copies;
  while (!waiting.empty()) {
    const auto [source, target] = waiting.back();
    waiting.pop_back();
    for (const auto& [name, inode] : copy.names_in(source)) {
      const auto file = copy.from.live->files.find(inode);
      if (file == copy.from.live->files.end()) {
        COWFS_ASSIGN(const Attributes made, to.make_directory(user, target, name, 0755));
        waiting.emplace_back(inode, made.inode);
      } else if (copies.contains(inode)) {
        COWFS_TRY(to.link(user, copies.at(inode), target, name));
      } else {
        COWFS_ASSIGN(const Attributes made, to.make_node(user, target, name, S_IFREG | 0644, 0));
        copies[inode] = made.inode;
        for (const auto& [attribute, value] : file->second.attributes)
          COWFS_TRY(
              to.set_extended_attribute(user, made.inode, attribute, value, AttributeMode::kAny));
        const std::uint64_t size = file->second.bytes->size();
        if (size == 0) continue;
        COWFS_TRY(
            Volume::clone_range(user, *copy.from.volume, inode, 0, to, made.inode, 0, size, false));
      }
    }
  }
  return root.inode;
}

/// The copies' inode numbers are found by their names; all else is as in the source.
Result<void> Workload::note_tree(TreeCopy& copy, InodeNumber copied) {
  std::vector<std::pair<InodeNumber, InodeNumber>> waiting{{copy.source, copied}};
  while (!waiting.empty()) {
    const auto [source, target] = waiting.back();
    waiting.pop_back();
    for (const auto& [name, inode] : copy.names_in(source)) {
      COWFS_ASSIGN(const Attributes found, copy.to.volume->lookup(target, name));
      LiveVolume& live = *copy.to.live;
      const auto file = copy.from.live->files.find(inode);
      if (file == copy.from.live->files.end()) {
        live.directories.insert(found.inode);
        waiting.emplace_back(inode, found.inode);
      } else if (copy.copies.contains(inode)) {
        if (copy.copies.at(inode) != found.inode) return fail(ErrorCode::kIo, "links were lost");
        ++live.files.at(found.inode).links;
      } else {
        LiveFile made;
        made.bytes = file->second.bytes;
        made.attributes = file->second.attributes;
        live.files[found.inode] = std::move(made);
        copy.copies[inode] = found.inode;
      }
      model_.add_name(live, target, name, found.inode);
    }
  }
  return {};
}

}  // namespace cowfs
