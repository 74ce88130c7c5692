// What a tree needs of its surroundings: nodes by pointer, new nodes, and who shares them.
//
// lib/store implements it for a real store, tests in memory. All calls that change are made under
// the owner's exclusive lock, load() and shared() also under its shared lock.
//
// Ownership by generation: a node whose generation is above a tree's `shared_at` belongs to that
// tree alone. Older ones may be shared: then their reference count decides. A node may be changed
// where it is only if it is the tree's own AND was made since the last checkpoint began
// (`fresh_after`): what a checkpoint took is never written again.
#pragma once

#include "lib/tree/node.h"

namespace cowfs {

/// Where a tree begins, and since when its older nodes may be shared with a fork.
struct TreeRoot {
  NodePointer root;
  Generation shared_at{0};
};

class NodeSpace {
 public:
  virtual ~NodeSpace() = default;

  /// The node, valid and of the pointer's generation; kCorrupted or kIo otherwise. Never fails for
  /// a node that somebody holds, nor for one that was made since the last checkpoint began: those
  /// are in memory.
  virtual Result<NodeRef> load(NodePointer pointer) = 0;

  /// A new empty node of the current generation, ready to be changed. Never fails for what
  /// Tree::prepare asked for and its owner reserved.
  virtual Result<NodeRef> allocate(unsigned level) = 0;

  /// Nodes of generations above this one were not yet taken by a checkpoint.
  virtual Generation fresh_after() const = 0;

  /// Whether more than one reference leads to this node. Must not fail after it succeeded once for
  /// the node since the last checkpoint (callers ask for all nodes first, then change).
  virtual Result<bool> shared(NodeId id) = 0;

  /// One more reference to a node: a shared inner node that leads to it was copied, or its tree was
  /// forked.
  virtual void add_reference(NodeId id) = 0;

  /// One reference fewer to a node that is shared.
  virtual void drop_shared_reference(NodeId id) = 0;

  /// The last reference to this node is gone, and what it led to was taken over by its copy (or
  /// there was nothing).
  virtual void free(NodePointer node) = 0;

  /// A shared leaf was copied: whatever its items refer to has one more reference.
  virtual void leaf_copied(const Node& leaf) = 0;
};

/// The child at `slot` of an inner node. Levels fall by one a step, so that no descent ends but at
/// a leaf.
inline Result<NodeRef> load_child(NodeSpace& space, const Node& parent, std::size_t slot) {
  COWFS_ASSIGN(NodeRef child, space.load(parent.child(slot)));
  if (child->level() + 1 != parent.level())
    return fail(ErrorCode::kCorrupted, "a tree has nodes of the wrong level");
  return child;
}

}  // namespace cowfs
