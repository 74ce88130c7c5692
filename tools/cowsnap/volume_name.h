// Names of volumes: which are allowed, and the one that a snapshot gets when none is given.
#pragma once

#include <string>
#include <string_view>

#include "lib/base/error.h"
#include "lib/base/time.h"

namespace cowfs {

/// kInvalidArgument with "NAME: why" unless the name is 1 to 255 bytes without '/', and not ".",
/// ".." or ".cowfs".
Result<void> check_volume_name(std::string_view name);

/// The time in UTC, "2026-02-28T13:14:15Z"; with `attempt` 2 and more "...Z-2" and so on, for the
/// further snapshots of one second.
std::string default_snapshot_name(Timestamp time, unsigned attempt);

}  // namespace cowfs
