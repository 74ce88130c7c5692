// Trees of one MemoryNodeSpace, each with a std::map beside it that says what the tree must hold.
//
// Every change goes to both; check() compares them and recounts all references. The values that it
// makes begin with the number of a new thing (memory_node_space.h), so that counts of leaf items
// are checked as well.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "lib/tree/diff.h"
#include "lib/tree/tree.h"
#include "tests/tree/memory_node_space.h"

namespace cowfs {

using Items = std::map<std::string, std::string>;

/// One difference, kept.
struct Change {
  std::string key;
  std::optional<std::string> before;
  std::optional<std::string> after;
  friend bool operator==(const Change&, const Change&) = default;
};

class Forest {
 public:
  MemoryNodeSpace space;

  std::size_t size() const { return trees_.size(); }
  TreeRoot& root(std::size_t tree) { return trees_[tree].root; }
  const Items& items(std::size_t tree) const { return trees_[tree].items; }
  Tree view(std::size_t tree) { return Tree(space, trees_[tree].root); }
  unsigned height(std::size_t tree);
  std::set<NodeId> nodes(std::size_t tree);

  std::size_t create();
  /// A new tree with the items of `tree`.
  std::size_t fork(std::size_t tree);
  /// Drops a tree; the last one takes its number.
  void drop(std::size_t tree);
  void drop_all();

  /// Puts a value of this size; below 8 bytes it refers to no thing. Failed changes change nothing.
  Result<void> put(std::size_t tree, const std::string& key, std::size_t value_size,
                   Finger* finger = nullptr);
  Result<void> erase(std::size_t tree, const std::string& key, Finger* finger = nullptr);

  /// The differences that diff_trees finds, and those that are there.
  std::vector<Change> diff(std::size_t before, std::size_t after);
  std::vector<Change> naive_diff(std::size_t before, std::size_t after) const;

  /// What is wrong first; empty when all trees hold their items and all counts are right.
  std::string check();
  std::string check_items(std::size_t tree);

 private:
  struct Grown {
    TreeRoot root;
    Items items;
  };
  std::vector<Grown> trees_;
};

/// Ordered as its number.
std::string numbered_key(std::uint64_t number, std::size_t size = 8);

}  // namespace cowfs
