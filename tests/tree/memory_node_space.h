// A NodeSpace in memory, with everything that a store has of it: reference counts, generations,
// checkpoints, forks.
//
// A checkpoint seals every new node, keeps its bytes and forgets the node, so that the next load
// decodes and validates those bytes. Freed nodes are poisoned and their ids never used again. What
// breaks the contract of NodeSpace (a dangling pointer, a free of a shared node, a write to what a
// checkpoint took) fails the running test.
//
// Items of leaves refer to things: the first 8 bytes of a value are a thing's number (0 and shorter
// values: none). A thing counts the leaf items that refer to it, as a block counts extents.
//
// Faults can be injected: loads of nodes that nobody pinned, and allocations beyond a number.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "lib/tree/node_space.h"

namespace cowfs {

class MemoryNodeSpace final : public NodeSpace {
 public:
  Result<NodeRef> load(NodePointer pointer) override;
  Result<NodeRef> allocate(unsigned level) override;
  Generation fresh_after() const override { return fresh_after_; }
  Result<bool> shared(NodeId id) override;
  void add_reference(NodeId id) override;
  void drop_shared_reference(NodeId id) override;
  void free(NodePointer node) override;
  void leaf_copied(const Node& leaf) override;

  /// Everything made so far is taken: kept as bytes, decoded again at the next load, never to be
  /// changed.
  void checkpoint();
  /// Forgets decoded nodes that a checkpoint took.
  void evict();
  /// A second tree with the items of the first.
  TreeRoot fork(TreeRoot& parent);
  /// Drops a tree; what only it referred to is freed.
  void drop(const TreeRoot& tree);

  std::uint64_t new_thing();
  void drop_thing(std::uint64_t thing);
  static std::uint64_t thing_of(std::string_view value);

  /// From now on only nodes in `pins` and nodes not yet taken by a checkpoint can be loaded, and
  /// shared() knows only what it was asked since the last checkpoint.
  void deny_loads_but(std::span<const NodeRef> pins);
  void allow_loads() { loadable_.reset(); }
  /// Allocations fail with kNoSpace after this many; nullopt: never.
  void limit_allocations(std::optional<std::size_t> count) { allocations_left_ = count; }

  /// Reads a node without the counting and the faults; nullptr where there is none.
  NodeRef peek(NodePointer pointer) const;
  bool is_fresh(NodePointer pointer) const { return pointer.generation > fresh_after_; }
  std::uint64_t references(NodeId id) const;
  std::set<NodeId> node_ids() const;
  const std::map<std::uint64_t, std::uint64_t>& things() const { return things_; }
  Generation generation() const { return generation_; }
  std::size_t node_count() const { return nodes_.size(); }

  std::size_t loads = 0;        // since the test last set it to 0
  std::size_t allocations = 0;  // likewise

 private:
  struct Entry {
    Generation generation{0};
    NodeRef node;                 // decoded, or null
    std::vector<std::byte> page;  // what a checkpoint took, or empty
  };

  bool loadable(NodeId id, Generation generation) const;
  void forget(NodeId id, Entry& entry);

  std::unordered_map<NodeId, Entry> nodes_;
  std::unordered_map<NodeId, std::uint64_t> counts_;  // only of nodes with two references or more
  std::map<std::uint64_t, std::uint64_t> things_;     // count by number
  std::optional<std::set<NodeId>> loadable_;
  std::set<NodeId> asked_;  // by shared(), since the last checkpoint
  std::optional<std::size_t> allocations_left_;
  Generation generation_{1};
  Generation fresh_after_{0};
  std::uint64_t last_id_ = 0;
  std::uint64_t last_thing_ = 0;
};

}  // namespace cowfs
