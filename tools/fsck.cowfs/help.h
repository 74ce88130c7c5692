// The help page of fsck.cowfs.
#pragma once

namespace cowfs {

inline constexpr const char* kFsckHelp = R"(Usage: fsck.cowfs [OPTION]... STORE

Checks a cowfs store, and repairs one that is not mounted. A store that was
unmounted and has no damage in its superblock is not looked at further
without -f. A store whose daemon was killed needs no repair: the next mount
recovers it, and a check looks at what that would give. Of a mounted store a
checkpoint is checked, which its daemon holds for that time; with --scrub its
data, too.

  -n               check only: nothing in the store is changed
  -p, -a           repair without a question what loses nothing (counts, leaks)
  -y               repair all; what is lost for good is said
  -f, --force      check a store that was unmounted, too
      --scrub      read all file data and hold it against its checksums
  -C, --progress [FD]
                   show a bar; with FD above 0, an open descriptor: lines
                   "STAGE DONE TOTAL" there
  -v, --verbose    say what was looked at
      --json       print the answer as JSON
  -h, --help       show this and exit
  -V, --version    show the version and exit

Without -n, -p and -y it asks before it repairs, on a terminal; else as -n.

Exit codes: 0 no problem; 1 problems, all repaired; 4 problems left; 8 the
check itself failed (no store, in use, host error); 16 usage error.

Examples:
  fsck.cowfs -f ~/store          check, and ask before a repair
  fsck.cowfs -fn --scrub ~/store read everything, change nothing
  fsck.cowfs -fy ~/store         repair

See fsck.cowfs(8), fsck(8), cowfs(8).
)";

}  // namespace cowfs
