// Erasing a staged tree (tree_clone.h), from its leaves up, without recursion: each call goes down
// along first names to a directory whose first name is a leaf, and erases what it can there.
#include <sys/stat.h>

#include <set>

#include "lib/volume/name_item.h"
#include "lib/volume/orphans.h"
#include "lib/volume/tree_clone.h"

namespace cowfs {
namespace {

constexpr std::size_t kNamesAtOnce = 256;

Result<bool> has_names(const TreeView& view, VolumeId volume, const NameItem& item) {
  if (!S_ISDIR(item.type)) return false;
  COWFS_ASSIGN(const auto names, names_from(view, volume, item.child, 0, 1));
  return !names.empty();
}

/// The directory to begin with. Cannot go round in circles: no directory of a staged tree has two
/// names.
Result<InodeNumber> lowest_first(const TreeView& view, VolumeId volume, InodeNumber directory) {
  for (;;) {
    COWFS_ASSIGN(const auto names, names_from(view, volume, directory, 0, 1));
    if (names.empty()) return directory;
    COWFS_ASSIGN(const bool goes_on, has_names(view, volume, names.front()));
    if (!goes_on) return directory;
    directory = names.front().child;
  }
}

}  // namespace

Result<bool> erase_some_staged(UpdateView& view, VolumeId volume, InodeNumber root,
                               Transaction& transaction) {
  COWFS_ASSIGN(const InodeNumber directory, lowest_first(view, volume, root));
  COWFS_ASSIGN(const auto names, names_from(view, volume, directory, 0, kNamesAtOnce));
  if (names.empty()) return erase_some(view, volume, root, transaction);
  // What this very transaction erases is still to be seen in the view: a second name here must not
  // give the same blocks back again.
  std::set<InodeNumber> erased;
  for (const NameItem& item : names) {
    if (transaction.size_bytes() > kMaxTransactionBytes / 4) break;
    COWFS_ASSIGN(const bool goes_on, has_names(view, volume, item));
    if (goes_on) break;
    // A second name of an inode that went in an earlier one finds nothing, and erases nothing.
    if (!erased.contains(item.child)) {
      COWFS_ASSIGN(const bool gone, erase_some(view, volume, item.child, transaction));
      if (!gone) break;
      erased.insert(item.child);
    }
    erase_name(transaction, volume, directory, item);
  }
  return false;
}

}  // namespace cowfs
