#include "tools/common/print_text.h"

#include <fmt/format.h>

#include <string>

namespace cowfs {

void print_formatted(std::FILE* stream, fmt::string_view format, fmt::format_args arguments) {
  const std::string text = fmt::vformat(format, arguments);
  (void)std::fwrite(text.data(), 1, text.size(), stream);
}

}  // namespace cowfs
