// Opens a store, walks all of it, reads, writes, forks, deletes, checks and closes it: within
// bounds, whatever its bytes are.
//
// One volume a run is changed, for the sake of many runs a second.
#pragma once

#include <cstdint>
#include <memory>

#include "lib/storage/memory_storage.h"

namespace cowfs::fuzz {

/// `changed`: which of the volumes, modulo their number.
void exercise(std::unique_ptr<MemoryStorage> storage, bool read_only, std::uint64_t changed);

}  // namespace cowfs::fuzz
