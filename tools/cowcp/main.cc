// cowcp: cp for people who care how the copy is made.
#include <sys/resource.h>

#include <clocale>

#include "lib/base/process.h"
#include "tools/common/exit_code.h"
#include "tools/cowcp/attributes.h"
#include "tools/cowcp/backup.h"
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
  // How names are quoted, and the language of errors. All twelve categories are files to open.
  std::setlocale(LC_CTYPE, "");
  std::setlocale(LC_MESSAGES, "");
  Parsed parsed = parse_command_line(argc, argv);
  if (parsed.exit_code) return *parsed.exit_code;
  copy_to_own_backup(parsed.line);
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
  return report.finish() ? code : to_int(ExitCode::kFailed);
}

}  // namespace
}  // namespace cowfs

int main(int argc, char** argv) {
  cowfs::begin_process();
  return cowfs::run(argc, argv);
}
