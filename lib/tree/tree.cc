#include "lib/tree/tree.h"

#include <algorithm>

#include "lib/base/check.h"

namespace cowfs {
namespace {

// A node that is emptier than this looks for a neighbour to merge with.
constexpr std::size_t kMergeBelow = kNodeSize / 4;

std::unexpected<Error> too_deep() { return fail(ErrorCode::kCorrupted, "a tree is deeper than any tree can be"); }

// The shortest string that is above `left` and not above `right`: a separator need not be a whole key.
std::string_view separator(std::string_view left, std::string_view right) {
  std::size_t same = 0;
  while (same < left.size() && left[same] == right[same]) ++same;
  return right.substr(0, same + 1);
}

// Where to cut a node so that both halves have room: in the middle by bytes, or at the very end when keys arrive in order.
std::size_t split_slot(const Node& node, std::string_view key) {
  const std::size_t count = node.count();
  if (node.lower_bound(key) == count) return count - 1;
  const std::size_t half = node.used_bytes() / 2;
  std::size_t bytes = 0;
  for (std::size_t slot = 0; slot < count; ++slot) {
    bytes += 6 + node.key(slot).size() + node.value(slot).size();
    if (bytes > half) return std::clamp<std::size_t>(slot, 1, count - 1);
  }
  return count - 1;
}

}  // namespace

Result<TreeRoot> Tree::create(NodeSpace& space, Generation shared_at) {
  COWFS_ASSIGN(NodeRef leaf, space.allocate(0));
  return TreeRoot{leaf->pointer(), shared_at};
}

Result<std::optional<std::string>> Tree::get(std::string_view key) const {
  NodePointer pointer = root_.root;
  for (unsigned depth = 0; depth < kMaxTreeHeight; ++depth) {
    COWFS_ASSIGN(NodeRef node, space_.load(pointer));
    if (!node->is_leaf()) {
      pointer = node->child(node->child_slot(key));
      continue;
    }
    const std::size_t slot = node->lower_bound(key);
    if (!node->key_at(slot, key)) return std::optional<std::string>{};
    return std::optional<std::string>{node->value(slot)};
  }
  return too_deep();
}

Result<void> Tree::scan(std::string_view from, const Visit& visit) const {
  std::vector<Step> path;
  NodePointer pointer = root_.root;
  bool seeking = true;
  while (true) {
    if (path.size() >= kMaxTreeHeight) return too_deep();
    COWFS_ASSIGN(NodeRef node, space_.load(pointer));
    if (!node->is_leaf()) {
      const std::size_t slot = seeking ? node->child_slot(from) : 0;
      pointer = node->child(slot);
      path.push_back({std::move(node), slot});
      continue;
    }
    for (std::size_t slot = seeking ? node->lower_bound(from) : 0; slot < node->count(); ++slot) {
      if (!visit(node->key(slot), node->value(slot))) return {};
    }
    seeking = false;
    while (!path.empty() && path.back().slot + 1 >= path.back().node->count()) path.pop_back();
    if (path.empty()) return {};
    pointer = path.back().node->child(++path.back().slot);
  }
}

Result<std::optional<Tree::Item>> Tree::find_at_or_below(std::string_view key) const {
  std::vector<Step> path;
  NodePointer pointer = root_.root;
  bool seeking = true;  // else: on the way to the last item of a subtree left of `key`
  while (true) {
    if (path.size() >= kMaxTreeHeight) return too_deep();
    COWFS_ASSIGN(NodeRef node, space_.load(pointer));
    if (!node->is_leaf()) {
      const std::size_t slot = seeking ? node->child_slot(key) : node->count() - 1;
      pointer = node->child(slot);
      path.push_back({std::move(node), slot});
      continue;
    }
    std::size_t end = seeking ? node->lower_bound(key) : node->count();
    if (seeking && node->key_at(end, key)) ++end;
    if (end > 0) return Item{std::string(node->key(end - 1)), std::string(node->value(end - 1))};
    seeking = false;
    while (!path.empty() && path.back().slot == 0) path.pop_back();
    if (path.empty()) return std::optional<Item>{};
    pointer = path.back().node->child(--path.back().slot);
  }
}

bool Tree::in_place(NodePointer pointer) const {
  return pointer.generation > root_.shared_at && pointer.generation > space_.fresh_after();
}

Result<std::size_t> Tree::prepare(std::string_view key, std::vector<NodeRef>& pins) {
  NodePointer pointer = root_.root;
  for (std::size_t depth = 1; depth <= kMaxTreeHeight; ++depth) {
    COWFS_ASSIGN(NodeRef node, space_.load(pointer));
    if (pointer.generation <= root_.shared_at) COWFS_TRY(space_.shared(pointer.id));
    pins.push_back(node);
    // Each level can be copied and split, and the tree can grow by a level; a merge copies one neighbour a level.
    if (node->is_leaf()) return 3 * depth + 1;
    pointer = node->child(node->child_slot(key));
  }
  return too_deep();
}

Result<NodeRef> Tree::writable(NodePointer pointer) {
  COWFS_ASSIGN(NodeRef node, space_.load(pointer));
  if (in_place(pointer)) return node;
  const bool own = pointer.generation > root_.shared_at;
  bool shared = false;
  if (!own) {
    COWFS_ASSIGN(shared, space_.shared(pointer.id));
  }
  COWFS_ASSIGN(NodeRef copy, space_.allocate(node->level()));
  node->copy_as(copy->pointer().id, copy->pointer().generation, *copy);
  if (!shared) {
    space_.free(pointer);
    return copy;
  }
  if (node->is_leaf()) {
    space_.leaf_copied(*node);
  } else {
    for (std::size_t slot = 0; slot < node->count(); ++slot) space_.add_reference(node->child(slot).id);
  }
  space_.drop_shared_reference(pointer.id);
  return copy;
}

Result<NodeRef> Tree::writable_child(Node& parent, std::size_t slot) {
  const NodePointer old = parent.child(slot);
  COWFS_ASSIGN(NodeRef child, writable(old));
  if (child->pointer() != old) parent.set_child(slot, child->pointer());
  return child;
}

Result<Tree::Path> Tree::descend_for_change(std::string_view key) {
  Path path;
  COWFS_ASSIGN(NodeRef node, writable(root_.root));
  root_.root = node->pointer();
  while (!node->is_leaf()) {
    if (path.size() >= kMaxTreeHeight) return too_deep();
    const std::size_t slot = node->child_slot(key);
    COWFS_ASSIGN(NodeRef child, writable_child(*node, slot));
    path.push_back({std::move(node), slot});
    node = std::move(child);
  }
  path.push_back({std::move(node), 0});
  return path;
}

Result<void> Tree::put(std::string_view key, std::string_view value) {
  COWFS_CHECK(!key.empty() && key.size() <= kMaxKeySize && value.size() <= kMaxValueSize);
  COWFS_ASSIGN(Path path, descend_for_change(key));
  Node& leaf = *path.back().node;
  const std::size_t slot = leaf.lower_bound(key);
  if (leaf.key_at(slot, key)) {
    if (leaf.replace(slot, value)) return {};
    leaf.erase(slot);
  }
  return insert_splitting(path, path.size() - 1, key, value);
}

Result<void> Tree::insert_splitting(Path& path, std::size_t depth, std::string_view key, std::string_view value) {
  // Splitting once is enough but for very uneven items; then the half that the key belongs to is split again. Each split may
  // grow the tree above, which shifts the path: the level finds our place in it again.
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
  if (level >= kMaxTreeHeight) return too_deep();
  COWFS_ASSIGN(NodeRef root, space_.allocate(level));
  root->insert(0, "", encode_pointer(path[0].node->pointer()));
  root_.root = root->pointer();
  path.insert(path.begin(), Step{std::move(root), 0});
  return {};
}

Result<void> Tree::split(Path& path, std::size_t depth, std::string_view key) {
  const NodeRef left = path[depth].node;
  const std::size_t cut = split_slot(*left, key);
  std::string boundary(left->key(cut));
  if (left->is_leaf()) boundary = std::string(separator(left->key(cut - 1), left->key(cut)));
  COWFS_ASSIGN(NodeRef right, space_.allocate(left->level()));
  left->move_tail(cut, *right);
  // Room for the separator first: the parent may have to be split, which can change whose child `left` is.
  const std::size_t levels_below = path.size() - depth;
  COWFS_TRY(insert_splitting(path, depth - 1, boundary, encode_pointer(right->pointer())));
  depth = path.size() - levels_below;
  Step& parent = path[depth - 1];
  parent.slot = parent.node->child_slot(key);
  path[depth].node = key < boundary ? left : right;
  return {};
}

Result<void> Tree::erase(std::string_view key) {
  COWFS_ASSIGN(auto found, get(key));
  if (!found) return {};
  COWFS_ASSIGN(Path path, descend_for_change(key));
  Node& leaf = *path.back().node;
  leaf.erase(leaf.lower_bound(key));
  return shrink(path);
}

Result<void> Tree::shrink(Path& path) {
  for (std::size_t depth = path.size() - 1; depth > 0; --depth) {
    Node& node = *path[depth].node;
    Step& parent = path[depth - 1];
    if (node.count() == 0 && parent.node->count() > 1) {
      const std::string bound(parent.node->key(parent.slot));
      parent.node->erase(parent.slot);
      space_.free(node.pointer());
      if (parent.slot == 0) {
        // The new first child takes over the lower bound (empty on the left edge).
        const NodePointer first = parent.node->child(0);
        parent.node->erase(0);
        parent.node->insert(0, bound, encode_pointer(first));
      }
      continue;
    }
    if (node.used_bytes() >= kMergeBelow) break;
    COWFS_ASSIGN(const bool merged, merge_neighbours(path, depth));
    if (!merged && path[depth - 1].node->count() > 1) break;
  }
  return collapse_root();
}

Result<bool> Tree::merge_neighbours(Path& path, std::size_t depth) {
  Step& parent = path[depth - 1];
  if (parent.node->count() < 2) return false;
  const std::size_t left_slot = parent.slot == 0 ? 0 : parent.slot - 1;
  const std::size_t other_slot = parent.slot == 0 ? 1 : left_slot;
  auto other = space_.load(parent.node->child(other_slot));
  if (!other) return false;  // merging only saves space: an unreadable neighbour is not our business
  const std::size_t needed = path[depth].node->used_bytes() + (*other)->used_bytes() + kMaxKeySize;
  if (needed > kNodeSize - 64) return false;
  if ((*other)->pointer().generation <= root_.shared_at && !space_.shared((*other)->pointer().id)) return false;
  COWFS_ASSIGN(NodeRef left, writable_child(*parent.node, left_slot));
  COWFS_ASSIGN(NodeRef right, writable_child(*parent.node, left_slot + 1));
  if (!right->is_leaf()) {
    // The first key of an inner node is only a bound: the parent's is the true one.
    const NodePointer first = right->child(0);
    right->erase(0);
    right->insert(0, parent.node->key(left_slot + 1), encode_pointer(first));
  }
  right->move_tail(0, *left);
  space_.free(right->pointer());
  parent.node->erase(left_slot + 1);
  parent.slot = left_slot;
  path[depth].node = left;
  return true;
}

Result<void> Tree::collapse_root() {
  while (true) {
    COWFS_ASSIGN(NodeRef root, space_.load(root_.root));
    if (root->is_leaf() || root->count() > 1) return {};
    const NodePointer child = root->child(0);
    space_.free(root->pointer());
    root_.root = child;
  }
}

}  // namespace cowfs
