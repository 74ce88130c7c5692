// Opens a store, walks all of it, reads, writes, forks, deletes, checks and closes it: within
// bounds, whatever its bytes are.
#pragma once

#include <memory>

#include "lib/storage/memory_storage.h"

namespace cowfs::fuzz {

void exercise(std::unique_ptr<MemoryStorage> storage, bool read_only);

}  // namespace cowfs::fuzz
