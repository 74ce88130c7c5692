// What is mounted where, as this process sees it; and taking a mount away.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "lib/base/error.h"

namespace cowfs {

struct MountEntry {
  std::string mountpoint;
  std::string type;    // "fuse.cowfs"
  std::string source;  // of cowfs: the store's path
  std::string device;  // "MAJOR:MINOR"
};

/// The uppermost mount at `mountpoint` in the text of /proc/self/mountinfo (proc(5)), escapes
/// undone.
std::optional<MountEntry> find_mount(std::string_view mountinfo, std::string_view mountpoint);
/// The same in this process's table. kIo where that cannot be read.
Result<std::optional<MountEntry>> find_mount(std::string_view mountpoint);

/// Whether any cowfs is mounted that names this source.
bool is_mounted_from(std::string_view mountinfo, std::string_view source);
Result<bool> is_mounted_from(std::string_view source);

/// An absolute path without symbolic links, with no request to what is mounted at its end (which
/// may hang or be dead).
Result<std::string> path_of_mountpoint(const std::string& path);

/// Lets the kernel read ahead at least so far of files below a mount point; false where it may not
/// be told (it takes root).
bool widen_readahead(const std::string& mountpoint, unsigned kib);

/// umount2(2) with these flags, by way of fusermount3 where we may not ourselves. kBusy,
/// kNotPermitted, kInvalidArgument, kIo.
Result<void> unmount(const std::string& mountpoint, int flags);

}  // namespace cowfs
