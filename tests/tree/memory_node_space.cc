#include "tests/tree/memory_node_space.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace cowfs {

Result<NodeRef> MemoryNodeSpace::load(NodePointer pointer) {
  ++loads;
  const auto found = nodes_.find(pointer.id);
  if (found == nodes_.end() || found->second.generation != pointer.generation) {
    ADD_FAILURE() << "a dangling pointer to node " << raw(pointer.id);
    return fail(ErrorCode::kCorrupted, "no such node");
  }
  Entry& entry = found->second;
  if (!loadable(pointer.id, entry.generation)) return fail(ErrorCode::kIo, "injected");
  if (entry.node) return entry.node;
  auto node = std::make_shared<Node>();
  std::ranges::copy(entry.page, node->mutable_page().begin());
  COWFS_TRY(node->validate(pointer));
  entry.node = node;
  return node;
}

Result<NodeRef> MemoryNodeSpace::allocate(unsigned level) {
  if (allocations_left_) {
    if (*allocations_left_ == 0) return fail(ErrorCode::kNoSpace, "injected");
    --*allocations_left_;
  }
  ++allocations;
  const NodeId id{++last_id_};
  auto node = std::make_shared<Node>(id, generation_, level);
  nodes_[id] = Entry{generation_, node, {}};
  return node;
}

Result<bool> MemoryNodeSpace::shared(NodeId id) {
  const auto found = nodes_.find(id);
  if (found == nodes_.end()) {
    ADD_FAILURE() << "asked about node " << raw(id) << ", which is none";
    return fail(ErrorCode::kCorrupted, "no such node");
  }
  if (loadable_ && !asked_.contains(id)) return fail(ErrorCode::kIo, "injected");
  asked_.insert(id);
  return counts_.contains(id);
}

void MemoryNodeSpace::add_reference(NodeId id) {
  if (!nodes_.contains(id)) ADD_FAILURE() << "a reference to node " << raw(id) << ", which is none";
  ++counts_.try_emplace(id, 1).first->second;
}

void MemoryNodeSpace::drop_shared_reference(NodeId id) {
  const auto found = counts_.find(id);
  if (found == counts_.end()) {
    ADD_FAILURE() << "node " << raw(id) << " is not shared";
  } else if (--found->second == 1) {
    counts_.erase(found);
  }
}

void MemoryNodeSpace::free(NodePointer node) {
  const auto found = nodes_.find(node.id);
  if (found == nodes_.end() || found->second.generation != node.generation) {
    ADD_FAILURE() << "a free of node " << raw(node.id) << ", which is none";
    return;
  }
  if (counts_.contains(node.id))
    ADD_FAILURE() << "a free of node " << raw(node.id) << ", which is shared";
  forget(node.id, found->second);
  if (found->second.node) std::ranges::fill(found->second.node->mutable_page(), std::byte{0xdb});
  nodes_.erase(found);
}

void MemoryNodeSpace::leaf_copied(const Node& leaf) {
  for (std::size_t slot = 0; slot < leaf.count(); ++slot) {
    if (const auto thing = thing_of(leaf.value(slot))) ++things_.at(thing);
  }
}

void MemoryNodeSpace::checkpoint() {
  for (auto& [id, entry] : nodes_) {
    if (is_fresh({id, entry.generation})) {
      entry.node->seal();
      const Bytes page = entry.node->page();
      entry.page.assign(page.begin(), page.end());
    }
  }
  asked_.clear();
  fresh_after_ = generation_;
  generation_ = next(generation_);
  evict();
}

void MemoryNodeSpace::evict() {
  for (auto& [id, entry] : nodes_) {
    forget(id, entry);
    if (!is_fresh({id, entry.generation})) entry.node.reset();
  }
}

void MemoryNodeSpace::forget(NodeId id, Entry& entry) {
  if (is_fresh({id, entry.generation}) || !entry.node) return;
  if (!std::ranges::equal(entry.node->page(), entry.page)) {
    ADD_FAILURE() << "node " << raw(id) << " was changed after a checkpoint took it";
  }
}

TreeRoot MemoryNodeSpace::fork(TreeRoot& parent) {
  add_reference(parent.root.id);
  parent.shared_at = generation_;
  generation_ = next(generation_);
  return parent;
}

void MemoryNodeSpace::drop(const TreeRoot& tree) {
  std::vector<NodePointer> pending{tree.root};
  while (!pending.empty()) {
    const NodePointer pointer = pending.back();
    pending.pop_back();
    if (counts_.contains(pointer.id)) {
      drop_shared_reference(pointer.id);
      continue;
    }
    const NodeRef node = peek(pointer);
    if (!node) {
      ADD_FAILURE() << "node " << raw(pointer.id) << " is missing";
      continue;
    }
    for (std::size_t slot = 0; slot < node->count(); ++slot) {
      if (!node->is_leaf()) pending.push_back(node->child(slot));
      else if (const auto thing = thing_of(node->value(slot))) drop_thing(thing);
    }
    free(pointer);
  }
}

std::uint64_t MemoryNodeSpace::new_thing() {
  things_[++last_thing_] = 1;
  return last_thing_;
}

void MemoryNodeSpace::drop_thing(std::uint64_t thing) {
  const auto found = things_.find(thing);
  if (found == things_.end()) ADD_FAILURE() << "thing " << thing << " is gone already";
  else if (--found->second == 0) things_.erase(found);
}

std::uint64_t MemoryNodeSpace::thing_of(std::string_view value) {
  return value.size() < 8 ? 0 : ByteReader(value).le<std::uint64_t>();
}

void MemoryNodeSpace::deny_loads_but(std::span<const NodeRef> pins) {
  loadable_.emplace();
  for (const NodeRef& pin : pins) loadable_->insert(pin->pointer().id);
}

bool MemoryNodeSpace::loadable(NodeId id, Generation generation) const {
  return !loadable_ || is_fresh({id, generation}) || loadable_->contains(id);
}

NodeRef MemoryNodeSpace::peek(NodePointer pointer) const {
  const auto found = nodes_.find(pointer.id);
  if (found == nodes_.end() || found->second.generation != pointer.generation) return nullptr;
  if (found->second.node) return found->second.node;
  auto node = std::make_shared<Node>();
  std::ranges::copy(found->second.page, node->mutable_page().begin());
  return node->validate(pointer) ? node : nullptr;
}

std::uint64_t MemoryNodeSpace::references(NodeId id) const {
  const auto found = counts_.find(id);
  return found == counts_.end() ? 1 : found->second;
}

std::set<NodeId> MemoryNodeSpace::node_ids() const {
  std::set<NodeId> ids;
  for (const auto& [id, entry] : nodes_) ids.insert(id);
  return ids;
}

}  // namespace cowfs
