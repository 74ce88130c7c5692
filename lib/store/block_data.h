// File data on its way between objects and whoever reads or writes files: with its checksums, where
// the store keeps them.
//
// Locks: as Store::read_data and Store::write_blocks: no view is held.
#pragma once

#include "lib/store/store_core.h"

namespace cowfs {

/// Reads bytes of an object; any alignment. Each block that it touches is read whole and held
/// against its checksum: kCorrupted, with the block in the text, where they differ.
Result<void> read_verified(StoreCore& core, ObjectNumber object, std::uint64_t offset,
                           MutableBytes out);

/// Opening after a crash: computes the checksums of declared ranges anew from what is there. Tree
/// lock exclusive. The number of blocks whose checksum is another one now. What cannot be read has
/// none from now on.
Result<std::uint64_t> recompute_checksums(StoreCore& core);

}  // namespace cowfs
