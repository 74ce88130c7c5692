// What check_store() and repair_store() have in common.
#pragma once

#include "lib/storage/storage.h"
#include "lib/store/store_truth.h"
#include "lib/volume/volume_check.h"

namespace cowfs {

/// What a check of a volume's items needs to know of the store around it. `store` outlives what is
/// returned.
VolumeFacts facts_of_volume(const StoreFacts& store, const VolumeRecord& record);

/// Opens the store for writing, as a mount does, and closes it: the journal is part of the newest
/// checkpoint then, whose superblock this returns. Over an OverlayStorage it is a trial.
Result<Superblock> recover_store(Storage& storage);

}  // namespace cowfs
