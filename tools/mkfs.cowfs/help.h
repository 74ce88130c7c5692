// The help page of mkfs.cowfs.
#pragma once

namespace cowfs {

inline constexpr const char* kMkfsHelp = R"(Usage: mkfs.cowfs [OPTION]... STORE

Makes a cowfs store: a directory on any host filesystem that cowfs can mount.
STORE is made when it is missing; a directory that holds anything is refused
and left as it is. The store gets mode 0700. It begins with one volume, main,
whose root directory belongs to you and has mode 0755.

      --no-data-checksums
                 keep no checksums of file data: damage to it goes unnoticed
  -q, --quiet    print nothing but errors
      --json     print the answer as JSON
  -h, --help     show this and exit
  -V, --version  show the version and exit

Exit codes: 0 the store is made; 1 it is not, and nothing was left behind;
2 usage error.

Examples:
  mkfs.cowfs ~/store
  cowfs ~/store ~/cow          mount it
  cowfs --unmount ~/cow        unmount it, wait until all is on disk

See mkfs.cowfs(8), cowfs(8), cowsnap(1).
)";

}  // namespace cowfs
