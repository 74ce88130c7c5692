#include "tools/cowsnap/volume_name.h"

#include <fmt/format.h>

#include "lib/base/ids.h"
#include "tools/common/text.h"

namespace cowfs {

Result<void> check_volume_name(std::string_view name) {
  const char* why = nullptr;
  if (name.empty()) {
    why = "a name has at least one byte";
  } else if (name.size() > kNameLimit) {
    why = "the name is longer than 255 bytes";
  } else if (name == "." || name == ".." || name == ".cowfs") {
    why = "this name is reserved";
  } else if (name.find('/') != std::string_view::npos) {
    why = "a name has no '/'";
  }
  if (why == nullptr) return {};
  return fail(ErrorCode::kInvalidArgument, fmt::format("{}: {}", name.empty() ? "''" : name, why));
}

std::string default_snapshot_name(Timestamp time, unsigned attempt) {
  const std::string name = format_utc(time);
  return attempt < 2 ? name : fmt::format("{}-{}", name, attempt);
}

}  // namespace cowfs
