// The part of truncation that other changes of a file need (file_data.h has the whole).
#pragma once

#include "lib/volume/file_change.h"

namespace cowfs {

/// Erases all extents past the end of the file, the items of own objects that lie past it, and the
/// marks of an unfinished truncation, in as many transactions as it takes.
Result<void> erase_past_end(FileChange& change, bool allow_read_only);

}  // namespace cowfs
