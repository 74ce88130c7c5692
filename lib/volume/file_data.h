// What names and attributes ask of file data: to cut a file, and to erase the data of one that is
// gone.
//
// Truncation of a huge file. The new size is visible in one transaction; extents past it that this
// transaction did not take are erased in further ones, before truncate_file() returns. While some
// are left, the record has the flag kInodeTruncating, and the inode an item (inode 1, kOrphan,
// inode) in state kTruncated (an inode without names keeps its item in state kUnlinked). Only an
// error or a crash leaves them behind. Then reads go by the size, every change of the data finishes
// the truncation first (it knows by the flag), and erase_orphans() calls finish_truncation() for
// each such item: it is not an orphan, must not be erased, and does not count for has_orphans().
// Erasing or linking the inode needs no care for it.
//
// Implemented in extent_map.cc and file_truncate.cc.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "lib/base/request_context.h"
#include "lib/store/store.h"
#include "lib/volume/inode_record.h"

namespace cowfs {

class Volume;

/// Value of an orphan item (orphans.h has its key): nothing (kUnlinked), or state u8, size u64
/// (bytes; for reports: the record's counts; 0 for kStaged: a directory whose copy is not finished,
/// tree_clone.h).
enum class OrphanState : std::uint8_t { kUnlinked = 0, kTruncated = 1, kStaged = 2 };

inline std::string encode_staged_orphan() {
  return ByteWriter()
      .le(static_cast<std::uint8_t>(OrphanState::kStaged))
      .le(std::uint64_t{0})
      .take();
}

inline std::string encode_truncated_orphan(std::uint64_t size) {
  return ByteWriter().le(static_cast<std::uint8_t>(OrphanState::kTruncated)).le(size).take();
}
inline std::optional<OrphanState> decode_orphan(std::string_view value) {
  if (value.empty()) return OrphanState::kUnlinked;
  ByteReader reader(value);
  const auto state = reader.le<std::uint8_t>();
  reader.le<std::uint64_t>();
  if (!reader.done() || state > 2) return std::nullopt;
  return OrphanState{state};
}

/// Makes a regular file `new_size` bytes long (kIsDirectory, kInvalidArgument for other types).
/// Takes an Operation and the inode's lock exclusively itself: the caller holds neither, nor the
/// tree lock. The transaction that makes the new size visible sets mtime and ctime to now and then
/// applies `also` to the record (times, owner, permissions; not size or blocks). kFileTooLarge
/// above kFileSizeLimit. Does not drop privileges: `also` may.
Result<void> truncate_file(const RequestContext& context, Volume& volume, InodeNumber inode,
                           std::uint64_t new_size, const std::function<void(InodeRecord&)>& also);

/// Finishes a truncation that was cut short: erases the extents past the end, the flag and the
/// item. Nothing happens where there is none. Takes an Operation and the inode's lock itself.
/// `allow_read_only`: in a read-only volume too (a fork that was made before it was finished).
Result<void> finish_truncation(const RequestContext& context, Volume& volume, InodeNumber inode,
                               bool allow_read_only = false);

/// Adds erases and releases for an inode's extents and own objects to a transaction until it is
/// nearly full. True when that is all of them; else commit it and call again. Nothing is added for
/// an inode that has none. The record is left alone. The caller holds the inode's lock, or knows
/// that nobody else can reach the inode.
Result<bool> erase_some_data(UpdateView& view, VolumeId volume, InodeNumber inode,
                             Transaction& transaction);

}  // namespace cowfs
