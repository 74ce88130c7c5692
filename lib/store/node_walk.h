// Walks trees that may be damaged: every node once, in key order, going on after each that cannot
// be used.
//
// A node is used where its page is valid, it lies on the level that its parent expects, and its
// keys lie between the bounds that its parent gives it. All else is a lost node: what it led to is
// lost with it, a range of keys. A node that one parent gives bounds which its keys do not keep is
// lost for that parent alone.
//
//   forest  several trees that share nodes: each further way to a node counts as a reference and is
//   not walked again tree    one tree: a second way to a node is damage
//
// Depth is bounded by the levels, which fall by one a step. Memory: 24 bytes a node seen.
#pragma once

#include <array>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <unordered_map>
#include <vector>

#include "lib/tree/node_space.h"

namespace cowfs {

/// What is known of nodes by number: how many references lead to each.
class NodeTally {
 public:
  struct Entry {
    Generation generation{0};
    std::uint64_t references = 0;  // 0: not seen
    std::uint32_t level = 0;
    std::uint32_t bounds = 0;  // NodeWalk::bounds_of those between which it was found to lie
  };

  Entry& operator[](NodeId id);
  /// Nothing of it is known: an entry without references.
  Entry get(NodeId id) const;
  /// In ascending order.
  void for_each(const std::function<void(NodeId, const Entry&)>& visit) const;
  std::uint64_t size() const { return size_; }
  void count_one() { ++size_; }

 private:
  static constexpr std::size_t kInPage = 1024;  // of a segment
  using Page = std::array<Entry, kInPage>;

  std::unordered_map<std::uint64_t, std::unique_ptr<Page>> pages_;
  std::uint64_t size_ = 0;
};

/// Of a root: nothing says on which level it lies.
inline constexpr unsigned kUnknownLevel = kMaxTreeHeight;

/// Keys [from, to) of a tree that cannot be read.
struct LostNode {
  NodePointer pointer;
  unsigned level = kUnknownLevel;  // on which its parent expects it
  std::uint32_t bounds = 0;        // where it is whole, but not between these
  std::string from;
  std::optional<std::string> to;  // nothing: to the end
  std::string why;
};

class NodeWalk {
 public:
  enum class Kind { kForest, kTree };
  using VisitLeaf = std::function<void(const Node&)>;
  using VisitLost = std::function<void(const LostNode&)>;

  NodeWalk(NodeSpace& space, Kind kind) : space_(space), kind_(kind) {}

  /// Walks what lies below the root of a tree and was not walked before.
  void walk(NodePointer root, const VisitLeaf& visit);
  /// The same below any node of a tree that is gone. `references`: how many lead to it.
  void walk_part(NodePointer node, std::uint64_t references, const VisitLeaf& visit);

  const NodeTally& tally() const { return tally_; }
  /// Nodes that are used by something else and may not be in these trees.
  void forbid(const NodeTally& others) { forbidden_ = &others; }
  /// Told of each lost node where it is met first.
  void on_lost(VisitLost visit) { on_lost_ = std::move(visit); }

  /// Names a way in which a node is lost.
  using LostKey = std::tuple<NodeId, Generation, unsigned, std::uint32_t>;
  static LostKey key_of_lost(const LostNode& lost) {
    return {lost.pointer.id, lost.pointer.generation, lost.level, lost.bounds};
  }
  /// How a node is lost on the level and between the bounds that a parent has for it, if it is. It
  /// can be whole for others.
  std::optional<LostKey> find_lost(NodePointer pointer, unsigned level, std::string_view low,
                                   const std::optional<std::string>& high) const;
  std::size_t lost_count() const { return lost_.size(); }
  std::uint64_t nodes() const { return tally_.size(); }
  Generation newest() const { return newest_; }

 private:
  struct Step {
    NodePointer pointer;
    unsigned level;
    std::optional<std::string> low;   // nothing: not known
    std::optional<std::string> high;  // nothing: none
    std::uint64_t references;
  };

  void run(const VisitLeaf& visit);
  void enter(Step step, const VisitLeaf& visit);
  enum class Fault { kOfNode, kOfPlace };
  void lose(Step step, std::string why, Fault fault = Fault::kOfNode);
  void meet_again(Step step, NodeTally::Entry& known);
  static std::uint32_t bounds_of(std::string_view low, const std::optional<std::string>& high);
  void push_children(const Step& step, const Node& node);
  static const char* fault_of(const Step& step, const Node& node);

  NodeSpace& space_;
  const Kind kind_;
  const NodeTally* forbidden_ = nullptr;
  VisitLost on_lost_;
  NodeTally tally_;
  std::set<LostKey> lost_;
  std::vector<Step> stack_;
  Generation newest_{0};
};

}  // namespace cowfs
