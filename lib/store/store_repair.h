// Repairs a store's structures: a new checkpoint whose trees are whole and whose counts are those
// of a recount.
//
// How it works. The newest checkpoint is the base; the older one where that has lost less and the
// journal leads from it to the same state. Damaged nodes are taken out of the trees (isolation.h),
// the journal is applied (journal_repair.h), all references are counted anew, and the store's tree
// gets what differs (store_truth.h). All that is written to new places, made durable, and then the
// superblock slot that is not the base's is written: before that, nothing has happened.
//
// The journal is part of the new checkpoint: the store opens without one.
//
// Not here: what volumes' items mean (lib/volume).
#pragma once

#include <vector>

#include "lib/storage/storage.h"
#include "lib/store/node_walk.h"
#include "lib/store/problem.h"
#include "lib/store/superblock.h"

namespace cowfs {

struct StructureRepair {
  ProblemList mended;
  Superblock superblock;       // of the new checkpoint
  std::vector<LostNode> lost;  // key ranges of volumes that are empty now
};
/// kCorrupted: no volume can be found; nothing was changed.
Result<StructureRepair> repair_structures(Storage& storage);

}  // namespace cowfs
