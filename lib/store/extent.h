// Runs of blocks: where file data lies in objects, and the extents of files that refer to it.
//
// Value of an extent (32 bytes): object u64, first block u64, count u32, encoding u8, zero 3 bytes,
// birth generation u64.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "lib/base/bytes.h"
#include "lib/base/ids.h"
#include "lib/store/key.h"

namespace cowfs {

/// `count` blocks of an object from block `first` on.
struct BlockRange {
  ObjectNumber object = kNoObject;
  std::uint64_t first = 0;
  std::uint64_t count = 0;

  friend bool operator==(const BlockRange&, const BlockRange&) = default;
};

inline constexpr Generation kBirthShared{0};  // "may be shared": never written in place
inline constexpr std::uint64_t kMaxExtentBlocks = std::uint64_t{1} << 28;  // 1 TiB

/// A run of file blocks [file_block, file_block + blocks.count) that lies at `blocks`.
struct Extent {
  std::uint64_t file_block = 0;
  BlockRange blocks;
  Generation birth = kBirthShared;

  std::uint64_t end() const { return file_block + blocks.count; }
  /// The part [from, to) of it; from < to, both within.
  Extent part(std::uint64_t from, std::uint64_t to) const {
    return {from, {blocks.object, blocks.first + (from - file_block), to - from}, birth};
  }
  friend bool operator==(const Extent&, const Extent&) = default;
};

inline std::string extent_key(InodeNumber inode, std::uint64_t file_block) {
  return key_of(inode, KeyKind::kExtent).be(file_block).take();
}

inline std::string encode_extent(const Extent& extent) {
  return ByteWriter()
      .le(raw(extent.blocks.object))
      .le(extent.blocks.first)
      .le(static_cast<std::uint32_t>(extent.blocks.count))
      .le(std::uint32_t{0})
      .le(raw(extent.birth))
      .take();
}

/// Nothing where the bytes are no extent of a known encoding, or one that runs over the end of what
/// a file or an object can hold.
inline std::optional<Extent> decode_extent(std::string_view key, std::string_view value) {
  ByteReader rest(rest_of(key));
  ByteReader reader(value);
  Extent extent;
  extent.file_block = rest.be<std::uint64_t>();
  extent.blocks.object = ObjectNumber{reader.le<std::uint64_t>()};
  extent.blocks.first = reader.le<std::uint64_t>();
  extent.blocks.count = reader.le<std::uint32_t>();
  const auto encoding = reader.le<std::uint32_t>();
  extent.birth = Generation{reader.le<std::uint64_t>()};
  const bool sound = rest.done() && reader.done() && encoding == 0 &&
                     extent.blocks.object != kNoObject && extent.blocks.count > 0 &&
                     extent.blocks.count <= kMaxExtentBlocks &&
                     extent.blocks.first < (std::uint64_t{1} << 52) &&
                     extent.file_block < (std::uint64_t{1} << 52);
  if (!sound) return std::nullopt;
  return extent;
}

}  // namespace cowfs
