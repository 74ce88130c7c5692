// Formatted text for a stream, as fmt::print() would write it, which throws where the stream takes
// nothing: a full disk behind stderr would end a tool in the middle of its work.
#pragma once

#include <fmt/core.h>

#include <cstdio>

namespace cowfs {

/// Failures are remembered by the stream alone: std::ferror(), finish_output() (message.h).
void print_formatted(std::FILE* stream, fmt::string_view format, fmt::format_args arguments);

template <typename... Arguments>
void print_text(std::FILE* stream, fmt::format_string<Arguments...> format,
                Arguments&&... arguments) {
  print_formatted(stream, format, fmt::make_format_args(arguments...));
}

/// On stdout.
template <typename... Arguments>
void print_text(fmt::format_string<Arguments...> format, Arguments&&... arguments) {
  print_formatted(stdout, format, fmt::make_format_args(arguments...));
}

}  // namespace cowfs
