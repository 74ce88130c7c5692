// Reference counts of tree nodes. Only counts of two and more are stored (in the store's tree);
// none stored means one.
//
// Changes are gathered here and applied before each checkpoint, so that copying a shared inner node
// costs no lookups for its children.
//
// Locks: the tree lock exclusive for all calls. The store's own tree is never shared: its nodes are
// not counted.
#pragma once

#include <cstdint>
#include <unordered_map>

#include "lib/base/error.h"
#include "lib/base/ids.h"
#include "lib/tree/tree.h"

namespace cowfs {

class NodeCounts {
 public:
  /// References to a node of a volume's tree: stored and gathered.
  Result<std::uint64_t> get(const Tree& store_tree, NodeId id);
  void add(NodeId id) { ++entries_[id].delta; }
  void drop(NodeId id, std::uint64_t references = 1) {
    entries_[id].delta -= static_cast<std::int64_t>(references);
  }

  /// Whether anything is to be applied.
  bool pending() const;
  std::size_t size() const { return entries_.size(); }
  /// Writes all gathered changes into the store's tree.
  Result<void> apply(Tree& store_tree);

 private:
  static constexpr std::int64_t kUnknown = -1;
  struct Entry {
    std::int64_t stored = kUnknown;
    std::int64_t delta = 0;
  };
  static Result<std::int64_t> stored(const Tree& store_tree, NodeId id, Entry& entry);

  std::unordered_map<NodeId, Entry> entries_;
};

std::string node_count_key(NodeId id);
/// The stored count; 1 where the value makes no sense or is absent.
std::string encode_node_count(std::uint64_t count);
std::uint64_t decode_node_count(std::string_view value);

}  // namespace cowfs
