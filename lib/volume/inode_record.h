// The value of an inode item: everything that stat tells of an inode, in 96 bytes.
//
//     0  mode u32 · link count u32            32  device u64
//     8  uid u32 · gid u32                    40  flags u32 · project id u32 (reserved, 0)
//    16  size u64 (bytes)                     48  access time, modify time, change time, birth time:
//    24  blocks u64 (of 4 KiB)                    each s64 seconds · u32 nanoseconds
//
// All little-endian. The key is (inode, kInode).
//
// Invariants: the mode has one of the seven types; nanoseconds are below 10^9; the size is at most
// kFileSizeLimit. A directory's link count is 2 and one for each directory in it, its size grows
// with its entries; link count 0 means that an orphan item exists.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "lib/store/store.h"
#include "lib/volume/attributes.h"

namespace cowfs {

inline constexpr std::size_t kInodeRecordSize = 96;  // bytes

/// InodeRecord::flags: the file has the extended attribute security.capability, so that whoever
/// drops privileges need not look for it.
inline constexpr std::uint32_t kInodeHasCapability = 1;
/// Extents past the end of the file wait to be erased (file_data.h).
inline constexpr std::uint32_t kInodeTruncating = 2;

struct InodeRecord {
  std::uint32_t mode = 0;
  std::uint32_t link_count = 0;
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
  std::uint64_t size = 0;
  std::uint64_t blocks = 0;
  std::uint64_t device = 0;
  std::uint32_t flags = 0;
  std::uint32_t project = 0;
  Timestamp access_time;
  Timestamp modify_time;
  Timestamp change_time;
  Timestamp birth_time;

  mode_t type() const;  // the S_IFMT bits
  bool is_directory() const;
  bool is_regular() const;
  bool is_symlink() const;

  friend bool operator==(const InodeRecord&, const InodeRecord&) = default;
};

std::string inode_key(InodeNumber inode);
std::string encode_inode(const InodeRecord& record);
/// kCorrupted where the bytes break an invariant.
Result<InodeRecord> decode_inode(std::string_view value);
Attributes attributes_of(InodeNumber inode, const InodeRecord& record);

/// kStale where there is no such inode.
Result<InodeRecord> load_inode(const TreeView& view, VolumeId volume, InodeNumber inode);
void put_inode(Transaction& transaction, VolumeId volume, InodeNumber inode,
               const InodeRecord& record);

}  // namespace cowfs
