// What each command of cowsim does, once the command line is understood. Every one prints its
// answer and its errors, and returns the exit code.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "lib/base/error.h"
#include "lib/sim/fuzz.h"
#include "lib/sim/settings.h"
#include "lib/sim/trace.h"
#include "tools/common/exit_code.h"

namespace cowfs {

inline constexpr const char* kCowsim = "cowsim";
// bytes of a page of the kernel, where cowsim is compared with it
inline constexpr std::uint64_t kPage = 4096;

struct RunOptions {
  bool json = false;
  bool quiet = false;
  std::string svg_directory;  // pictures of `snapshot` lines go there
  std::string html_file;
  bool words = false;  // explain
};

struct SeedRange {
  std::uint64_t first = 1;
  std::uint64_t last = 100;
};

/// "7" or "1..100".
Result<SeedRange> parse_seeds(const std::string& text);

/// The text of a file; "-" is standard input.
Result<std::string> read_text(const std::string& path);
Result<void> write_text(const std::string& path, const std::string& text);

ExitCode run_file(const std::string& path, const RunOptions& options);
ExitCode run_demo(const std::string& name, const RunOptions& options);
ExitCode run_quiz(std::uint64_t seed, bool answers);
ExitCode run_fuzz(const SeedRange& seeds, const std::string& bug);
ExitCode fork_cost(const RunOptions& options, std::uint32_t most_mebibytes);

struct OracleOptions {
  SeedRange seeds;
  std::string profile = "linux";
  bool values_only = false;
  std::string why_values_only;
  bool strict = false;    // the kernel may never choose
  bool tolerant = false;  // it may, also where it has no reason
  bool unpinned = false;  // not bound to one processor
  std::string disk;       // a directory on a disk filesystem for half of the files
  std::string file;       // a trace instead of seeds
  sim::SeededBug bug = sim::SeededBug::kNone;  // planted in the simulator, to be found
};
ExitCode run_oracle(const OracleOptions& options);
/// What `cowsim oracle` starts anew for exec; nobody else calls it.
int oracle_actor(int argc, const char* const* argv);

struct LiveOptions {
  SeedRange seeds;
  std::string file;
  sim::SeededBug bug = sim::SeededBug::kNone;
};
ExitCode run_live(const LiveOptions& options);

/// The mistake of a name; "": none. Nothing: there is none of that name, which was said.
std::optional<sim::SeededBug> bug_named(const std::string& name);

struct FileOptions {
  std::string directory;
  SeedRange seeds;
  std::string fork = "clone";
  std::string remount;  // commands of the shell
  std::string kill;
  std::string file;
  bool three_way = false;  // on processes as well
};
/// `kernel`: how, where the traces run on processes as well.
ExitCode run_files(const FileOptions& options, const OracleOptions& kernel);

/// Prints why a comparison could not be made.
ExitCode cannot(const Error& error);
/// Compares the trace in a file with something and prints the verdict. `compare` says what differs;
/// empty: all agree, and then what the trace expects must hold too.
ExitCode compare_file(const std::string& path,
                      const std::function<Result<std::string>(const sim::Trace&)>& compare);

/// Prints "seed N: why" and the trace that shows it, which can be run again.
void print_failing_trace(std::uint64_t seed, const std::string& why,
                         const sim::MachineSettings& settings,
                         const std::vector<sim::Operation>& operations);

}  // namespace cowfs
