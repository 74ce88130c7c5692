#include "tools/common/message.h"

#include <fmt/format.h>
#include <string.h>

#include <cerrno>
#include <cstdio>
#include <string>

#include "tools/common/print_text.h"
#include "tools/common/text.h"

namespace cowfs {

void print_error(std::string_view tool, std::string_view text) {
  print_text(stderr, "{}: {}\n", tool, escape_controls(text));
}

void print_error(std::string_view tool, std::string_view what, const Error& error) {
  const std::string_view why = error.text.empty() ? error_code_name(error.code) : error.text;
  print_error(tool, fmt::format("{}: {}", what, why));
}

std::optional<int> flush_stdout() {
  const bool failed_before = std::ferror(stdout) != 0;
  if (std::fflush(stdout) != 0) return errno;
  return failed_before ? std::optional(0) : std::nullopt;
}

ExitCode finish_output(std::string_view tool, ExitCode code) {
  const std::optional<int> failure = flush_stdout();
  if (!failure) return code;
  const char* words = *failure == 0 ? nullptr : ::strerrordesc_np(*failure);
  print_error(tool, fmt::format("standard output: {}", words == nullptr ? "cannot write" : words));
  return ExitCode::kFailed;
}

}  // namespace cowfs
