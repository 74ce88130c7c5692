// Making a store on the host, all or nothing.
//
// Not here: what a store holds (lib/volume, docs/format.md) and how it lies in a directory
// (lib/storage).
#pragma once

#include <string>

#include "lib/base/error.h"
#include "lib/store/store.h"

namespace cowfs {

/// Makes a store in a directory that is empty or missing, with the caller as owner of the root
/// directory, and reads it back. Returns the store's id, 16 bytes. After a failure nothing that was
/// made here is left behind. Errors: those of HostStorage::create and FileSystem::format.
Result<std::string> make_store(const std::string& path, const FormatOptions& options);

}  // namespace cowfs
