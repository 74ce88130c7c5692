// From the arguments to CopyOptions and operands. Options work in their order, as in cp: of `-i -n`
// the last one counts, `-a --no-preserve=mode` takes away what -a gave.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "tools/cowcp/options.h"

namespace cowfs {

struct CommandLine {
  CopyOptions options;
  std::vector<std::string> operands;
};

/// Parses; an exit code where there is nothing more to do (help and version were shown, or the line
/// makes no sense, which was told on stderr).
struct Parsed {
  std::optional<int> exit_code;
  CommandLine line;
};
Parsed parse_command_line(int argc, const char* const* argv);

/// Says that the line makes no sense, as cp does, and returns the exit code.
int usage_error(const std::string& text);

}  // namespace cowfs
