// The help page of cowcp.
#pragma once

namespace cowfs {

inline constexpr char kCowcpHelp[] =
    R"(Usage: cowcp [OPTION]... [-T] SOURCE DEST
       cowcp [OPTION]... SOURCE... DIRECTORY
       cowcp [OPTION]... -t DIRECTORY SOURCE...

Copies files and directories as cp does, by the fastest way that there is: sharing
blocks where the filesystem can, else the fastest real copy; and says which.

How:
  --method=METHOD       auto (the default), clone-tree, clone, copy-range, mmap, read-write
  --reflink[=WHEN]      share blocks: auto (the default), always (or fail), never
  --sparse=WHEN         holes: auto (kept), always (zeros become holes), never
  -j, --jobs=N          copy N files at a time, 1 to 64 (4 unless given; 1 of
                        those above 1 MiB)
  --sync                what was copied is on disk at the end

What:
  -r, -R, --recursive   directories too
  -a, --archive         as -dR --preserve=all
  -d                    as --no-dereference --preserve=links
  -p                    as --preserve=mode,ownership,timestamps
  --preserve[=LIST]     keep mode, ownership, timestamps, links, xattr, all
  --no-preserve=LIST    do not
  -H                    follow symbolic links on the command line
  -L, --dereference     follow all symbolic links
  -P, --no-dereference  follow none
  -l, --link            make hard links instead
  -s, --symbolic-link   make symbolic links instead
  -x, --one-file-system stay on the filesystem
  --attributes-only     no content
  --parents             keep the path of each source below DIRECTORY
  --strip-trailing-slashes  of each source

Where something is already:
  -f, --force           remove what cannot be opened, and try again
  -i, --interactive     ask
  -n, --no-clobber      leave it
  -u, --update          leave it unless it is older
  -b                    as --backup
  --backup[=CONTROL]    move it aside: none, simple, existing, numbered
  -S, --suffix=SUFFIX   of backups, instead of ~
  --remove-destination  remove it first
  -t, --target-directory=DIRECTORY  copy all sources into it
  -T, --no-target-directory  DEST is no directory to copy into

What it says:
  -v, --verbose         each copy
  --debug               the method of each file too, and why no better one
  --stats               a summary at the end
  --json                one JSON object a line
  --progress[=WHEN]     a progress line: auto (on a terminal), always, never
  --help                this page
  --version             the version

Examples:
  cowcp disk.img disk2.img             in no time where blocks can be shared
  cowcp -a project project.copy        a whole tree; inside a cowfs mount one request
  cowcp --debug big /mnt/usb/          which way was taken, and why
)";

}  // namespace cowfs
