#include "lib/volume/new_blocks.h"

#include <algorithm>

#include "lib/base/check.h"

namespace cowfs {

NewBlocks::~NewBlocks() {
  for (const Extent& extent : clip_extents(extents_, {kept_below_, kFileBlockLimit}))
    store_.abandon(extent.blocks);
}

void NewBlocks::add(std::uint64_t file_block, const BlockRange& range) {
  const Extent extent{file_block, range, store_.birth_generation()};
  const auto at = std::ranges::upper_bound(extents_, file_block, {}, &Extent::file_block);
  extents_.insert(at, extent);
}

Result<void> NewBlocks::take_in_own(std::span<const FileBlocks> runs, ObjectNumber own) {
  for (const FileBlocks& run : runs) {
    COWFS_ASSIGN(const BlockRange range,
                 store_.extend_own_object(own, run.first % kWindowBlocks, run.count()));
    COWFS_CHECK(range.count == run.count());
    add(run.first, range);
  }
  return {};
}

Result<void> NewBlocks::take_in_packs(std::span<const FileBlocks> runs) {
  std::uint64_t count = 0;
  for (const FileBlocks& run : runs) count += run.count();
  if (count == 0) return {};
  COWFS_ASSIGN(const std::vector<BlockRange> ranges, store_.allocate(count));
  auto range = ranges.begin();
  std::uint64_t used = 0;  // blocks of *range
  for (const FileBlocks& run : runs) {
    for (std::uint64_t block = run.first; block < run.end;) {
      COWFS_CHECK(range != ranges.end());
      const std::uint64_t part = std::min(run.end - block, range->count - used);
      add(block, {range->object, range->first + used, part});
      block += part;
      used += part;
      if (used == range->count) {
        ++range;
        used = 0;
      }
    }
  }
  return {};
}

Result<void> NewBlocks::take(std::span<const FileBlocks> runs, std::optional<ObjectNumber> own) {
  std::vector<FileBlocks> others;
  for (const FileBlocks& run : runs) {
    // Whatever keeps the own object from growing (a hole before its end, its limit): a pack takes
    // the run.
    if (!own || !take_in_own({&run, 1}, *own)) others.push_back(run);
  }
  return take_in_packs(others);
}

}  // namespace cowfs
