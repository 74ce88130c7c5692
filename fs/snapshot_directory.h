// The virtual directory `.cowfs`: every volume at the root of the mount, links in every other
// directory.
//
//   MOUNT/.cowfs/           the volumes; mkdir, rmdir and rename make, delete and rename them
//   MOUNT/.cowfs/NAME       the root of volume NAME (of the mounted volume itself: a link to `..`)
//   MOUNT/DIR/.cowfs/NAME   a link to the path of this very directory in NAME, missing where NAME
//   lacks it
//
//  1. No listing shows the name; nothing else can be called so.
//  2. A `.cowfs`, its entries and its links have timeouts of zero: the kernel asks each time. What
//  lies below
//     MOUNT/.cowfs/NAME is cached without limit like all real files.
//  3. A link says the same as long as it has its node id (link_table.h).
//
// Calls that take a request answer it. Snapshots are answered later, by the flusher.
#pragma once

#include <sys/stat.h>

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "fs/fuse_compat.h"
#include "fs/link_table.h"
#include "fs/node_id.h"
#include "lib/base/error.h"
#include "lib/volume/file_system.h"

namespace cowfs {

class Mount;

class SnapshotDirectory {
 public:
  explicit SnapshotDirectory(Mount& mount) : mount_(mount) {}

  /// The `.cowfs` of a directory, to be answered to a lookup in it.
  fuse_entry_param entry(const Place& directory) const;

  void lookup(fuse_req_t request, const Place& place, std::string_view name);
  /// kStale for a link that the kernel has forgotten.
  Result<struct stat> status(std::uint64_t node, const Place& place);
  void read_link(fuse_req_t request, const Place& place);
  void make(fuse_req_t request, const Place& place, std::string_view name);
  void remove(fuse_req_t request, const Place& place, std::string_view name);
  void rename(fuse_req_t request, const Place& from, std::string_view name, const Place& to,
              std::string_view new_name, unsigned flags);

  /// Entries after `cookie` until `visit` returns false; sorted by volume id, which makes the
  /// cookies.
  struct Entry {
    std::string_view name;
    std::uint64_t node = 0;
    mode_t type = 0;
    std::uint64_t cookie = 0;
  };
  Result<void> list(const Place& place, std::uint64_t cookie,
                    const std::function<bool(const Entry&)>& visit);

  void forget(const Place& place, std::uint64_t count) { links_.forget(place.link, count); }

 private:
  bool is_at_root(const Place& place) const;
  Result<SnapshotLink> link_to(const Place& place, const VolumeInfo& target);
  Result<std::string> target_text(const Place& place, const VolumeInfo& target);
  void reply_link_entry(fuse_req_t request, const SnapshotLink& link);
  void reply_root_entry(fuse_req_t request, VolumeId volume);
  Result<void> check_removable(const VolumeInfo& volume);
  struct stat directory_status(std::uint64_t node) const;
  struct stat link_status(std::uint64_t node, const SnapshotLink& link) const;

  Mount& mount_;
  LinkTable links_;
};

}  // namespace cowfs
