#include "lib/volume/extent_data.h"

#include <algorithm>
#include <cstring>

namespace cowfs {

Result<void> read_extents(Store& store, std::span<const Extent> extents, std::uint64_t offset,
                          MutableBytes out) {
  const std::uint64_t end = offset + out.size();
  std::uint64_t at = offset;
  const auto zero_to = [&](std::uint64_t to) {
    if (to > at) std::memset(out.data() + (at - offset), 0, to - at);
  };
  for (const Extent& extent : extents) {
    const std::uint64_t extent_begin = extent.file_block << kBlockShift;
    const std::uint64_t from = std::max(extent_begin, offset);
    const std::uint64_t to = std::min(extent.end() << kBlockShift, end);
    if (from >= to) continue;
    zero_to(from);
    const std::uint64_t place = (extent.blocks.first << kBlockShift) + (from - extent_begin);
    COWFS_TRY(store.read_data(extent.blocks.object, place, out.subspan(from - offset, to - from)));
    at = to;
  }
  zero_to(end);
  return {};
}

Result<void> write_extents(Store& store, std::span<const Extent> extents, std::uint64_t first_block,
                           Bytes image) {
  const FileBlocks range{first_block, first_block + image.size() / kBlockSize};
  const std::vector<Extent> pieces = clip_extents(extents, range);
  for (std::size_t i = 0; i < pieces.size();) {
    // Pieces that follow each other in the file and in the object are one write.
    BlockRange run = pieces[i].blocks;
    const std::uint64_t begin = pieces[i].file_block;
    for (++i;
         i < pieces.size() && pieces[i].file_block == begin + run.count &&
         pieces[i].blocks.object == run.object && pieces[i].blocks.first == run.first + run.count;
         ++i) {
      run.count += pieces[i].blocks.count;
    }
    const Bytes bytes = image.subspan((begin - first_block) * kBlockSize, run.count * kBlockSize);
    COWFS_TRY(store.write_blocks(run.object, run.first, bytes));
  }
  return {};
}

bool is_zero(Bytes bytes) {
  return std::ranges::all_of(bytes, [](std::byte byte) { return byte == std::byte{0}; });
}

}  // namespace cowfs
