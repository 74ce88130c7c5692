// A sample store whose arrays are changed as an input says: what the targets of whole stores begin
// with.
//
// Changes follow one another, at most kMostImageChanges: a byte that says what, and its arguments.
// Checksums can be set right again afterwards: they are no obstacle to who can write the store.
#pragma once

#include <memory>

#include "lib/storage/memory_storage.h"
#include "tests/fuzz/target.h"

namespace cowfs::fuzz {

/// `flags`: 1 a store that was killed; 2, 4, 8 the checksums of nodes, superblocks, the journal are
/// left as the changes made them.
std::unique_ptr<MemoryStorage> changed_store(std::uint64_t flags, Source& source);

}  // namespace cowfs::fuzz
