// Checksums of data blocks, as the store's tree keeps them: by (object, block), so that everything
// that shares a block shares its checksum.
//
// One item has those of up to 128 blocks of one object. Key: object u64, first block u64 (a
// multiple of 128). Value: one u32 a block, at least one, zeros at the end left out. A checksum is
// the lower half of the block's XXH3 (64 bits, seed 0); 0, which a block never has, says that none
// is known: such a block is not verified.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "lib/base/bytes.h"
#include "lib/base/xxh3.h"
#include "lib/store/extent.h"

namespace cowfs {

inline constexpr std::uint64_t kChecksumsInItem = 128;  // blocks: 512 KiB of data
inline constexpr std::uint32_t kNoChecksum = 0;

/// The checksum of one whole block; never kNoChecksum.
inline std::uint32_t block_checksum(Bytes block) {
  const auto hash = static_cast<std::uint32_t>(XXH3_64bits(block.data(), block.size()));
  return hash == kNoChecksum ? 1 : hash;
}

/// The checksums of blocks [first, first + 128) of an object.
struct ChecksumItem {
  ObjectNumber object = kNoObject;
  std::uint64_t first = 0;  // a multiple of kChecksumsInItem
  std::array<std::uint32_t, kChecksumsInItem> checksums{};

  bool empty() const {
    for (const std::uint32_t checksum : checksums) {
      if (checksum != kNoChecksum) return false;
    }
    return true;
  }
};

inline std::string checksum_key(ObjectNumber object, std::uint64_t block) {
  return key_of(kStoreKeyInode, KeyKind::kBlockChecksum)
      .be(raw(object))
      .be(block - block % kChecksumsInItem)
      .take();
}

/// Of an item that is not empty.
inline std::string encode_checksums(const ChecksumItem& item) {
  std::size_t count = item.checksums.size();
  while (count > 1 && item.checksums[count - 1] == kNoChecksum) --count;
  ByteWriter writer;
  for (std::size_t i = 0; i < count; ++i) writer.le(item.checksums[i]);
  return writer.take();
}

/// Nothing where the bytes make no sense.
inline std::optional<ChecksumItem> decode_checksums(std::string_view key, std::string_view value) {
  ByteReader rest(rest_of(key));
  ChecksumItem item;
  item.object = ObjectNumber{rest.be<std::uint64_t>()};
  item.first = rest.be<std::uint64_t>();
  const bool sound = rest.done() && item.object != kNoObject &&
                     item.first % kChecksumsInItem == 0 && item.first < (std::uint64_t{1} << 52) &&
                     !value.empty() && value.size() % 4 == 0 &&
                     value.size() <= 4 * kChecksumsInItem;
  if (!sound) return std::nullopt;
  ByteReader reader(value);
  for (std::size_t i = 0; i < value.size() / 4; ++i) item.checksums[i] = reader.le<std::uint32_t>();
  return item;
}

}  // namespace cowfs
