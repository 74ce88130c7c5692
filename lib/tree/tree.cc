#include "lib/tree/tree.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "lib/base/check.h"

namespace cowfs {
namespace {

// A node that is emptier than this looks for a neighbour to merge with; the two together leave room
// for puts to come.
constexpr std::size_t kMergeBelow = kNodeSize / 4;
constexpr std::size_t kMergeUpTo = kNodeSize / 8 * 7;

// The shortest string that is above `left` and not above `right`: a separator need not be a whole
// key.
std::string_view separator(std::string_view left, std::string_view right) {
  std::size_t same = 0;
  while (same < left.size() && left[same] == right[same]) ++same;
  return right.substr(0, same + 1);
}

// Where to cut a node so that both halves have room: in the middle by bytes, or at the end when
// keys arrive in order. (An inner node's last child is the one that was split: it stays with its
// new neighbour.)
std::size_t split_slot(const Node& node, std::string_view key) {
  const std::size_t count = node.count();
  if (node.lower_bound(key) == count) return node.is_leaf() ? count : count - 1;
  const std::size_t half = node.used_bytes() / 2;
  std::size_t bytes = 0;
  for (std::size_t slot = 0; slot < count; ++slot) {
    bytes += node.item_bytes(slot);
    if (bytes > half) return std::clamp<std::size_t>(slot, 1, count - 1);
  }
  return count - 1;
}

// Whether an item is there now; false where the leaf has no room for it (and nothing is done).
bool put_in_leaf(Node& leaf, std::string_view key, std::string_view value) {
  const std::size_t slot = leaf.lower_bound(key);
  if (leaf.key_at(slot, key)) return leaf.replace(slot, value);
  if (!leaf.fits(key.size(), value.size())) return false;
  leaf.insert(slot, key, value);
  return true;
}

// Whether an item is gone now; false where the leaf would look for a neighbour to merge with.
bool erase_in_leaf(Node& leaf, std::string_view key) {
  const std::size_t slot = leaf.lower_bound(key);
  if (!leaf.key_at(slot, key)) return true;
  if (leaf.used_bytes() < kMergeBelow + leaf.item_bytes(slot)) return false;
  leaf.erase(slot);
  return true;
}

}  // namespace

Result<TreeRoot> Tree::create(NodeSpace& space, Generation shared_at) {
  COWFS_ASSIGN(NodeRef leaf, space.allocate(0));
  return TreeRoot{leaf->pointer(), shared_at};
}

Result<NodeRef> Tree::leaf_of(std::string_view key) const {
  COWFS_ASSIGN(NodeRef node, space_.load(root_.root));
  while (!node->is_leaf()) {
    COWFS_ASSIGN(node, load_child(space_, *node, node->child_slot(key)));
  }
  return node;
}

// At the end of a path, its leaf. The leaf's keys end where those of the next child begin, of the
// lowest node above that has one.
void Tree::point(Finger* finger, const Path& path) {
  if (finger == nullptr) return;
  finger->leaf_ = path.back().node;
  finger->levels_ = path.size();
  finger->end_.reset();
  for (auto step = std::next(path.rbegin()); step != path.rend(); ++step) {
    if (step->slot + 1 >= step->node->count()) continue;
    finger->end_ = step->node->key(step->slot + 1);
    return;
  }
}

Result<std::optional<std::string>> Tree::get(std::string_view key) const {
  COWFS_ASSIGN(const NodeRef leaf, leaf_of(key));
  const std::size_t slot = leaf->lower_bound(key);
  if (!leaf->key_at(slot, key)) return std::optional<std::string>{};
  return std::optional<std::string>{leaf->value(slot)};
}

Result<void> Tree::scan(std::string_view from, const Visit& visit, Finger* finger) const {
  std::string next_leaf;
  if (finger != nullptr && finger->covers(from)) {
    const Node& leaf = *finger->leaf_;
    for (std::size_t slot = leaf.lower_bound(from); slot < leaf.count(); ++slot) {
      if (!visit(leaf.key(slot), leaf.value(slot))) return {};
    }
    if (!finger->end_) return {};
    next_leaf = *finger->end_;
    from = next_leaf;
  }
  Path path;
  COWFS_ASSIGN(NodeRef node, space_.load(root_.root));
  bool seeking = true;
  while (true) {
    while (!node->is_leaf()) {
      const std::size_t slot = seeking ? node->child_slot(from) : 0;
      COWFS_ASSIGN(NodeRef child, load_child(space_, *node, slot));
      path.push_back({std::exchange(node, std::move(child)), slot});
    }
    for (std::size_t slot = seeking ? node->lower_bound(from) : 0; slot < node->count(); ++slot) {
      if (visit(node->key(slot), node->value(slot))) continue;
      path.push_back({std::move(node), slot});
      point(finger, path);
      return {};
    }
    seeking = false;
    while (!path.empty() && path.back().slot + 1 >= path.back().node->count()) path.pop_back();
    if (path.empty()) return {};
    COWFS_ASSIGN(node, load_child(space_, *path.back().node, ++path.back().slot));
  }
}

Result<std::optional<Tree::Item>> Tree::find_at_or_below(std::string_view key) const {
  Path path;
  COWFS_ASSIGN(NodeRef node, space_.load(root_.root));
  bool seeking = true;  // else: on the way to the last item of a subtree left of `key`
  while (true) {
    while (!node->is_leaf()) {
      const std::size_t slot = seeking ? node->child_slot(key) : node->count() - 1;
      COWFS_ASSIGN(NodeRef child, load_child(space_, *node, slot));
      path.push_back({std::exchange(node, std::move(child)), slot});
    }
    std::size_t end = seeking ? node->lower_bound(key) : node->count();
    if (seeking && node->key_at(end, key)) ++end;
    if (end > 0) return Item{std::string(node->key(end - 1)), std::string(node->value(end - 1))};
    seeking = false;
    while (!path.empty() && path.back().slot == 0) path.pop_back();
    if (path.empty()) return std::optional<Item>{};
    COWFS_ASSIGN(node, load_child(space_, *path.back().node, --path.back().slot));
  }
}

bool Tree::in_place(NodePointer pointer) const {
  return pointer.generation > root_.shared_at && pointer.generation > space_.fresh_after();
}

Result<std::size_t> Tree::prepare(std::string_view key, std::vector<NodeRef>& pins,
                                  Finger* finger) {
  // A put copies and splits each level and can add one, an erase copies each level and a neighbour.
  // One more for a level that a change before this one can add.
  const auto allocated = [](std::size_t levels) { return 2 * levels + 2; };
  if (finger != nullptr && finger->covers(key)) return allocated(finger->levels_);
  Path path;
  path.reserve(kMaxTreeHeight);
  COWFS_ASSIGN(NodeRef node, space_.load(root_.root));
  while (true) {
    const NodePointer pointer = node->pointer();
    if (pointer.generation <= root_.shared_at) COWFS_TRY(space_.shared(pointer.id));
    pins.push_back(node);
    if (node->is_leaf()) break;
    const std::size_t slot = node->child_slot(key);
    COWFS_ASSIGN(NodeRef child, load_child(space_, *node, slot));
    path.push_back({std::exchange(node, std::move(child)), slot});
  }
  path.push_back({std::move(node), 0});
  point(finger, path);
  return allocated(path.size());
}

Result<NodeRef> Tree::writable(NodeRef node) {
  const NodePointer pointer = node->pointer();
  if (in_place(pointer)) return node;
  const bool own = pointer.generation > root_.shared_at;
  bool shared = false;
  if (!own) {
    COWFS_ASSIGN(shared, space_.shared(pointer.id));
  }
  COWFS_ASSIGN(NodeRef copy, space_.allocate(node->level()));
  node->copy_as(copy->pointer(), *copy);
  if (!shared) {
    space_.free(pointer);
    return copy;
  }
  if (node->is_leaf()) {
    space_.leaf_copied(*node);
  } else {
    for (std::size_t slot = 0; slot < node->count(); ++slot)
      space_.add_reference(node->child(slot).id);
  }
  space_.drop_shared_reference(pointer.id);
  return copy;
}

Result<NodeRef> Tree::writable_child(Node& parent, std::size_t slot) {
  COWFS_ASSIGN(NodeRef old, load_child(space_, parent, slot));
  COWFS_ASSIGN(NodeRef child, writable(old));
  if (child != old) parent.set_child(slot, child->pointer());
  return child;
}

// Each step leaves a whole tree behind: where the next one fails, some nodes were copied and
// nothing else happened.
Result<Tree::Path> Tree::descend_for_change(std::string_view key) {
  Path path;
  path.reserve(kMaxTreeHeight);
  COWFS_ASSIGN(NodeRef root, space_.load(root_.root));
  COWFS_ASSIGN(NodeRef node, writable(std::move(root)));
  root_.root = node->pointer();
  while (!node->is_leaf()) {
    const std::size_t slot = node->child_slot(key);
    COWFS_ASSIGN(NodeRef child, writable_child(*node, slot));
    path.push_back({std::exchange(node, std::move(child)), slot});
  }
  path.push_back({std::move(node), 0});
  return path;
}

Result<void> Tree::put(std::string_view key, std::string_view value, Finger* finger) {
  COWFS_CHECK(!key.empty() && key.size() <= kMaxKeySize && value.size() <= kMaxValueSize);
  if (finger != nullptr) {
    if (finger->covers(key) && put_in_leaf(*finger->leaf_, key, value)) return {};
    *finger = {};
  }
  COWFS_ASSIGN(Path path, descend_for_change(key));
  const NodeRef leaf = path.back().node;
  if (put_in_leaf(*leaf, key, value)) {
    point(finger, path);
    return {};
  }
  const std::size_t slot = leaf->lower_bound(key);
  std::optional<std::string> old;
  if (leaf->key_at(slot, key)) {
    old = leaf->value(slot);
    leaf->erase(slot);
  }
  auto inserted = insert_splitting(path, path.size() - 1, key, value);
  if (inserted) return {};
  if (old) leaf->insert(slot, key, *old);
  collapse_root();
  return inserted;
}

Result<void> Tree::insert_splitting(Path& path, std::size_t depth, std::string_view key,
                                    std::string_view value) {
  // One split makes room: an item is below a quarter of a node. It may grow the tree above, which
  // shifts the path: the level finds our place in it again.
  const unsigned level = path[depth].node->level();
  while (!path[depth].node->fits(key.size(), value.size())) {
    if (depth == 0) {
      COWFS_TRY(grow_root(path));
      ++depth;
    }
    COWFS_TRY(split(path, depth, key));
    depth = path.size() - 1 - level;
  }
  Node& node = *path[depth].node;
  node.insert(node.lower_bound(key), key, value);
  return {};
}

Result<void> Tree::grow_root(Path& path) {
  const unsigned level = path[0].node->level() + 1;
  if (level >= kMaxTreeHeight)
    return fail(ErrorCode::kCorrupted, "a tree is higher than any tree can be");
  COWFS_ASSIGN(NodeRef root, space_.allocate(level));
  root->insert(0, "", encode_pointer(path[0].node->pointer()));
  root_.root = root->pointer();
  path.insert(path.begin(), Step{std::move(root), 0});
  return {};
}

Result<void> Tree::split(Path& path, std::size_t depth, std::string_view key) {
  const NodeRef left = path[depth].node;
  const std::size_t cut = split_slot(*left, key);
  const std::string_view first = cut < left->count() ? left->key(cut) : key;
  const std::string boundary(left->is_leaf() ? separator(left->key(cut - 1), first) : first);
  COWFS_ASSIGN(NodeRef right, space_.allocate(left->level()));
  // The parent first: where it has no room and cannot get any, nothing has happened to `left`. It
  // may be split itself; `left` and `right` are then children of the same half, for no key is
  // between theirs.
  const std::size_t levels_below = path.size() - depth;
  auto inserted = insert_splitting(path, depth - 1, boundary, encode_pointer(right->pointer()));
  if (!inserted) {
    space_.free(right->pointer());
    return inserted;
  }
  left->move_tail(cut, *right);
  depth = path.size() - levels_below;
  Step& parent = path[depth - 1];
  parent.slot = parent.node->child_slot(key);
  path[depth].node = key < boundary ? left : right;
  return {};
}

Result<void> Tree::erase(std::string_view key, Finger* finger) {
  if (finger != nullptr) {
    if (finger->covers(key) && erase_in_leaf(*finger->leaf_, key)) return {};
    *finger = {};
  }
  COWFS_ASSIGN(const NodeRef found, leaf_of(key));
  if (!found->key_at(found->lower_bound(key), key)) return {};
  COWFS_ASSIGN(Path path, descend_for_change(key));
  const NodeRef leaf = path.back().node;
  if (erase_in_leaf(*leaf, key)) {
    point(finger, path);
    return {};
  }
  leaf->erase(leaf->lower_bound(key));
  shrink(path);
  return {};
}

// Merging only saves space: what stands in its way is left as it is, even an empty leaf.
void Tree::shrink(Path& path) {
  for (std::size_t depth = path.size() - 1; depth > 0; --depth) {
    if (path[depth].node->used_bytes() >= kMergeBelow) break;
    if (!merge_neighbours(path, depth) && path[depth - 1].node->count() > 1) break;
  }
  collapse_root();
}

// Both nodes are made writable, also where one is empty: a key that was prepared finds its leaf in
// memory afterwards too.
bool Tree::merge_neighbours(Path& path, std::size_t depth) {
  Step& parent = path[depth - 1];
  const NodeRef node = path[depth].node;
  if (parent.node->count() < 2) return false;
  const std::size_t left_slot = parent.slot == 0 ? 0 : parent.slot - 1;
  const std::size_t other_slot = parent.slot == 0 ? 1 : left_slot;
  const auto found = load_child(space_, *parent.node, other_slot);
  if (!found) return false;
  if (node->count() > 0 && node->used_bytes() + (*found)->used_bytes() > kMergeUpTo) return false;
  const auto other = writable(*found);
  if (!other) return false;
  parent.node->set_child(other_slot, (*other)->pointer());
  Node& left = other_slot == left_slot ? **other : *node;
  Node& right = other_slot == left_slot ? *node : **other;
  right.move_tail(0, left);
  space_.free(right.pointer());
  parent.node->erase(left_slot + 1);
  parent.slot = left_slot;
  path[depth].node = other_slot == left_slot ? *other : node;
  return true;
}

void Tree::collapse_root() {
  while (in_place(root_.root)) {
    const auto root = space_.load(root_.root);
    if (!root || (*root)->is_leaf() || (*root)->count() > 1) return;
    const NodePointer child = (*root)->child(0);
    space_.free(root_.root);
    root_.root = child;
  }
}

}  // namespace cowfs
