// What the daemon has to say: to the caller's terminal until the mount is ready, then to where the
// options say.
//
// Lines on the terminal are `cowfs: what: why`. Thread-safe once begun.
#pragma once

#include <string>
#include <string_view>

#include "lib/base/error.h"

namespace cowfs {

enum class LogLevel { kDebug, kInfo, kWarning, kError };

/// "debug", "info", "warning", "error"; kInvalidArgument for anything else.
Result<LogLevel> log_level_of(std::string_view name);

/// Begins with the terminal (stderr). Also takes over what libfuse has to say.
void log_to_terminal(LogLevel level);
/// Goes on in a file (appending; made 0600), or in the system's log. kAccessDenied, kIo where a
/// file cannot be opened.
Result<void> log_to_file(const std::string& path, LogLevel level);
void log_to_system(LogLevel level);

void log_debug(std::string_view text);
void log_info(std::string_view text);
void log_warning(std::string_view text);
void log_error(std::string_view text);

}  // namespace cowfs
