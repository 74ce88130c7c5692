// The name that a file gets when it is moved aside: "a~", "a.~3~".
#pragma once

#include "tools/cowcp/command_line.h"
#include "tools/cowcp/options.h"
#include "tools/cowcp/user_files.h"

namespace cowfs {

Place backup_place(const Place& target, const CopyOptions& options);

/// `cp --force --backup a a` copies `a` to the name of its backup, as `cp a a~` does.
void copy_to_own_backup(CommandLine& line);

}  // namespace cowfs
