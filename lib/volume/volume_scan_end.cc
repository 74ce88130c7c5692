// What must hold when all inodes of a volume were seen: the root, orphans, directories that are
// reached from the root.
#include <sys/stat.h>

#include <algorithm>

#include "lib/volume/orphans.h"
#include "lib/volume/volume_scan.h"

namespace cowfs {
namespace {

enum Reached : std::uint8_t { kUnknown, kUnderWay, kReached };

}  // namespace

void VolumeScan::check_root() {
  if (root_ && root_->is_directory()) return;
  const bool made_anew =
      std::ranges::any_of(directories_, [](const Directory& d) { return d.inode == kRootInode; });
  if (made_anew) return;
  InodeRecord record;
  record.mode = S_IFDIR | 0755;
  if (root_) record.uid = root_->uid, record.gid = root_->gid;
  record.link_count = 2;
  record.access_time = record.modify_time = record.change_time = record.birth_time = now();
  report(CheckPhase::kItems, {"root", Severity::kLoss, "the root directory is lost"},
         {{inode_key(kRootInode), encode_inode(record), std::nullopt}});
}

void VolumeScan::check_orphans() {
  for (const auto& [inode, state] : orphans_) {
    if (orphans_met_.contains(inode)) continue;
    report(CheckPhase::kItems,
           {"orphan", Severity::kSafe,
            "inode " + std::to_string(raw(inode)) + " is noted as an orphan and is gone"},
           {erase(orphan_key(inode))});
  }
}

// Not those to whom a directory can still tell a name.
void VolumeScan::check_nameless() {
  for (const InodeNumber inode : nameless_) {
    if (findings_.named_again.contains(inode)) continue;
    Problem problem{"no-name", Severity::kSafe, "it has no name: it goes to lost+found"};
    problem.inode = raw(inode);
    problem.path = "#" + std::to_string(raw(inode));
    report(CheckPhase::kNames, std::move(problem));
    if (phase_ == CheckPhase::kNames) findings_.to_reconnect.push_back(inode);
  }
}

void VolumeScan::check_reachability() {
  std::vector<std::uint8_t> state(directories_.size(), kUnknown);
  for (std::size_t i = 0; i < directories_.size(); ++i) {
    if (leads_to_top(i, state)) continue;
    const Directory& directory = directories_[i];
    Problem problem{"circle", Severity::kSafe,
                    "directories lie in a circle: this one goes to lost+found"};
    problem.inode = raw(directory.inode);
    NameItem item;
    item.child = directory.inode;
    item.cookie = directory.cookie;
    const std::string parent = key_of(directory.inode, KeyKind::kParent)
                                   .be(raw(directory.parent))
                                   .be(directory.cookie)
                                   .take();
    report(CheckPhase::kNames, std::move(problem),
           {erase(name_key(directory.parent, directory.cookie)), erase(parent)});
    if (phase_) findings_.to_reconnect.push_back(directory.inode);
  }
}

/// Goes up from a directory to one that is known to be reached. False where it comes back to one of
/// its own way: then the whole way counts as reached, since the circle is cut at `start`.
bool VolumeScan::leads_to_top(std::size_t start, std::vector<std::uint8_t>& state) {
  std::vector<std::size_t> way;
  std::size_t at = start;
  bool circle = false;
  while (state[at] != kReached) {
    circle = state[at] == kUnderWay;
    if (circle) break;
    state[at] = kUnderWay;
    way.push_back(at);
    if (directories_[at].is_top) break;
    const auto parent =
        std::ranges::lower_bound(directories_, directories_[at].parent, {}, &Directory::inode);
    // A parent that is gone is the business of the links.
    if (parent == directories_.end() || parent->inode != directories_[at].parent) break;
    at = static_cast<std::size_t>(parent - directories_.begin());
  }
  for (const std::size_t step : way) state[step] = kReached;
  return !circle;
}

}  // namespace cowfs
