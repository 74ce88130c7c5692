// From the command line's words to an open store: which paths are meant, whether they fit together,
// the store itself.
#pragma once

#include <memory>

#include "fs/options.h"
#include "lib/base/error.h"
#include "lib/volume/file_system.h"

namespace cowfs {

/// Makes the paths absolute. kNotFound, kNotDirectory: the store (unless it is to be made) or the
/// mount point is missing. kInvalidArgument: one lies inside the other.
Result<void> settle_paths(Options& options);

/// Opens the store, making it first where the options say so and it is missing or empty. kLocked,
/// kNotAStore, kCorrupted, kExists and more, with a text that names the store.
Result<std::unique_ptr<FileSystem>> open_file_system(const Options& options);

}  // namespace cowfs
