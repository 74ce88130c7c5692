// Reference counts of data blocks, as runs. Only counts of two and more are stored (in the store's
// tree); none stored means one.
//
// Nobody needs to know a count at once: whether a block may be written in place is decided by birth
// generations. So changes are gathered and applied in bulk: overlapping ones cancel out, and what
// falls to zero is handed on as dead.
//
// Locks: the tree lock exclusive for all calls, shared for get().
#pragma once

#include <functional>
#include <vector>

#include "lib/store/records.h"
#include "lib/tree/tree.h"

namespace cowfs {

class BlockCounts {
 public:
  void add(const BlockRange& range) { changes_.push_back({range, +1}); }
  void drop(const BlockRange& range) { changes_.push_back({range, -1}); }

  std::size_t pending() const { return changes_.size(); }

  /// Applies all gathered changes; `dead` gets each run that nobody refers to any more.
  Result<void> apply(Tree& store_tree, const std::function<Result<void>(const BlockRange&)>& dead);

  /// The stored count of a block (gathered changes not included).
  static Result<std::uint64_t> stored(const Tree& store_tree, ObjectNumber object,
                                      std::uint64_t block);

 private:
  struct Change {
    BlockRange range;
    std::int64_t delta;
  };

  std::vector<Change> changes_;
};

}  // namespace cowfs
