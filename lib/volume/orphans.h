// Inodes without a name: how they are kept while somebody holds them, and erased when nobody does.
//
// Life of an orphan:
//
//     last unlink, nobody holds it, small  -> erased in the same transaction, never an orphan
//     last unlink, nobody holds it, big    -> orphan item, then erased in steps by the same thread
//     last unlink, held                    -> orphan item; erased by the thread that closes or forgets it last
//     make_unnamed                         -> orphan item; link() takes it away again
//     a tree clone                         -> item in state kStaged for the root of what is being made (tree_clone.h)
//     a crash, or a fork while it was held -> the item is found by collect_leftovers(), and it is erased
//
// The orphan item (1, kOrphan, inode), with no value, exists from the transaction that takes the
// last name to the one that erases the inode's last item, so that erasing can be cut anywhere and
// taken up again.
#pragma once

#include <stop_token>
#include <string>
#include <vector>

#include "lib/store/store.h"
#include "lib/volume/volume.h"

namespace cowfs {

std::string orphan_key(InodeNumber inode);

/// Adds to a transaction the erases of all that an inode without names has in the tree, its own
/// item and its orphan item last, until it is nearly full. True when that is all. kCorrupted where
/// nothing can be added though something is left.
Result<bool> erase_some(UpdateView& view, VolumeId volume, InodeNumber inode,
                        Transaction& transaction);

/// Erases an orphan that nobody holds, in transactions of bounded size with all locks given back
/// between them; does nothing where it is kept, named again, or gone. Stops between steps when
/// asked. `fork_orphan`: it was forked with its volume, which may be read-only. The caller holds no
/// lock.
Result<void> erase_orphan(Volume& volume, InodeNumber inode, bool fork_orphan = false,
                          const std::stop_token& stop = {});

/// What an unclean end, or a fork at an unlucky moment, left in a volume.
struct Leftovers {
  std::vector<InodeNumber> orphans;    // that nobody holds
  std::vector<InodeNumber> truncated;  // files whose truncation is not finished (file_data.h)
};

/// Looks for them and notes the orphans in the inode table.
Result<Leftovers> collect_leftovers(Volume& volume);
/// Works them off; goes on with the next where one fails, and returns the first error.
Result<void> clear_leftovers(Volume& volume, const Leftovers& leftovers, bool fork_orphans,
                             const std::stop_token& stop = {});

}  // namespace cowfs
