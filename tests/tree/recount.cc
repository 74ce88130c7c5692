#include "tests/tree/recount.h"

#include <functional>

namespace cowfs {
namespace {

struct Visit {
  NodePointer pointer;
  unsigned level = 0;
  bool is_root = false;
  std::string low;                  // the parent's key for this node
  std::optional<std::string> high;  // the parent's next key, or its own bound
};

std::string name(NodePointer pointer) { return "node " + std::to_string(raw(pointer.id)); }

class Recount {
 public:
  explicit Recount(const MemoryNodeSpace& space) : space_(space) {}

  std::string run(std::span<const TreeRoot> roots) {
    for (const TreeRoot& root : roots) walk(root.root);
    for (const TreeRoot& root : roots) check_ownership(root);
    if (fault_.empty()) compare();
    return fault_;
  }

 private:
  void walk(NodePointer root) {
    const NodeRef node = space_.peek(root);
    if (!node) return fault(name(root) + " of a root is missing");
    pending_.push_back({root, node->level(), true, "", std::nullopt});
    while (!pending_.empty() && fault_.empty()) {
      const Visit visit = std::move(pending_.back());
      pending_.pop_back();
      if (++nodes_[visit.pointer.id] == 1) enter(visit);
    }
  }

  void enter(const Visit& visit) {
    const NodeRef node = space_.peek(visit.pointer);
    if (!node) return fault(name(visit.pointer) + " is missing");
    check_node(visit, *node);
    for (std::size_t slot = 0; slot < node->count() && fault_.empty(); ++slot) {
      if (node->is_leaf()) {
        if (const auto thing = MemoryNodeSpace::thing_of(node->value(slot))) ++things_[thing];
        continue;
      }
      auto high =
          slot + 1 < node->count() ? std::optional(std::string(node->key(slot + 1))) : visit.high;
      pending_.push_back(
          {node->child(slot), visit.level - 1, false, std::string(node->key(slot)), high});
    }
  }

  void check_node(const Visit& visit, const Node& node) {
    Node sealed = node;
    sealed.seal();
    if (const auto valid = sealed.validate(visit.pointer); !valid) return fault(valid.error().text);
    if (node.level() != visit.level) return fault(name(visit.pointer) + " has a wrong level");
    if (visit.is_root && !node.is_leaf() && node.count() < 2)
      return fault(name(visit.pointer) + ": a root of one child");
    if (node.count() == 0) return;
    if (node.key(0) < visit.low || (!node.is_leaf() && node.key(0) != visit.low)) {
      return fault(name(visit.pointer) + " begins elsewhere than its parent says");
    }
    if (visit.high && node.key(node.count() - 1) >= *visit.high)
      return fault(name(visit.pointer) + " reaches too far");
  }

  // Older nodes have older children only, so that the walk ends at them.
  void check_ownership(const TreeRoot& tree) {
    std::vector<NodePointer> pending{tree.root};
    while (!pending.empty() && fault_.empty()) {
      const NodePointer pointer = pending.back();
      pending.pop_back();
      if (pointer.generation <= tree.shared_at) continue;
      if (nodes_[pointer.id] != 1) return fault(name(pointer) + " is young and yet shared");
      const NodeRef node = space_.peek(pointer);
      for (std::size_t slot = 0; !node->is_leaf() && slot < node->count(); ++slot)
        pending.push_back(node->child(slot));
    }
  }

  void compare() {
    for (const NodeId id : space_.node_ids()) {
      if (!nodes_.contains(id)) return fault("node " + std::to_string(raw(id)) + " leaked");
    }
    for (const auto& [id, count] : nodes_) {
      if (space_.references(id) != count) {
        return fault("node " + std::to_string(raw(id)) + " has " + std::to_string(count) +
                     " references, not " + std::to_string(space_.references(id)));
      }
    }
    if (things_ != space_.things()) fault("the counts of things are wrong");
  }

  void fault(std::string text) {
    if (fault_.empty()) fault_ = std::move(text);
  }

  const MemoryNodeSpace& space_;
  std::vector<Visit> pending_;
  std::map<NodeId, std::uint64_t> nodes_;
  std::map<std::uint64_t, std::uint64_t> things_;
  std::string fault_;
};

}  // namespace

std::string recount(const MemoryNodeSpace& space, std::span<const TreeRoot> roots) {
  return Recount(space).run(roots);
}

}  // namespace cowfs
