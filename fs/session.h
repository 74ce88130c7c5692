// The connection to the kernel: how it is set up, served and ended.
//
// Settings (each measured, see docs): write-through with the page cache kept, no time limits, the
// kernel's permission checks, KILLPRIV_V2, parallel lookups, readdirplus as the kernel sees fit, 1
// MiB writes, 512 KiB of reading ahead where we may say so, no splice, at most 32 workers.
//
// How it ends: by umount(2) (the kernel writes all dirty pages before), or by a signal: then we
// unmount; where the mount is in use, what mappings hold is flushed and the mount detached.
#pragma once

#include <pthread.h>
#include <functional>
#include <memory>
#include <string>

#include "fs/fuse_compat.h"
#include "fs/mount.h"
#include "fs/options.h"
#include "lib/base/error.h"

namespace cowfs {

class Session {
 public:
  /// Mounts. From then on requests wait to be served. kInvalidArgument, kIo; libfuse has logged
  /// why.
  static Result<std::unique_ptr<Session>> open(Mount& mount, const Options& options);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  /// Serves until the mount is gone. Mount::on_ready runs when the kernel is served. kIo where the
  /// connection broke.
  Result<void> serve();

 private:
  Session(Mount& mount, fuse_session* session) : mount_(mount), session_(session) {}
  int loop();
  void end_by_signal(int signal);
  bool loop_ends() const;
  void leave_loop();
  bool is_connected(int wait_ms) const;
  void disconnect();

  Mount& mount_;
  fuse_session* session_;
  pthread_t serving_thread_{};
  std::atomic<bool> looping_ = false;
  std::atomic<bool> unmounted_ = false;  // by us: what is at the mount point now is not ours
};

}  // namespace cowfs
