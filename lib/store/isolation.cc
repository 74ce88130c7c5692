#include "lib/store/isolation.h"

#include <algorithm>
#include <vector>

namespace cowfs {

Result<NodePointer> Isolation::clean(NodePointer root) {
  if (walk_.lost_count() == 0) return root;
  if (walk_.is_lost(root, 0)) return empty_tree(root, 0, "");
  COWFS_ASSIGN(const NodeRef node, space_.load(root));
  return clean_node(root, node->level(), "");
}

Result<NodePointer> Isolation::clean_node(NodePointer pointer, unsigned level, std::string_view low) {
  const std::tuple key{pointer.id, pointer.generation, level};
  if (const auto found = done_.find(key); found != done_.end()) return found->second;
  if (walk_.is_lost(pointer, level)) {
    COWFS_ASSIGN(const NodePointer empty, empty_tree(pointer, level, low));
    return done_[key] = empty;
  }
  if (level == 0) return pointer;
  COWFS_ASSIGN(const NodeRef node, space_.load(pointer));
  std::vector<std::pair<std::size_t, NodePointer>> changed;
  for (std::size_t slot = 0; slot < node->count(); ++slot) {
    COWFS_ASSIGN(const NodePointer child, clean_node(node->child(slot), level - 1, node->key(slot)));
    if (child != node->child(slot)) changed.emplace_back(slot, child);
  }
  if (changed.empty()) return done_[key] = pointer;
  COWFS_ASSIGN(NodeRef copy, space_.allocate_as(level, pointer.generation));
  node->copy_as(copy->pointer(), *copy);
  for (const auto& [slot, child] : changed) copy->set_child(slot, child);
  return done_[key] = copy->pointer();
}

// A chain of nodes with one child each, down to an empty leaf: the bounds of the neighbours stay what they are.
Result<NodePointer> Isolation::empty_tree(NodePointer instead_of, unsigned level, std::string_view low) {
  const Generation generation = std::min(instead_of.generation, limit_);
  COWFS_ASSIGN(NodeRef node, space_.allocate_as(0, generation));
  for (unsigned above = 1; above <= level; ++above) {
    COWFS_ASSIGN(NodeRef parent, space_.allocate_as(above, generation));
    parent->insert(0, low, encode_pointer(node->pointer()));
    node = std::move(parent);
  }
  return node->pointer();
}

}  // namespace cowfs
