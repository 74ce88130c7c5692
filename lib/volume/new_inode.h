// A new inode within a change: owner, group, mode and lists as POSIX and its directory want them.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string_view>

#include "lib/volume/inode_record.h"
#include "lib/volume/volume_change.h"

namespace cowfs {

/// What a new inode is beyond its owner and times.
struct NewInode {
  mode_t mode = 0;  // with its type
  std::uint64_t device = 0;
  std::string_view target = {};  // of a symbolic link: the caller puts it
  bool open = false;
  bool has_name = true;
};

struct AddedInode {
  InodeNumber number{};
  InodeRecord record;
};

/// The caller gives it its name (VolumeChange::add_entry, or add_unnamed).
Result<AddedInode> add_new_inode(VolumeChange& change, Volume& volume,
                                 const RequestContext& context, InodeNumber directory,
                                 const NewInode& what);

}  // namespace cowfs
