// The exit codes of all cowfs tools but fsck.cowfs, in one table; the man pages repeat it.
#pragma once

namespace cowfs {

enum class ExitCode : int {
  kOk = 0,
  kFailed = 1,    // nothing of what was asked for was done; the reason is on stderr
  kUsage = 2,     // the command line makes no sense; nothing was tried
  kNotHere = 77,  // cowsim: it cannot be tried on this system; the reason is on stderr
  kPartial =
      3,  // some of several things were done, others not; each of those has its line on stderr
};

constexpr int to_int(ExitCode code) { return static_cast<int>(code); }

}  // namespace cowfs
