#include "tools/common/message.h"

#include <fmt/format.h>
#include <string.h>

#include <cerrno>
#include <cstdio>
#include <string>

#include "tools/common/text.h"

namespace cowfs {

void print_error(std::string_view tool, std::string_view text) {
  fmt::print(stderr, "{}: {}\n", tool, escape_controls(text));
}

void print_error(std::string_view tool, std::string_view what, const Error& error) {
  const std::string_view why = error.text.empty() ? error_code_name(error.code) : error.text;
  print_error(tool, fmt::format("{}: {}", what, why));
}

ExitCode finish_output(std::string_view tool, ExitCode code) {
  const bool failed_before = std::ferror(stdout) != 0;
  if (std::fflush(stdout) == 0 && !failed_before) return code;
  const char* words = ::strerrordesc_np(errno);
  print_error(tool, fmt::format("standard output: {}", words == nullptr ? "cannot write" : words));
  return ExitCode::kFailed;
}

}  // namespace cowfs
