// Blocks taken for new data: given back unless a transaction came to name them.
//
// A run of file blocks gets its place in the window's own object, at the equal offset, where there
// is one that takes it; all other runs share one allocation in packs.
//
// The caller holds an Operation from before the first take() to the commit, so that the births
// given here are above the volume's last fork.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "lib/store/store.h"
#include "lib/volume/extent_map.h"

namespace cowfs {

class NewBlocks {
 public:
  explicit NewBlocks(Store& store) : store_(store) {}
  /// Abandons all that was not kept.
  ~NewBlocks();
  NewBlocks(const NewBlocks&) = delete;
  NewBlocks& operator=(const NewBlocks&) = delete;

  /// Finds a place for each run. The runs are ascending, do not touch those taken before, and lie
  /// in one window each; where `own` is given, all in its window. What an error left taken is
  /// abandoned with the rest.
  Result<void> take(std::span<const FileBlocks> runs,
                    std::optional<ObjectNumber> own = std::nullopt);
  /// Takes runs in the own object or nowhere: kExists where it does not take one of them.
  Result<void> take_in_own(std::span<const FileBlocks> runs, ObjectNumber own);

  /// What was taken, by file block.
  const std::vector<Extent>& extents() const { return extents_; }

  /// A transaction names all blocks of file blocks below `end` now.
  void keep_below(std::uint64_t end) { kept_below_ = end; }
  void keep_all() { keep_below(kFileBlockLimit); }

 private:
  void add(std::uint64_t file_block, const BlockRange& range);
  Result<void> take_in_packs(std::span<const FileBlocks> runs);

  Store& store_;
  std::vector<Extent> extents_;
  std::uint64_t kept_below_ = 0;
};

}  // namespace cowfs
