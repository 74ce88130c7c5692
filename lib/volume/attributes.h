// What stat(2) tells of an inode, and what setattr may change of it.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>

#include "lib/base/ids.h"
#include "lib/base/time.h"

namespace cowfs {

struct Attributes {
  InodeNumber inode{};
  mode_t mode = 0;  // type and permissions, as in struct stat
  std::uint32_t link_count = 0;
  uid_t uid = 0;
  gid_t gid = 0;
  std::uint64_t device = 0;  // of a device node
  std::uint64_t size = 0;    // bytes; of a symbolic link its length; of a directory a figure that
                             // grows with its entries
  std::uint64_t blocks = 0;  // of 4 KiB that the file holds, shared ones included, holes not
  Timestamp access_time;     // moves with mtime or by utimensat only, as under noatime
  Timestamp modify_time;
  Timestamp change_time;
  Timestamp birth_time;
};

struct AttributeChange {
  std::optional<mode_t> permissions;  // the lower 12 bits
  std::optional<uid_t> uid;
  std::optional<gid_t> gid;
  std::optional<std::uint64_t> size;
  std::optional<Timestamp> access_time;
  std::optional<Timestamp> modify_time;
  std::optional<Timestamp> change_time;  // the time of the call where absent
  bool drop_privileges = false;          // the kernel asks to clear setuid and setgid bits and file
                                         // capabilities (truncate, chown)
};

/// One entry that readdir gives. `cookie` continues after it.
struct DirectoryEntry {
  std::string_view name;
  InodeNumber inode{};
  mode_t type = 0;  // S_IFMT bits
  std::uint64_t cookie = 0;
};

}  // namespace cowfs
