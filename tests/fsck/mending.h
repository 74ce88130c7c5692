// A damaged store is checked, repaired, checked again, opened and read: and what of it was told is
// held against what is other than before.
#pragma once

#include <string>

#include "tests/fsck/damaged_store.h"

namespace cowfs {

struct Outcome {
  ProblemList found;
  ProblemList mended;
  Contents contents;
  bool given_up = false;  // no volume was found, and nothing was changed
};

/// Fails the test where a repair leaves anything.
void mend(MemoryStorage& storage, Outcome& outcome);

/// What is other than before lies at a path that was reported, or in a directory that was.
void expect_only_reported_losses(const TestStore& store, const Outcome& outcome);

/// What was reported as lost, by its path, is other than before.
void expect_only_losses_reported(const TestStore& store, const Outcome& outcome);

}  // namespace cowfs
