// Volume::sync: what one file needs to survive a power cut.
//
// Blocks that were overwritten in place are made durable object by object, without the journal: an
// fdatasync after overwriting costs one sync of one object. All else (new blocks, sizes, names) is
// in the journal, whose flush brings the data of new blocks along.

#include "lib/volume/inode_table.h"
#include "lib/volume/volume.h"

namespace cowfs {

Result<void> Volume::sync(InodeNumber inode, bool data_only) {
  if (store_.read_only()) return {};
  const InodeHandle handle = inodes_->lock_handle(inode);
  UnsyncedData::Pending pending = handle->unsynced.pending();
  for (const auto& [object, write] : pending.overwritten) COWFS_TRY(store_.sync_data(object));
  if (pending.sequence == 0) {
    // Whatever was done before this file was opened: the store knows which data it left unsynced.
    pending.sequence = store_.last_sequence();
    COWFS_TRY(store_.sync_left_behind());
  } else {
    COWFS_TRY(store_.sync_records(data_only ? pending.sequence : store_.last_sequence()));
  }
  handle->unsynced.synced(pending);
  return {};
}

}  // namespace cowfs
