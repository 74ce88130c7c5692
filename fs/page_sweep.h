// Makes the kernel hand over what programs have stored through shared mappings.
//
// Everything written by write(2) is with us when that returns; only pages dirtied through a mapping
// are not. They belong to inodes that have an open writer (a mapping keeps its file open), which
// the volume knows.
//
// How: fsync(2) of each such inode on our own mount (mount_syncer.h), because that alone waits for
// all of its pages; the FSYNC request that it ends with is ours and is answered at once. Where we
// may not read the file, the inode's cache is invalidated, which writes dirty pages too.
//
// Never call sweep() from a thread that serves requests, or with a lock held: it waits for WRITE
// requests.
#pragma once

#include <string>
#include <vector>

#include "fs/fuse_compat.h"
#include "fs/mount_syncer.h"
#include "fs/node_id.h"
#include "lib/volume/file_system.h"

namespace cowfs {

class PageSweep {
 public:
  PageSweep(FileSystem& file_system, const NodeIds& nodes, const std::string& mountpoint)
      : file_system_(file_system), nodes_(nodes), syncer_(mountpoint) {}

  void begin(fuse_session* session);
  /// The connection must be served, or dead.
  void end() { syncer_.end(); }

  /// What was dirty in the volume when this was called is with us when it returns.
  void sweep(VolumeId volume);
  void sweep_all();

  /// Whose requests are not a program's.
  MountSyncer& syncer() { return syncer_; }

 private:
  void sweep_inodes(VolumeId volume, const std::vector<InodeNumber>& inodes);

  FileSystem& file_system_;
  const NodeIds& nodes_;
  fuse_session* session_ = nullptr;
  MountSyncer syncer_;
};

}  // namespace cowfs
