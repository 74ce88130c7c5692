// The name that a file gets when it is moved aside: "a~", "a.~3~".
#pragma once

#include "tools/cowcp/options.h"
#include "tools/cowcp/user_files.h"

namespace cowfs {

Place backup_place(const Place& target, const CopyOptions& options);

}  // namespace cowfs
