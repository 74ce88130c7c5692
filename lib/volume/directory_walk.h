// Up the tree of directories: parents, ancestors, paths. Walks, never recurses; a circle in a
// damaged store is found (Brent, "An improved Monte Carlo factorization algorithm", BIT 20, 1980)
// and is kCorrupted.
#pragma once

#include <functional>
#include <string>

#include "lib/volume/inode_record.h"
#include "lib/volume/name_item.h"

namespace cowfs {

/// The directory that a directory lies in; the root's is itself. kNotDirectory; kStale where it was
/// removed.
Result<InodeNumber> parent_in(const TreeView& view, VolumeId volume, InodeNumber directory);

/// Calls visit(child, its name in its parent, the parent) for `directory` and its ancestors below
/// the root, until it returns false.
using VisitAncestor = std::function<bool(InodeNumber child, const ParentItem& parent)>;
Result<void> walk_up(const TreeView& view, VolumeId volume, InodeNumber directory,
                     const VisitAncestor& visit);

/// For messages: "main:/a/b" by the first of an inode's names, or "main:inode 42" where it has
/// none. Takes the tree lock.
std::string describe_file(Store& store, VolumeId volume, InodeNumber inode);

/// The child of `ancestor` through which `directory` lies below it: `directory` itself where they
/// are parent and child. Nothing where it does not lie below.
Result<std::optional<InodeNumber>> branch_below(const TreeView& view, VolumeId volume,
                                                InodeNumber ancestor, InodeNumber directory);

/// A record that a name refers to: kCorrupted where there is none.
Result<InodeRecord> load_named(const TreeView& view, VolumeId volume, InodeNumber inode);

/// kNotEmpty where a directory has entries.
Result<void> check_empty(const TreeView& view, VolumeId volume, InodeNumber directory);

}  // namespace cowfs
