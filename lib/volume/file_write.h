// Writing under a lock that is held already (Volume::write, and clones that must copy).
#pragma once

#include "lib/volume/file_change.h"

namespace cowfs {

/// Writes all of `in` at `offset`, in steps of one transaction each. Returns how much was written,
/// where a later step failed. The end is within kFileSizeLimit; begin_change() came before.
Result<std::size_t> write_locked(FileChange& change, std::uint64_t offset, Bytes in);

}  // namespace cowfs
