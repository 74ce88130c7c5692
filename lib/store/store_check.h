// Checks a store's structures as one checkpoint has them: trees, counts, allocation, objects,
// journal.
//
// Reads only, and opens no store: what is on the host is all that is believed. It goes on after
// each problem.
//
// Not here: what volumes' items mean (lib/volume/volume_check.h), file data (scrub.h).
#pragma once

#include <memory>

#include "lib/store/node_reader.h"
#include "lib/store/store_survey.h"

namespace cowfs {

struct StoreCheck {
  Superblock superblock;  // of the checkpoint that was checked
  ProblemList problems;
  std::unique_ptr<NodeReader> nodes;
  std::unique_ptr<StoreSurvey> survey;
};

/// Errors: only where the host fails to list what is there.
Result<StoreCheck> check_structures(Storage& storage, const Superblock& superblock);

struct JournalCheck {
  ProblemList problems;
  std::uint64_t records = 0;  // that count and are no part of the checkpoint
};
Result<JournalCheck> check_journal(Storage& storage, const Superblock& superblock);

}  // namespace cowfs
