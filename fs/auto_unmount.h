// The option auto_unmount needs help from fusermount3, which is installed apart from libfuse.
//
// libfuse has it run `fusermount3 --auto-unmount`, and where that fails goes on without a word:
// the mount would stay when the daemon dies. A statically linked libfuse is often newer than the
// system's fusermount3, and an old one does not know that option.
#pragma once

#include "fs/options.h"
#include "lib/base/error.h"

namespace cowfs {

/// kNotSupported when auto_unmount is among the options and would do nothing.
Result<void> check_auto_unmount(const Options& options);

}  // namespace cowfs
