// What every change of a volume begins with, and what POSIX takes from a changed file.
#pragma once

#include "lib/store/store.h"
#include "lib/volume/inode_record.h"

namespace cowfs {

/// Whether the volume takes changes: kReadOnly (of the store too), kStale for a volume that was
/// deleted.
Result<void> check_writable(const TreeView& view, const Store& store, VolumeId volume);

/// Whether dropping privileges would change anything of this inode.
bool has_privileges(const InodeRecord& record);

/// Clears what a change of data or owner takes away: setuid; setgid of a file that its group may
/// execute (else it means mandatory locking, and stays); the file capabilities. Changes `record`,
/// which the caller puts, and adds the erases of security.capability to the transaction.
Result<void> drop_privileges(const TreeView& view, Transaction& transaction, VolumeId volume,
                             InodeNumber inode, InodeRecord& record);

}  // namespace cowfs
