// What differs between two trees of one node space, at the cost of what differs.
//
// Both trees are walked in key order side by side; a node that both share (same pointer) is skipped
// whole. Two forks of one tree share every node that neither has changed.
//
// Locks: as for a read of both trees. Recursion: none; depth is bounded by kMaxTreeHeight.
#pragma once

#include <functional>
#include <optional>
#include <string_view>

#include "lib/tree/tree.h"

namespace cowfs {

/// One key that differs: `before` is its value in the first tree, `after` in the second; absent
/// where the key is.
struct TreeDifference {
  std::string_view key;
  std::optional<std::string_view> before;
  std::optional<std::string_view> after;
};

/// Calls `visit` for each difference in key order until it returns false. The views are valid
/// during the call.
Result<void> diff_trees(NodeSpace& space, NodePointer before, NodePointer after,
                        const std::function<bool(const TreeDifference&)>& visit);

}  // namespace cowfs
