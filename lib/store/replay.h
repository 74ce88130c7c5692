// Applies one journal record to a store that is being opened.
//
// Through the code that normal operation uses (StoreCore::prepare, apply, apply_volume); a record
// decides nothing, so the same records on the same checkpoint give the same store. The tree lock is
// held exclusively.
#pragma once

#include "lib/journal/record.h"
#include "lib/store/store_core.h"

namespace cowfs {

/// kCorrupted: the record makes no sense, or does not fit what the checkpoint holds.
Result<void> replay_record(StoreCore& core, const JournalRecord& record);

}  // namespace cowfs
