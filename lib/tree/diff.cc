#include "lib/tree/diff.h"

namespace cowfs {
namespace {

// One side's place in its tree: before a subtree (at an inner node's entry) or before an item (at a
// leaf's).
class Walker {
 public:
  explicit Walker(NodeSpace& space) : space_(space) {}

  Result<void> begin(NodePointer root) {
    COWFS_ASSIGN(NodeRef node, space_.load(root));
    enter(std::move(node));
    return {};
  }

  bool at_end() const { return path_.empty(); }
  bool at_item() const { return top().node->is_leaf(); }
  unsigned level() const { return top().node->level(); }
  std::string_view key() const { return top().node->key(top().slot); }
  std::string_view value() const { return top().node->value(top().slot); }
  NodePointer child() const { return top().node->child(top().slot); }

  /// Goes from before a subtree to before its first entry.
  Result<void> descend() {
    COWFS_ASSIGN(NodeRef node, load_child(space_, *top().node, top().slot));
    enter(std::move(node));
    return {};
  }

  /// Goes past the item or the subtree.
  void advance() {
    ++path_.back().slot;
    settle();
  }

 private:
  struct Frame {
    NodeRef node;
    std::size_t slot;
  };

  const Frame& top() const { return path_.back(); }

  void enter(NodeRef node) {
    path_.push_back({std::move(node), 0});
    settle();
  }

  void settle() {
    while (!path_.empty() && top().slot >= top().node->count()) {
      path_.pop_back();
      if (!path_.empty()) ++path_.back().slot;
    }
  }

  NodeSpace& space_;
  std::vector<Frame> path_;
};

bool emit(Walker* before, Walker* after, const std::function<bool(const TreeDifference&)>& visit) {
  TreeDifference difference{before ? before->key() : after->key(), std::nullopt, std::nullopt};
  if (before) difference.before = before->value();
  if (after) difference.after = after->value();
  const bool same = before && after && *difference.before == *difference.after;
  const bool go_on = same || visit(difference);
  if (before) before->advance();
  if (after) after->advance();
  return go_on;
}

// Takes one step where at least one side stands before a subtree. The order of steps decides only
// how much is shared, never what is found: what is skipped is skipped on both sides at once.
Result<void> approach(Walker& a, Walker& b) {
  const bool a_inner = !a.at_item();
  const bool b_inner = !b.at_item();
  if (a_inner && b_inner && a.child() == b.child()) {
    a.advance();
    b.advance();
    return {};
  }
  if (a_inner && b_inner && a.level() == b.level()) {
    const int order = a.key().compare(b.key());
    if (order <= 0) COWFS_TRY(a.descend());
    if (order >= 0) COWFS_TRY(b.descend());
    return {};
  }
  return a_inner && (!b_inner || a.level() > b.level()) ? a.descend() : b.descend();
}

}  // namespace

Result<void> diff_trees(NodeSpace& space, NodePointer before, NodePointer after,
                        const std::function<bool(const TreeDifference&)>& visit) {
  if (before == after) return {};
  Walker a(space);
  Walker b(space);
  COWFS_TRY(a.begin(before));
  COWFS_TRY(b.begin(after));
  while (!a.at_end() || !b.at_end()) {
    // An item goes out once the other side is past its key: keys of inner nodes are lower bounds of
    // what lies below.
    const bool a_ready = !a.at_end() && a.at_item() && (b.at_end() || a.key() < b.key());
    const bool b_ready = !b.at_end() && b.at_item() && (a.at_end() || b.key() < a.key());
    const bool both_ready =
        !a.at_end() && !b.at_end() && a.at_item() && b.at_item() && a.key() == b.key();
    bool go_on = true;
    if (both_ready) go_on = emit(&a, &b, visit);
    else if (a_ready) go_on = emit(&a, nullptr, visit);
    else if (b_ready) go_on = emit(nullptr, &b, visit);
    else if (a.at_end()) COWFS_TRY(b.descend());
    else if (b.at_end()) COWFS_TRY(a.descend());
    else COWFS_TRY(approach(a, b));
    if (!go_on) return {};
  }
  return {};
}

}  // namespace cowfs
