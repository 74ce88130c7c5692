// Host errno as an ErrorCode and a sentence: the only place below the tools where errno is read.
//
// What the host reports about itself (a full descriptor table, a bad device, a stale network
// handle) is kIo with the host's words; only what a caller can act on has a code of its own.
#pragma once

#include <string_view>

#include "lib/base/error.h"

namespace cowfs {

/// The code for a host errno; kIo for all that has none.
ErrorCode code_of_errno(int error_number);

/// The error "WHAT: the host's words", for example "objects/00000000000000ff: write: No space left
/// on device".
Error host_error(int error_number, std::string_view what);

/// The error of a sync that failed: kIo, whatever the host calls it. A full host can be tried again,
/// but what a failed sync was to write may be lost.
Error sync_error(int error_number, std::string_view what);

}  // namespace cowfs
