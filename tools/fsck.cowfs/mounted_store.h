// A store that a daemon owns, looked at beside it: the daemon holds a checkpoint for us as long as
// this lives.
#pragma once

#include <memory>
#include <string>

#include "lib/base/unique_fd.h"
#include "lib/storage/host_storage.h"
#include "lib/volume/fsck.h"

namespace cowfs {

struct MountedStore {
  std::string mount_point;
  std::unique_ptr<HostStorage> storage;  // for reading
  bool read_only = false;  // the mount changes nothing: the whole store can be read as it is
  std::string superblock;  // of the checkpoint that is held; empty where read_only
  UniqueFd descriptor;     // holds it
};

/// kNotFound: no mount of it is known here. kNotPermitted: the caller is neither the mount's owner
/// nor root.
Result<MountedStore> look_beside_mount(const std::string& store);

/// Whether the daemon, which may have overwritten a block since the checkpoint that it holds, finds
/// it damaged.
Result<bool> is_damaged_in_mount(const MountedStore& mounted, const SuspectBlock& block);

}  // namespace cowfs
