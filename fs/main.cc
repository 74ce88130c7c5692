// cowfs: the daemon that serves a store as a mounted filesystem. Exit codes: exit_codes.h.
#include <fcntl.h>
#include <malloc.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <iterator>
#include <string>
#include <system_error>
#include <vector>

#include "fs/auto_unmount.h"
#include "fs/daemonize.h"
#include "fs/end_watch.h"
#include "fs/exit_codes.h"
#include "fs/log.h"
#include "fs/mount.h"
#include "fs/opening.h"
#include "fs/options.h"
#include "fs/session.h"
#include "fs/unmount.h"
#include "lib/base/process.h"

namespace cowfs {
namespace {

int say(const Error& error, int exit_code) {
  log_error(error.text.empty() ? std::string(error_code_name(error.code)) : error.text);
  return exit_code;
}

/// Few arenas: each would keep its own free memory.
void tame_malloc() {
  ::mallopt(M_ARENA_MAX, 2);
  ::mallopt(M_TRIM_THRESHOLD, 1 << 20);
}

void go_on_logging(const Options& options, const Launch& launch) {
  if (!options.log_file.empty()) {
    const Result<void> opened = log_to_file(options.log_file, options.log_level);
    if (opened) return;
    log_warning(opened.error().text);
  }
  if (launch.is_background()) log_to_system(options.log_level);
}

/// A log file that cannot be written is an error while somebody looks.
Result<void> check_log_file(const Options& options) {
  if (options.log_file.empty()) return {};
  COWFS_TRY(log_to_file(options.log_file, options.log_level));
  log_to_terminal(options.log_level);
  return {};
}

/// For a terminal: "a, b, c", a few of them.
std::string some_names(std::vector<VolumeInfo> volumes) {
  constexpr std::size_t kEnough = 8;
  std::erase_if(volumes, [](const VolumeInfo& volume) { return volume.name.empty(); });  // deleted
  std::string text;
  for (std::size_t i = 0; i < volumes.size() && i < kEnough; ++i) {
    if (i > 0) text += ", ";
    std::ranges::replace_copy_if(
        volumes[i].name, std::back_inserter(text),
        [](char character) { return static_cast<unsigned char>(character) < ' '; }, '?');
  }
  return volumes.size() > kEnough ? text + ", ..." : text;
}

/// `main` may have been renamed or deleted: the error says what else can be asked for.
Result<VolumeInfo> volume_to_mount(const Options& options, const Store& store) {
  Result<VolumeInfo> volume = store.find_volume(options.volume);
  if (volume) return volume;
  return fail(volume.error().code,
              options.store + ": no volume '" + options.volume +
                  "' in it; with -o volume= there are: " + some_names(store.list_volumes()));
}

Result<MountSettings> settings_of(const Options& options, Store& store) {
  COWFS_ASSIGN(const VolumeInfo volume, volume_to_mount(options, store));
  MountSettings settings;
  settings.volume = volume.id;
  settings.mountpoint = options.mountpoint;
  settings.owner_uid = ::getuid();
  settings.owner_gid = ::getgid();
  settings.snapshot_directories = options.snapshot_directories;
  settings.read_only = options.read_only;
  return settings;
}

Result<void> serve(FileSystem& file_system, const Options& options, Launch& launch) {
  COWFS_ASSIGN(MountSettings settings, settings_of(options, file_system.store()));
  Mount mount(file_system, std::move(settings), [&] {
    go_on_logging(options, launch);
    log_info(options.store + ": mounted at " + options.mountpoint);
    launch.ready();
  });
  COWFS_ASSIGN(const auto session, Session::open(mount, options));
  return session->serve();
}

/// What the store says of itself does not name it.
Error error_of_store(const Options& options, Error error) {
  if (!error.text.starts_with(options.store)) error.text = options.store + ": " + error.text;
  if (error.code == ErrorCode::kCorrupted) error.text += "; see fsck.cowfs(8)";
  return error;
}

int mount_store(Options& options) {
  if (const Result<void> settled = settle_paths(options); !settled) {
    return say(settled.error(), kExitMount);
  }
  if (const Result<void> possible = check_auto_unmount(options); !possible) {
    return say(possible.error(), kExitUsage);
  }
  if (options.action == Action::kPretendToMount) return kExitOk;
  if (const Result<void> writable = check_log_file(options); !writable) {
    return say(writable.error(), kExitSystem);
  }
  Result<Launch> launch = options.foreground ? Launch::in_foreground() : Launch::in_background();
  if (!launch) return say(launch.error(), kExitSystem);
  Result<std::unique_ptr<FileSystem>> file_system = open_file_system(options);
  if (!file_system) return say(error_of_store(options, file_system.error()), kExitMount);
  const Result<void> served = serve(**file_system, options, *launch);
  const Result<void> closed = (*file_system)->close();
  if (!served) say(served.error(), kExitMount);
  if (!closed) return say(closed.error(), kExitSystem);
  if (!served) return kExitMount;
  log_info(options.store + ": unmounted, all is durable");
  return kExitOk;
}

int unmount_store(const Options& options) {
  const Result<void> done = unmount_and_wait(options);
  if (!done) return say(done.error(), kExitMount);
  return kExitOk;
}

int run(const std::vector<std::string>& arguments) {
  log_to_terminal(LogLevel::kInfo);
  Result<Options> options = parse_command_line(arguments);
  if (!options) return say(options.error(), kExitUsage);
  if (options->action == Action::kSay) {
    std::fputs(options->message.c_str(), stdout);
    return kExitOk;
  }
  log_to_terminal(options->log_level);
  if (options->action == Action::kUnmount) return unmount_store(*options);
  tame_malloc();
  block_end_signals();
  try {
    return mount_store(*options);
  } catch (const std::system_error& error) {
    const bool of_thread = error.code() == std::errc::resource_unavailable_try_again;
    return say(
        {ErrorCode::kIo, (of_thread ? "cannot begin a thread: " : "") + std::string(error.what())},
        kExitSystem);
  }
}

}  // namespace
}  // namespace cowfs

int main(int argc, char** argv) {
  cowfs::begin_process();
  return cowfs::run(std::vector<std::string>(argv, argv + argc));
}
