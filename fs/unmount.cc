#include "fs/unmount.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <thread>

#include "fs/log.h"
#include "fs/mount_table.h"
#include "lib/base/unique_fd.h"

namespace cowfs {

namespace {

constexpr std::chrono::milliseconds kTryInterval{10};
constexpr int kQuietTries = 500;

/// The daemon holds a lock on the store's directory until it has closed the store.
Result<void> wait_for_release(const std::string& store) {
  const UniqueFd directory(::open(store.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!directory) {
    return fail(ErrorCode::kAccessDenied,
                store + ": unmounted, but cannot wait for the store: " + std::strerror(errno));
  }
  for (int tries = 0; tries < kQuietTries; ++tries) {
    if (::flock(directory.get(), LOCK_SH | LOCK_NB) == 0) return {};
    std::this_thread::sleep_for(kTryInterval);
  }
  log_info(store + ": waiting for the daemon (is it mounted in another mount namespace too?)");
  while (::flock(directory.get(), LOCK_SH) != 0) {
    if (errno == EINTR) continue;
    return fail(ErrorCode::kIo,
                store + ": unmounted, but cannot wait for the store: " + std::strerror(errno));
  }
  return {};
}

}  // namespace

Result<void> unmount_and_wait(const Options& options) {
  COWFS_ASSIGN(const std::string mountpoint, path_of_mountpoint(options.mountpoint));
  COWFS_ASSIGN(const std::optional<MountEntry> entry, find_mount(mountpoint));
  if (!entry) return fail(ErrorCode::kInvalidArgument, mountpoint + ": nothing is mounted here");
  if (entry->type != "fuse.cowfs") {
    return fail(ErrorCode::kInvalidArgument,
                mountpoint + ": not a cowfs mount but of type " + entry->type);
  }
  int flags = 0;
  if (options.force) flags |= MNT_FORCE;
  if (options.lazy) flags |= MNT_DETACH;
  COWFS_TRY(unmount(mountpoint, flags));
  if (options.lazy) return {};
  return wait_for_release(entry->source);
}

}  // namespace cowfs
