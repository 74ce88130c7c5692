// How a tool speaks to its user: errors as `tool: what: why` on stderr, answers on stdout.
//
// Bytes that could disturb a terminal (from names and paths) are escaped in every message.
#pragma once

#include <optional>
#include <string_view>

#include "lib/base/error.h"
#include "tools/common/exit_code.h"

namespace cowfs {

/// "tool: text" on stderr, control characters escaped.
void print_error(std::string_view tool, std::string_view text);

/// "tool: what: why", `why` being the error's text, or the name of its code where it has none.
void print_error(std::string_view tool, std::string_view what, const Error& error);

/// Sends out what stdout holds. Nothing where it took all; else why not: an errno, or 0 where that
/// is not known (an earlier write failed).
std::optional<int> flush_stdout();

/// Sends the buffered answer out. kFailed, with a message, where stdout cannot take it (a full
/// disk), so that no script takes half an answer for a whole one; `code` otherwise.
ExitCode finish_output(std::string_view tool, ExitCode code);

}  // namespace cowfs
