// cowcp: cp for people who care how the copy is made.
#include <sys/resource.h>

#include <clocale>

#include "tools/common/exit_code.h"
#include "tools/cowcp/attributes.h"
#include "tools/cowcp/command_line.h"
#include "tools/cowcp/copier.h"
#include "tools/cowcp/progress.h"
#include "tools/cowcp/report.h"
#include "tools/cowcp/sigbus_guard.h"

namespace cowfs {
namespace {

/// A deep tree holds two directories open for each level.
void allow_many_files() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

int run(int argc, const char* const* argv) {
  std::setlocale(LC_ALL, "");
  const Parsed parsed = parse_command_line(argc, argv);
  if (parsed.exit_code) return *parsed.exit_code;
  allow_many_files();
  install_sigbus_guard();
  (void)current_umask();
  const CopyOptions& options = parsed.line.options;
  Report report(options);
  int code = 0;
  {
    std::vector<std::string> sources = parsed.line.operands;
    if (!options.has_target_directory && !sources.empty()) sources.pop_back();
    const Progress progress(options, report, std::move(sources));
    code = Copier(options, report).run(parsed.line.operands);
  }
  if (!report.finish()) {
    report.error("write error");
    return to_int(ExitCode::kFailed);
  }
  return code;
}

}  // namespace
}  // namespace cowfs

int main(int argc, char** argv) { return cowfs::run(argc, argv); }
