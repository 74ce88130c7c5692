// What an opened store shows, in the form of the reference's states.
#pragma once

#include "lib/volume/file_system.h"
#include "tests/crash/reference.h"

namespace cowfs {

/// Reads every volume, name, attribute and byte.
Result<StoreState> observe(FileSystem& file_system);

/// Changes the store a little in all kinds of ways, and checks that it does what it should and that
/// what the changes did not touch (`seen`) is as it was; then syncs and verifies.
Result<void> works_on(FileSystem& file_system, const StoreState& seen);

/// The structure of every volume's tree (tests/volume/volume_checker.h): the first thing that is
/// wrong.
Result<void> check_volumes(FileSystem& file_system);

}  // namespace cowfs
