// The bytes of a file, read and written through its extents.
//
// Locks: none of its own; the caller holds what keeps the extents true (the inode's lock, or for
// blocks that an extent in the tree no longer names, an EpochGuard), and never the tree lock.
#pragma once

#include <cstdint>
#include <span>

#include "lib/store/store.h"
#include "lib/volume/extent_map.h"

namespace cowfs {

/// Reads the file's bytes [offset, offset + out.size()); what no extent covers is zero.
Result<void> read_extents(Store& store, std::span<const Extent> extents, std::uint64_t offset,
                          MutableBytes out);

/// Writes the parts of `image`, whole blocks from file block `first_block` on, that lie in
/// `extents`, to their places.
Result<void> write_extents(Store& store, std::span<const Extent> extents, std::uint64_t first_block,
                           Bytes image);

bool is_zero(Bytes bytes);

}  // namespace cowfs
