// The links in `.cowfs` directories that the kernel knows: number to target.
//
// A link's node id has no room for the directory that it is in and the volume that it leads to, so
// they are numbered while the kernel remembers them. The same link with the same target keeps its
// number; a link whose directory was renamed gets another one, so that the kernel may cache what a
// number says.
//
// Locks: its own, a leaf.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <unordered_map>
#include <vector>

#include "lib/base/error.h"
#include "lib/base/ids.h"
#include "lib/base/mutex.h"

namespace cowfs {

struct SnapshotLink {
  VolumeId volume{};         // in which the link is
  InodeNumber directory{};   // whose `.cowfs` it is in
  VolumeId target_volume{};  // to which it leads
  std::string target;        // what readlink says

  friend auto operator<=>(const SnapshotLink&, const SnapshotLink&) = default;
};

class LinkTable {
 public:
  /// The link's number; counts one lookup. kNoSpace when all numbers are taken.
  Result<std::uint32_t> remember(const SnapshotLink& link);
  void forget(std::uint32_t number, std::uint64_t count);
  /// kStale for a number that is not in use.
  Result<SnapshotLink> find(std::uint32_t number);
  std::size_t size();

 private:
  struct Entry {
    std::map<SnapshotLink, std::uint32_t>::iterator link;
    std::uint64_t lookups = 0;
  };

  Mutex mutex_;
  std::map<SnapshotLink, std::uint32_t> numbers_ COWFS_GUARDED_BY(mutex_);
  std::unordered_map<std::uint32_t, Entry> entries_ COWFS_GUARDED_BY(mutex_);
  std::vector<std::uint32_t> free_numbers_ COWFS_GUARDED_BY(mutex_);
  std::uint32_t next_number_ COWFS_GUARDED_BY(mutex_) = 0;
};

}  // namespace cowfs
