// A small store with one of everything, as bytes: what targets damage, and what seeds are cut from.
#pragma once

#include "lib/storage/memory_storage.h"
#include "lib/store/store.h"

namespace cowfs::fuzz {

/// Without threads of its own, so that a run depends on its input alone.
StoreOptions quiet_options();

/// Two volumes, a snapshot; directories, links, attributes and access control lists, small and
/// large files, clones, a file that was being deleted and one whose tree was being copied. Made
/// once.
const ArraySet& closed_store();
/// The same, killed a little later: what came since the last checkpoint is in the journal.
const ArraySet& killed_store();

}  // namespace cowfs::fuzz
