#include "fs/auto_unmount.h"

#include <algorithm>
#include <cstdio>
#include <memory>
#include <string>

#include "fs/fuse_compat.h"

namespace cowfs {

namespace {

#if FUSE_VERSION >= FUSE_MAKE_VERSION(3, 17)

/// What fusermount3 says when it is asked without a mount point: of what it misses, or of what it
/// does not know.
std::string answer_of_fusermount() {
  constexpr auto close = [](std::FILE* pipe) { ::pclose(pipe); };
  const std::unique_ptr<std::FILE, decltype(close)> pipe(
      ::popen("LC_ALL=C fusermount3 --auto-unmount 2>&1", "re"));
  std::string text;
  for (int character = 0; pipe && (character = std::getc(pipe.get())) != EOF;) {
    text += static_cast<char>(character);
  }
  return text;
}

bool fusermount_can() {
  const std::string answer = answer_of_fusermount();
  return answer.find("nrecognized option") == std::string::npos &&
         answer.find("not found") == std::string::npos;
}

#else

/// Older ones mount through `fusermount3 -o auto_unmount`, which every version knows.
bool fusermount_can() { return true; }

#endif

}  // namespace

Result<void> check_auto_unmount(const Options& options) {
  const auto& words = options.mount_options;
  if (std::ranges::find(words, "auto_unmount") == words.end() || fusermount_can()) return {};
  return fail(ErrorCode::kNotSupported,
              "-o auto_unmount: the installed fusermount3 cannot do it for this cowfs (it is older "
              "than 3.17 or missing)");
}

}  // namespace cowfs
