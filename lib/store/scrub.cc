#include "lib/store/scrub.h"

#include <algorithm>

#include "lib/store/checksum_item.h"
#include "lib/store/object_space.h"
#include "lib/tree/tree.h"

namespace cowfs {
namespace {

class Scrubber {
 public:
  Scrubber(Storage& storage, NodeSpace& space, const StoreFacts& facts,
           const std::function<void(std::uint64_t)>& progress)
      : storage_(storage),
        space_(space),
        facts_(facts),
        progress_(progress),
        root_{facts.superblock.root, Generation{0}} {}

  Result<Scrub> run() {
    for (const BlockCountRun& run : facts_.runs)
      COWFS_TRY(
          for_each_part(run.range, [this](const BlockRange& part) { return read_part(part); }));
    return std::move(scrub_);
  }

  Result<Scrub> run_ends() {
    ObjectNumber object = kNoObject;
    std::uint64_t whole = 0;  // blocks in front of the file's end
    for (const BlockCountRun& run : facts_.runs) {
      const std::uint64_t end = run.range.first + run.range.count;
      if (run.range.object != object) {
        object = run.range.object;
        const auto size = storage_.size({ArrayKind::kObject, raw(object)});
        whole = size ? *size / kBlockSize : kOwnObjectBlocks;  // a missing one is told elsewhere
      }
      std::uint64_t first = std::max(run.range.first, whole);
      // Where the file ends within a block, that one is looked at.
      if (first == whole && first < end) COWFS_TRY(read_part({object, first++, 1}));
      if (first >= end) continue;
      COWFS_TRY(for_each_part({object, first, end - first},
                              [this](const BlockRange& part) { return expect_zeros(part); }));
    }
    return std::move(scrub_);
  }

 private:
  /// Cuts a range where items of checksums end.
  template <typename Visit>
  static Result<void> for_each_part(const BlockRange& range, const Visit& visit) {
    const std::uint64_t end = range.first + range.count;
    for (std::uint64_t block = range.first; block < end;) {
      const std::uint64_t item_end = block - block % kChecksumsInItem + kChecksumsInItem;
      const std::uint64_t count = std::min(end, item_end) - block;
      COWFS_TRY(visit(BlockRange{range.object, block, count}));
      block += count;
    }
    return {};
  }

  /// Within the blocks of one item, all of them past the end of the file.
  Result<void> expect_zeros(const BlockRange& range) {
    COWFS_ASSIGN(const auto item, checksums_of(range));
    if (!item) return {};
    for (std::uint64_t i = 0; i < range.count; ++i) {
      const std::uint32_t expected = item->checksums[(range.first + i) % kChecksumsInItem];
      if (expected != kNoChecksum && expected != checksum_of_zeros_)
        note_damage({range.object, range.first + i, 1});
    }
    return {};
  }

  Result<std::optional<ChecksumItem>> checksums_of(const BlockRange& range) {
    const std::string key = checksum_key(range.object, range.first);
    COWFS_ASSIGN(const auto value, Tree(space_, root_).get(key));
    return value ? decode_checksums(key, *value) : std::nullopt;
  }

  /// Within the blocks of one item.
  Result<void> read_part(const BlockRange& range) {
    COWFS_ASSIGN(const auto item, checksums_of(range));
    data_.resize(range.count * kBlockSize);
    const bool whole = read(range.object, range.first, data_);
    for (std::uint64_t i = 0; i < range.count; ++i) {
      const MutableBytes block = MutableBytes(data_).subspan(i * kBlockSize, kBlockSize);
      const std::uint32_t expected =
          item ? item->checksums[(range.first + i) % kChecksumsInItem] : kNoChecksum;
      const bool readable = whole || read(range.object, range.first + i, block);
      if (expected != kNoChecksum) ++scrub_.verified;
      if (!readable || (expected != kNoChecksum && block_checksum(block) != expected))
        note_damage({range.object, range.first + i, 1});
    }
    scrub_.blocks += range.count;
    if (progress_) progress_(scrub_.blocks);
    return {};
  }

  bool read(ObjectNumber object, std::uint64_t block, MutableBytes out) {
    return storage_.read({ArrayKind::kObject, raw(object)}, block * kBlockSize, out).has_value();
  }

  void note_damage(const BlockRange& block) {
    ++scrub_.damaged_blocks;
    auto& damaged = scrub_.damaged;
    const bool joins = !damaged.empty() && damaged.back().object == block.object &&
                       damaged.back().first + damaged.back().count == block.first;
    if (joins) ++damaged.back().count;
    else if (damaged.size() < Scrub::kKept) damaged.push_back(block);
    else scrub_.cut_off = true;
  }

  Storage& storage_;
  NodeSpace& space_;
  const StoreFacts& facts_;
  const std::function<void(std::uint64_t)> progress_;
  TreeRoot root_;
  const std::uint32_t checksum_of_zeros_ = block_checksum(std::vector<std::byte>(kBlockSize));
  std::vector<std::byte> data_;
  Scrub scrub_;
};

}  // namespace

std::vector<BlockRange> Scrub::damaged_parts(const BlockRange& range) const {
  std::vector<BlockRange> parts;
  const std::uint64_t end = range.first + range.count;
  auto at = std::ranges::upper_bound(
      damaged, std::pair(range.object, range.first), {},
      [](const BlockRange& r) { return std::pair(r.object, r.first + r.count); });
  for (; at != damaged.end() && at->object == range.object && at->first < end; ++at) {
    const std::uint64_t from = std::max(at->first, range.first);
    parts.push_back({range.object, from, std::min(at->first + at->count, end) - from});
  }
  return parts;
}

Result<Scrub> scrub_data(Storage& storage, NodeSpace& space, const StoreFacts& facts,
                         const std::function<void(std::uint64_t blocks)>& progress) {
  return Scrubber(storage, space, facts, progress).run();
}

Result<Scrub> scrub_ends(Storage& objects, NodeSpace& space, const StoreFacts& facts) {
  return Scrubber(objects, space, facts, {}).run_ends();
}

}  // namespace cowfs
