// The exit codes of cowfs and of its names mount.cowfs and umount.cowfs: those of mount(8).
#pragma once

namespace cowfs {

inline constexpr int kExitOk = 0;
inline constexpr int kExitUsage = 1;  // wrong command line, or not permitted
inline constexpr int kExitSystem =
    2;  // the host failed: no process, no file; the store could not be made durable
inline constexpr int kExitMount =
    32;  // the store or the mount point was refused, or the (un)mount failed

}  // namespace cowfs
