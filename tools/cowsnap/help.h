// The help pages of cowsnap and of each of its commands.
#pragma once

namespace cowfs {

inline constexpr const char* kCowsnapHelp = R"(Usage: cowsnap COMMAND [OPTION]... PATH [NAME]...

Snapshots and forks of a mounted cowfs. PATH is any file or directory inside
the mount; a command works on the volume that PATH lies in.

Commands:
  create PATH [NAME]      take a snapshot: read-only, never changes
  fork PATH NAME          make a fork: writable, shares all until written
  list PATH               show all volumes of the store
  rename PATH NAME NEW    give a volume another name
  delete PATH NAME...     delete volumes; their space comes back in the
                          background
  sync PATH               wait until everything done so far is on disk

  -h, --help     show this (after a COMMAND: its page) and exit
  -V, --version  show the version and exit

Volumes are seen at MOUNTPOINT/.cowfs/NAME. All but list and sync ask for
root or the owner of the mount.

Exit codes: 0 done; 1 failed; 2 usage error; 3 some done, some failed.

Examples:
  cowsnap create ~/cow before-upgrade
  ls ~/cow/.cowfs/before-upgrade/
  cowsnap fork ~/cow experiment
  cowsnap delete ~/cow before-upgrade

See cowsnap(1), cowfs(8).
)";

inline constexpr const char* kCreateHelp = R"(Usage: cowsnap create [OPTION]... PATH [NAME]

Takes a snapshot of the volume that PATH lies in and prints its name. It holds
everything that was written before, in all of the volume, and never changes.
NAME is 1 to 255 bytes without '/', not '.', '..' or '.cowfs'; without it, the
snapshot is named by the time in UTC, like 2026-02-28T13:14:15Z (a second one
of the same second gets -2 at its end, and so on).

  -q, --quiet  do not print the name
      --json   print the snapshot as JSON
  -h, --help   show this and exit

Examples:
  cowsnap create ~/cow
  cowsnap create ~/cow before-upgrade
  cowsnap create ~/cow/.cowfs/experiment tuesday    of the fork experiment
)";

inline constexpr const char* kForkHelp = R"(Usage: cowsnap fork [OPTION]... PATH NAME

Makes a writable fork of the volume (or snapshot) that PATH lies in and prints
its name. It is at MOUNTPOINT/.cowfs/NAME/, and can be mounted in place of main
with cowfs -o volume=NAME. Neither sees what is written to the other.
NAME is 1 to 255 bytes without '/', not '.', '..' or '.cowfs'.

  -q, --quiet  do not print the name
      --json   print the fork as JSON
  -h, --help   show this and exit

Examples:
  cowsnap fork ~/cow experiment
  cowsnap fork ~/cow/.cowfs/before-upgrade rescue   of a snapshot
)";

inline constexpr const char* kListHelp = R"(Usage: cowsnap list [OPTION]... PATH

Shows all volumes of the store that PATH lies in, oldest first: name, kind
(main, snapshot or fork), the volume it was made from, and when, in UTC. In
names, blanks, control characters and backslashes are escaped, as \040 or \n.

      --json   print the list as JSON
  -h, --help   show this and exit

Examples:
  cowsnap list ~/cow
  cowsnap list --json ~/cow | jq -r '.volumes[].name'
)";

inline constexpr const char* kRenameHelp = R"(Usage: cowsnap rename PATH NAME NEW

Gives the volume NAME of the store that PATH lies in the name NEW: 1 to 255
bytes without '/', not '.', '..' or '.cowfs'.

  -h, --help   show this and exit

Example:
  cowsnap rename ~/cow 2026-02-28T13:14:15Z before-upgrade
)";

inline constexpr const char* kDeleteHelp = R"(Usage: cowsnap delete PATH NAME...

Deletes volumes of the store that PATH lies in: snapshots, and forks with all
that was written to them. There is no way back. The names go at once; space
that only they held comes back in the background. Files that are open in a
deleted volume can be read until they are closed. The mounted volume cannot be
deleted.

  -h, --help   show this and exit

Examples:
  cowsnap delete ~/cow before-upgrade experiment
  cowsnap delete ~/cow -- -odd-name
)";

inline constexpr const char* kSyncHelp = R"(Usage: cowsnap sync PATH

Returns when everything that was done before in the store that PATH lies in,
in all volumes, is on disk. (Changes made through a mapping of a file are
there after msync(2).)

  -h, --help   show this and exit
)";

}  // namespace cowfs
