// Keys of all trees: (inode, kind, rest), big-endian, so that all of a file lies together and in
// order.
//
// A volume's tree holds inodes, names, parents, extended attributes, link targets and extents; the
// store's own tree uses inode 0. The full list, with the bytes of each value, is docs/format.md.
// Kinds are never renumbered.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "lib/base/bytes.h"
#include "lib/base/ids.h"

namespace cowfs {

enum class KeyKind : std::uint8_t {
  // In a volume's tree; rest of the key:
  kInode = 1,       // -
  kName = 2,        // cookie u64 (55 hash bits, then an 8-bit collision index)
  kParent = 3,      // directory inode u64, cookie u64
  kAttribute = 4,   // name, 0, chunk u16
  kSymlink = 5,     // chunk u16
  kExtent = 6,      // first file block u64
  kOwnObject = 7,   // window of 1 TiB u32
  kInlineData = 8,  // reserved
  kOrphan = 9,      // inode u64; the key's inode is 1
  // In the store's tree:
  kVolume = 32,         // volume id u32
  kVolumeName = 33,     // name; reserved: names are found through kVolume today
  kObject = 34,         // object u64
  kBlockCount = 35,     // object u64, first block u64
  kNodeCount = 36,      // node id u64
  kNodeSegment = 37,    // segment u64
  kPendingFree = 38,    // checkpoint u64, object u64, first block u64
  kDroppedNode = 39,    // level u8, node id u64
  kBlockChecksum = 40,  // object u64, first of 128 blocks u64
  kEncoding = 41,       // reserved: object u64
  kProject = 42,        // reserved: project id u32
};

inline constexpr std::uint64_t kStoreKeyInode = 0;
inline constexpr std::uint64_t kOrphanKeyInode = 1;

/// Starts a key; `rest` is added with be().
inline ByteWriter key_of(std::uint64_t inode, KeyKind kind) {
  ByteWriter writer;
  writer.be(inode).be(static_cast<std::uint8_t>(kind));
  return writer;
}
inline ByteWriter key_of(InodeNumber inode, KeyKind kind) { return key_of(raw(inode), kind); }

inline constexpr std::size_t kKeyPrefixSize = 9;

/// The kind of a key, or 0 where it is too short to have one.
inline KeyKind kind_of(std::string_view key) {
  return key.size() < kKeyPrefixSize ? KeyKind{0} : KeyKind{static_cast<std::uint8_t>(key[8])};
}

/// What follows the kind.
inline std::string_view rest_of(std::string_view key) {
  return key.size() < kKeyPrefixSize ? std::string_view{} : key.substr(kKeyPrefixSize);
}

/// Whether a key has this inode and kind, so that a scan of them goes on.
inline bool has_prefix(std::string_view key, std::string_view prefix) {
  return key.starts_with(prefix);
}

}  // namespace cowfs
