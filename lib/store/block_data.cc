#include "lib/store/block_data.h"

#include <algorithm>
#include <array>
#include <cstring>

namespace cowfs {
namespace {

std::unexpected<Error> damaged(ObjectNumber object, std::uint64_t block) {
  return fail(ErrorCode::kCorrupted, "block " + std::to_string(block) + " of " +
                                         to_string({ArrayKind::kObject, raw(object)}) +
                                         " does not match its checksum: the data is damaged");
}

Result<void> read_whole_blocks(StoreCore& core, ObjectNumber object, std::uint64_t first,
                               MutableBytes out) {
  const BlockRange range{object, first, out.size() / kBlockSize};
  COWFS_ASSIGN(const auto checksums, [&]() -> Result<std::vector<std::uint32_t>> {
    SharedLock lock(core.tree_lock);
    return core.checksums.find(core.store_tree(), range);
  }());
  COWFS_TRY(core.objects.read(object, first * kBlockSize, out));
  for (std::uint64_t i = 0; i < range.count; ++i) {
    if (checksums[i] == kNoChecksum) continue;
    if (block_checksum(out.subspan(i * kBlockSize, kBlockSize)) != checksums[i])
      return damaged(object, first + i);
  }
  return {};
}

}  // namespace

Result<void> read_verified(StoreCore& core, ObjectNumber object, std::uint64_t offset,
                           MutableBytes out) {
  std::array<std::byte, kBlockSize> block;
  while (!out.empty()) {
    const std::size_t skip = offset % kBlockSize;
    std::size_t part = 0;
    if (skip == 0 && out.size() >= kBlockSize) {
      part = out.size() - out.size() % kBlockSize;
      COWFS_TRY(read_whole_blocks(core, object, offset / kBlockSize, out.first(part)));
    } else {
      part = std::min(out.size(), kBlockSize - skip);
      COWFS_TRY(read_whole_blocks(core, object, offset / kBlockSize, block));
      std::memcpy(out.data(), block.data() + skip, part);
    }
    offset += part;
    out = out.subspan(part);
  }
  return {};
}

Result<std::uint64_t> recompute_checksums(StoreCore& core) {
  std::uint64_t changed = 0;
  std::vector<std::byte> data(kDeclaredBlocks * kBlockSize);
  for (const BlockRange& range : core.declared.ranges()) {
    COWFS_ASSIGN(const auto before, core.checksums.find(core.store_tree(), range));
    if (std::ranges::all_of(before, [](std::uint32_t checksum) { return checksum == kNoChecksum; }))
      continue;
    if (!core.objects.read(range.object, range.first * kBlockSize, data)) {
      core.checksums.forget(range);
      continue;
    }
    core.objects.mark_dirty(range.object);  // durable before the checksums are
    for (std::uint64_t i = 0; i < range.count; ++i) {
      if (before[i] == kNoChecksum) continue;
      const std::uint32_t now = block_checksum(Bytes(data).subspan(i * kBlockSize, kBlockSize));
      if (now == before[i]) continue;
      core.checksums.note(range.object, range.first + i, std::span(&now, 1));
      ++changed;
    }
  }
  return changed;
}

}  // namespace cowfs
