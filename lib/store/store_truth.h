// What a store's tree must say, from a recount of everything that its volumes refer to; and how it
// differs from what it says.
//
// Each difference comes as a problem with the items that would mend it, so that a check prints the
// one and a repair puts the other: there is one place that knows what is right.
//
// Not here: how the recount is made (node_walk.h, block_tally.h), the bitmaps of a tree that is
// being mended (store_repair.h).
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "lib/store/block_tally.h"
#include "lib/store/problem.h"
#include "lib/store/store_items.h"
#include "lib/store/superblock.h"

namespace cowfs {

/// All that was found out about a checkpoint.
struct StoreFacts {
  Superblock superblock;
  StoreItems items;
  std::vector<BlockCountRun> runs;      // of blocks that extents refer to
  std::vector<std::uint64_t> files;     // numbers of object files, ascending
  std::vector<std::uint64_t> segments;  // of the node array that are there, ascending
  std::uint64_t highest_inode = 0;      // of any volume
  Generation newest{0};                 // of all nodes and extents

  /// Parts of a range that no extent refers to.
  std::vector<BlockRange> unreferenced_parts(const BlockRange& range) const;
  /// Whether any block of a range has two references or more.
  bool has_shared_block(const BlockRange& range) const;
  bool has_file(ObjectNumber object) const;
};

struct Mend {
  std::string key;
  std::optional<std::string> value;  // nothing: erase
};
using OnDifference = std::function<void(Problem problem, std::vector<Mend> mends)>;

/// Segments of the node array that are missing on the host: nothing opens a store without them.
void compare_segments(const StoreFacts& facts, const OnDifference& differs);
/// Items that make no sense, names of volumes.
void compare_items(const StoreFacts& facts, const OnDifference& differs);
/// `nodes`: of all volumes.
void compare_node_counts(const StoreFacts& facts, const NodeTally& nodes,
                         const OnDifference& differs);
void compare_block_counts(const StoreFacts& facts, const OnDifference& differs);
/// Records of objects, what waits to be freed, files on the host. Returns the live blocks of the
/// whole store.
std::uint64_t compare_objects(const StoreFacts& facts, const OnDifference& differs);
void compare_bitmaps(const StoreFacts& facts, const NodeTally& volume_nodes,
                     const NodeTally& store_nodes, const OnDifference& differs);
/// Nodes that their volume takes for its own although another one has them too.
void compare_ownership(const StoreFacts& facts, NodeSpace& space, const NodeTally& nodes,
                       const OnDifference& differs);
/// The superblock as it should be.
Superblock compare_superblock(const StoreFacts& facts, std::uint64_t live_blocks,
                              const OnDifference& differs);

}  // namespace cowfs
