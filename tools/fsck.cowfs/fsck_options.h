// The command line of fsck.cowfs, and its exit codes: those of fsck(8).
#pragma once

#include <optional>
#include <string>
#include <variant>

namespace cowfs {

inline constexpr const char* kFsck = "fsck.cowfs";

enum class FsckExit : int {
  kClean = 0,
  kCorrected = 1,
  kLeft = 4,    // problems that were not repaired
  kFailed = 8,  // the check itself did not go
  kUsage = 16,
};

enum class FsckMode { kAsk, kCheckOnly, kSafe, kAll };

struct FsckCommand {
  std::string store;
  FsckMode mode = FsckMode::kAsk;
  bool force = false;
  bool scrub = false;
  bool verbose = false;
  bool json = false;
  std::optional<int> progress_fd;  // 0: a bar for people
};

/// The command, or the exit code where there is nothing more to do.
std::variant<FsckCommand, FsckExit> parse_fsck(int argc, const char* const* argv);

}  // namespace cowfs
