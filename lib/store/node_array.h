// The node array: tree nodes by number in segments of 4 MiB, which numbers are in use, and the
// nodes that a checkpoint still has to write.
//
// Node n lies in segment n / 1024 at byte 4096 * (n mod 1024). A number is used again only after
// both superblock slots have moved past every checkpoint that refers to its old node; the pointer's
// generation tells the two apart. Three states of a number: free, used (some tree of the working
// state refers to it), held (no longer, but a checkpoint on the host does).
//
// Nodes in memory: dirty (made since the last checkpoint began; changed in place), frozen (taken by
// the checkpoint that is being written; immutable), clean (in the cache).
//
// Locks: everything but load() needs the tree lock exclusive, load() the tree lock shared;
// write_frozen() needs none of it (it works on what freeze() returned).
#pragma once

#include <bitset>
#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "lib/storage/storage.h"
#include "lib/store/node_cache.h"

namespace cowfs {

inline constexpr std::size_t kNodesPerSegment = 1024;
inline constexpr std::size_t kSegmentBytes = kNodesPerSegment * kNodeSize;
inline constexpr std::size_t kSegmentBitmapSize = kNodesPerSegment / 8;

class NodeArray {
 public:
  /// `in_memory`: new segments are not made on the host (a read-only store that replays its
  /// journal).
  NodeArray(Storage& storage, std::size_t cache_bytes, bool in_memory = false)
      : storage_(storage), cache_(cache_bytes), in_memory_(in_memory) {}

  // Opening.
  void set_segment_count(std::uint64_t segments);
  /// Numbers in use by the checkpoint that was opened. False where the segment or the size is
  /// impossible.
  bool load_bitmap(std::uint64_t segment, std::string_view bits);
  /// Numbers in use by the other slot's checkpoint: held until `checkpoint` + 1 is durable.
  bool hold_bitmap(std::uint64_t segment, std::string_view bits, std::uint64_t checkpoint);

  /// From now on a node that is not in use is damage where a tree refers to it: bitmaps are loaded,
  /// and other slots' trees were read.
  void demand_use() { use_demanded_ = true; }
  Result<NodeRef> load(NodePointer pointer);

  /// A new empty dirty node. kNoSpace where no number is free: see ensure_free().
  Result<NodeRef> allocate(unsigned level, Generation generation);
  /// Sees that `count` numbers are free, with host space behind them. kNoSpace, kIo.
  Result<void> ensure_free(std::size_t count);
  /// `checkpoint`: the number of the next one, the first that will not refer to the node.
  void free(NodePointer node, std::uint64_t checkpoint);

  std::size_t free_count() const { return free_count_; }
  std::size_t used_count() const { return used_count_; }
  std::size_t dirty_count() const { return dirty_.size(); }
  std::uint64_t segment_count() const { return segments_.size(); }
  bool is_used(NodeId id) const;

  // Checkpoint.
  /// Segments whose bitmap changed since the last call of clear_changed().
  const std::set<std::uint64_t>& changed_segments() const { return changed_; }
  void clear_changed() { changed_.clear(); }
  std::string bitmap(std::uint64_t segment) const;
  /// All dirty nodes become frozen (with those of a checkpoint that failed).
  std::vector<NodeRef> freeze();
  /// Writes frozen nodes and makes them durable.
  Result<void> write_frozen(std::vector<NodeRef> nodes);
  /// The checkpoint `durable` is on the host: frozen nodes are clean, what was held for older ones
  /// is free.
  void thaw(std::uint64_t durable, bool omit_holding = false);

 private:
  struct Segment {
    std::bitset<kNodesPerSegment> used;
    std::bitset<kNodesPerSegment> held;
    std::size_t free = kNodesPerSegment;
  };

  Result<void> add_segment();
  NodeId take_free();
  void release(NodeId id);
  Segment& segment_of(NodeId id) { return segments_[raw(id) / kNodesPerSegment]; }

  Storage& storage_;
  NodeCache cache_;
  const bool in_memory_;
  bool use_demanded_ = false;
  std::vector<Segment> segments_;
  std::size_t free_count_ = 0;
  std::size_t used_count_ = 0;
  std::uint64_t cursor_ = 0;  // segment to look at first
  std::set<std::uint64_t> changed_;
  std::unordered_map<NodeId, NodeRef> dirty_;
  std::unordered_map<NodeId, NodeRef> frozen_;
  // by the first checkpoint that does not refer to them
  std::map<std::uint64_t, std::vector<NodeId>> held_;
};

}  // namespace cowfs
