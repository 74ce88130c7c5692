#include "lib/store/isolation.h"

#include <algorithm>
#include <iterator>
#include <string>
#include <vector>

namespace cowfs {

namespace {

/// The shortest string above `left` and not above `right`.
std::string boundary_between(std::string_view left, std::string_view right) {
  std::size_t same = 0;
  while (same < left.size() && same < right.size() && left[same] == right[same]) ++same;
  return std::string(right.substr(0, same + 1));
}

}  // namespace

Isolation::Isolation(RepairSpace& space, const NodeWalk& walk, Generation limit,
                     Foundlings* foundlings, const std::vector<StoreSurvey::Lost>* ranges)
    : space_(space), walk_(walk), limit_(limit), foundlings_(foundlings) {
  if (ranges == nullptr) return;
  for (const auto& lost : *ranges) {
    ranges_[NodeWalk::key_of_lost(lost.node)] = &lost.node;
  }
}

Result<NodePointer> Isolation::clean(NodePointer root) {
  if (walk_.lost_count() == 0) return root;
  if (const auto how = walk_.find_lost(root, kUnknownLevel, "", std::nullopt))
    return replacement(root, *how, "");
  COWFS_ASSIGN(const NodeRef node, space_.load(root));
  return clean_node(root, node->level(), "", std::nullopt);
}

Result<NodePointer> Isolation::clean_node(NodePointer pointer, unsigned level, std::string_view low,
                                          const std::optional<std::string>& high) {
  if (const auto how = walk_.find_lost(pointer, level, low, high))
    return replacement(pointer, *how, low);
  if (level == 0) return pointer;
  const std::tuple key{pointer.id, pointer.generation, level};
  if (const auto found = cleaned_.find(key); found != cleaned_.end()) return found->second;
  COWFS_ASSIGN(const NodeRef node, space_.load(pointer));
  std::vector<std::pair<std::size_t, NodePointer>> changed;
  for (std::size_t slot = 0; slot < node->count(); ++slot) {
    const auto end =
        slot + 1 < node->count() ? std::optional(std::string(node->key(slot + 1))) : high;
    COWFS_ASSIGN(const NodePointer child,
                 clean_node(node->child(slot), level - 1, node->key(slot), end));
    if (child != node->child(slot)) changed.emplace_back(slot, child);
  }
  if (changed.empty()) return cleaned_[key] = pointer;
  COWFS_ASSIGN(NodeRef copy, space_.allocate_as(level, pointer.generation));
  node->copy_as(copy->pointer(), *copy);
  for (const auto& [slot, child] : changed) copy->set_child(slot, child);
  return cleaned_[key] = copy->pointer();
}

Result<NodePointer> Isolation::replacement(NodePointer lost, const NodeWalk::LostKey& how,
                                           std::string_view low) {
  unsigned level = std::get<2>(how);
  const bool is_root = level == kUnknownLevel;
  if (const auto found = replaced_.find(how); found != replaced_.end()) return found->second;
  const auto range = ranges_.find(how);
  std::vector<Foundling> children;
  if (foundlings_ != nullptr && range != ranges_.end() && (level > 0 || is_root)) {
    children = foundlings_->take_children(*range->second, is_root ? kMaxTreeHeight - 1 : level);
  }
  if (children.empty()) {
    if (range != ranges_.end()) emptied_.push_back(*range->second);
    COWFS_ASSIGN(const NodePointer empty, empty_tree(lost, is_root ? 0 : level, low));
    return replaced_[how] = empty;
  }
  if (is_root) level = std::ranges::max_element(children, {}, &Foundling::level)->level + 1;
  ++rebuilt_;
  COWFS_ASSIGN(const NodePointer node, put_together(*range->second, std::move(children), level));
  return replaced_[how] = node;
}

Result<NodePointer> Isolation::put_together(const LostNode& lost, std::vector<Foundling> children,
                                            unsigned level) {
  const Generation generation = std::min(lost.pointer.generation, limit_);
  COWFS_ASSIGN(NodeRef node, space_.allocate_as(level, generation));
  // An inner node begins with the key that its parent has for it: a gap in front of the first one
  // is an empty tree.
  if (children.front().level > 0 && children.front().first != lost.from) {
    COWFS_ASSIGN(const NodePointer empty, empty_tree(lost.pointer, level - 1, lost.from));
    node->insert(0, lost.from, encode_pointer(empty));
  }
  const std::string* left = nullptr;
  for (const Foundling& child : children) {
    std::string low = child.first;
    if (node->count() == 0) low = lost.from;
    else if (child.level == 0 && left != nullptr) low = boundary_between(*left, child.first);
    if (!node->fits(low.size(), kNodePointerSize)) break;  // the rest is lost, and will be told
    COWFS_ASSIGN(const NodePointer raised,
                 raise(child.pointer, child.level, level - 1, low, generation));
    node->insert(node->count(), low, encode_pointer(raised));
    left = &child.last;
  }
  return node->pointer();
}

Result<NodePointer> Isolation::raise(NodePointer node, unsigned from, unsigned level,
                                     std::string_view low, Generation generation) {
  for (unsigned above = from + 1; above <= level; ++above) {
    COWFS_ASSIGN(NodeRef parent, space_.allocate_as(above, generation));
    parent->insert(0, low, encode_pointer(node));
    node = parent->pointer();
  }
  return node;
}

// An empty leaf with a chain of nodes above it: the bounds of the neighbours stay what they are.
Result<NodePointer> Isolation::empty_tree(NodePointer instead_of, unsigned level,
                                          std::string_view low) {
  const Generation generation = std::min(instead_of.generation, limit_);
  COWFS_ASSIGN(NodeRef leaf, space_.allocate_as(0, generation));
  return raise(leaf->pointer(), 0, level, low, generation);
}

}  // namespace cowfs
