// fsck.cowfs from the parsed command to the exit code.
#pragma once

#include "tools/fsck.cowfs/fsck_options.h"

namespace cowfs {

FsckExit run_fsck(const FsckCommand& command);

}  // namespace cowfs
