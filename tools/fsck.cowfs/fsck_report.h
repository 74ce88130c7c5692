// What fsck.cowfs prints of a check or a repair.
#pragma once

#include <string>

#include "lib/volume/fsck.h"
#include "tools/fsck.cowfs/fsck_options.h"

namespace cowfs {

struct FsckAnswer {
  FsckReport found;
  bool skipped = false;   // the store was unmounted: nothing was looked at
  bool repaired = false;  // a repair was made
  ProblemList mended;     // what it mended
  FsckReport after;       // the check after the repair
  FsckExit exit = FsckExit::kClean;
};

/// Problems that were found, one a line.
void print_problems(const FsckCommand& command, const ProblemList& problems);
/// What a repair did.
void print_mended(const FsckCommand& command, const FsckAnswer& answer);
/// The last line.
void print_summary(const FsckCommand& command, const FsckAnswer& answer);
void print_fsck_json(const FsckCommand& command, const FsckAnswer& answer);

}  // namespace cowfs
