// The copy-on-write B+tree: ordered byte strings to byte strings, forked by copying one pointer.
//
// A change copies the nodes on its path that are shared or already taken by a checkpoint, and
// changes the copies; nodes that are the tree's own and new are changed in place, so a path is
// copied once a checkpoint and not once an operation. Copying a shared inner node adds a reference
// to each child, copying a shared leaf adds one to each thing that its items refer to (Rodeh,
// "B-trees, Shadowing, and Clones", ACM TOS 2008, section 3).
//
// A Tree is a view: it changes the TreeRoot that it was given and owns nothing. Locks: reads need
// the owner's lock shared, changes exclusive. Nothing returned points into a node.
//
// Calls for many keys in their order take a Finger, and descend once a leaf and not once a key.
//
// Not here: deletion of whole trees, which must be restartable (lib/store/volume_reclaim.h); diff
// (diff.h).
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "lib/tree/node_space.h"

namespace cowfs {

/// The leaf that a key led to, for the keys after it (a finger search). Good as long as its owner
/// has the lock and the tree changes by calls alone that take this very finger; one for reading and
/// one for changes are not the same finger. Any order of keys is right, ascending ones are fast.
class Finger {
 public:
  /// Whether `key` belongs into the leaf, be it there or not.
  bool covers(std::string_view key) const {
    return leaf_ && leaf_->count() > 0 && key >= leaf_->key(0) && (!end_ || key < *end_);
  }

 private:
  friend class Tree;

  NodeRef leaf_;
  std::optional<std::string> end_;  // of the leaf's keys; nothing: the tree's last leaf
  std::size_t levels_ = 0;          // of the tree
};

class Tree {
 public:
  Tree(NodeSpace& space, TreeRoot& root) : space_(space), root_(root) {}

  /// Makes an empty tree.
  static Result<TreeRoot> create(NodeSpace& space, Generation shared_at);

  Result<std::optional<std::string>> get(std::string_view key) const;

  /// Calls `visit(key, value)` for each item from `from` on, in order, until it returns false. The
  /// views are valid during the call only; `visit` must not change the tree.
  using Visit = std::function<bool(std::string_view key, std::string_view value)>;
  Result<void> scan(std::string_view from, const Visit& visit, Finger* finger = nullptr) const;

  /// The last item with a key at or below `key`.
  struct Item {
    std::string key;
    std::string value;
  };
  Result<std::optional<Item>> find_at_or_below(std::string_view key) const;

  /// Loads everything that a put or erase of `key` will need, so that the change itself cannot fail
  /// on a read. `pins` keeps the nodes in memory meanwhile. Returns the number of nodes that the
  /// change may allocate at most. Several keys may be prepared, also of several trees, and then
  /// changed in any order.
  Result<std::size_t> prepare(std::string_view key, std::vector<NodeRef>& pins,
                              Finger* finger = nullptr);

  /// Key: 1..kMaxKeySize bytes; value: at most kMaxValueSize bytes (checked: both are ours to
  /// keep). A put that fails (it was not prepared) leaves the items as they were.
  Result<void> put(std::string_view key, std::string_view value, Finger* finger = nullptr);
  /// Erases a key; nothing happens where it is not there. As put when it fails.
  Result<void> erase(std::string_view key, Finger* finger = nullptr);

 private:
  struct Step {
    NodeRef node;
    std::size_t slot;  // of the child taken; meaningless in the leaf
  };
  using Path = std::vector<Step>;

  Result<NodeRef> leaf_of(std::string_view key) const;
  static void point(Finger* finger, const Path& path);
  bool in_place(NodePointer pointer) const;
  Result<NodeRef> writable(NodeRef node);
  Result<NodeRef> writable_child(Node& parent, std::size_t slot);
  Result<Path> descend_for_change(std::string_view key);
  Result<void> insert_splitting(Path& path, std::size_t depth, std::string_view key,
                                std::string_view value);
  Result<void> split(Path& path, std::size_t depth, std::string_view key);
  Result<void> grow_root(Path& path);
  void shrink(Path& path);
  bool merge_neighbours(Path& path, std::size_t depth);
  void collapse_root();

  NodeSpace& space_;
  TreeRoot& root_;
};

}  // namespace cowfs
