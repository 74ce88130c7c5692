// The command line of cowfs under all its names, as values.
//
//   cowfs [OPTIONS] STORE MOUNTPOINT          mount
//   cowfs --unmount MOUNTPOINT                unmount and wait for the store
//   mount.cowfs STORE MOUNTPOINT -fsnv -o …   as mount(8) calls its helpers (mount.fuse.cowfs too)
//   umount.cowfs MOUNTPOINT -flnrv            as umount(8) calls its helpers (umount.fuse.cowfs
//   too)
//
// Words of -o are split in mount_options.h. Not here: looking at the store or the mount point.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "fs/log.h"
#include "lib/base/error.h"

namespace cowfs {

enum class Action {
  kMount,
  kPretendToMount,  // mount -f: everything is checked but nothing is done
  kUnmount,
  kSay,  // --help, --version: `message` goes to stdout
};

struct Options {
  Action action = Action::kMount;
  std::string message;

  std::string store;
  std::string mountpoint;
  bool foreground = false;
  bool debug = false;            // foreground, every request in the log
  bool is_mount_helper = false;  // setuid and devices work for root, as mount(8) says
  bool create = false;           // make the store where it is missing
  std::string log_file;

  // From -o.
  bool read_only = false;
  bool snapshot_directories = true;
  std::string volume = "main";
  std::optional<std::chrono::seconds> commit_interval;  // 1 to 300
  std::optional<std::uint64_t> cache_mib;               // 1 to 65536
  std::optional<std::uint64_t> journal_mib;             // 16 to 65536
  LogLevel log_level = LogLevel::kInfo;
  std::string source_name;  // fsname=; empty: the store's path
  std::string subtype = "cowfs";
  std::vector<std::string> mount_options;  // for the kernel, by way of libfuse

  // Of --unmount.
  bool lazy = false;   // detach now, wait for nobody
  bool force = false;  // end requests under way with an error
};

/// `name` is argv[0]. kInvalidArgument with a text fit for `cowfs: …` where the command line is
/// wrong.
Result<Options> parse_command_line(const std::vector<std::string>& arguments);

}  // namespace cowfs
