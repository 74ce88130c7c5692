// The nodes of a store that is being repaired: old ones as they lie on the host, new ones in
// segments that no checkpoint has.
//
// Nothing that either superblock slot refers to is written: new numbers begin past all segments. So
// a repair can be cut off at any moment, and can take whatever it needs. Which nodes are in use is
// counted at the end, not kept.
//
// Single-threaded.
#pragma once

#include <map>
#include <unordered_map>

#include "lib/store/node_reader.h"
#include "lib/store/node_walk.h"

namespace cowfs {

class RepairSpace final : public NodeSpace {
 public:
  /// `segments`: of the node array, more than any slot knows of. `generation`: of new nodes.
  RepairSpace(Storage& storage, std::uint64_t segments, Generation generation)
      : storage_(storage),
        reader_(storage, segments),
        fresh_after_(generation),
        generation_(next(generation)),
        next_number_(segments * kNodesInSegment) {}

  Result<NodeRef> load(NodePointer pointer) override;
  Result<NodeRef> allocate(unsigned level) override;
  Generation fresh_after() const override { return fresh_after_; }
  Result<bool> shared(NodeId id) override;
  void add_reference(NodeId id) override { ++changes_[id]; }
  void drop_shared_reference(NodeId id) override { --changes_[id]; }
  void free(NodePointer node) override { made_.erase(node.id); }
  void leaf_copied(const Node&) override {}

  /// A new node of an older generation: the copy of one, which stays as old as it was, so that it
  /// is shared as it was.
  Result<NodeRef> allocate_as(unsigned level, Generation generation);

  /// References to nodes as they were counted last; changes begin anew.
  void use_counts(const NodeTally& counts);

  Generation generation() const { return generation_; }
  void raise_generation(Generation at_least) { generation_ = std::max(generation_, at_least); }

  /// Segments that there must be for all nodes.
  std::uint64_t segment_count() const;
  /// Writes all new nodes and makes them durable; makes segments that are missing, each with
  /// its space set aside.
  Result<void> write(std::uint64_t segments);

 private:
  static constexpr std::uint64_t kNodesInSegment = 1024;

  Storage& storage_;
  NodeReader reader_;
  const Generation fresh_after_;
  Generation generation_;
  std::uint64_t next_number_;
  std::map<NodeId, NodeRef> made_;
  const NodeTally* counts_ = nullptr;
  std::unordered_map<NodeId, std::int64_t> changes_;
};

}  // namespace cowfs
