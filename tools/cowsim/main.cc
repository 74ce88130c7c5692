// cowsim: simulates pages, copy on write, fork and vfork. The command line; the commands are in
// commands.h.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <charconv>
#include <cstring>
#include <limits>

#include "lib/base/process.h"
#include "tools/common/command_line.h"
#include "tools/common/message.h"
#include "tools/common/print_text.h"
#include "tools/cowsim/commands.h"
#include "tools/cowsim/demos.h"
#include "tools/cowsim/help.h"

namespace cowfs {
namespace {

constexpr std::uint32_t kMostMebibytes = 8192;

CLI::App* add_command(CLI::App& app, const char* name, const char* help) {
  CLI::App* command = app.add_subcommand(name);
  set_help(*command, help);
  return command;
}

struct CommandLine {
  RunOptions run;
  std::string seeds;
  std::string bug;
  std::string quiz_seed = "1";
  bool answers = false;
  bool trace = false;
  std::uint32_t most = 256;
  OracleOptions oracle;
  FileOptions files;
};

void add_picture_options(CLI::App& command, RunOptions& options) {
  command.add_option("--svg", options.svg_directory);
  command.add_option("--html", options.html_file);
}

void add_output_flags(CLI::App& command, RunOptions& options) {
  command.add_flag("--json", options.json);
  command.add_flag("-q,--quiet", options.quiet);
}

/// What a demo would not do: why; empty: nothing.
std::string unsuited(const std::string& name, const CommandLine& line, bool most_given) {
  const RunOptions& run = line.run;
  const bool measures = name == "fork-cost";
  if (measures && line.trace) return "fork-cost measures and has no trace: --trace does not go";
  if (measures && !run.html_file.empty()) return "fork-cost has no steps: --html does not go";
  if (!measures && most_given) return "--most belongs to fork-cost";
  if (!line.trace) return {};
  const char* strange = !run.svg_directory.empty() ? "--svg"
                        : !run.html_file.empty()   ? "--html"
                        : run.json                 ? "--json"
                        : run.quiet                ? "--quiet"
                                                   : nullptr;
  return strange == nullptr ? "" : fmt::format("--trace runs nothing: {} does not go", strange);
}

ExitCode demo(const std::string& name, const CommandLine& line) {
  if (name == "fork-cost") return fork_cost(line.run, line.most);
  if (!line.trace) return run_demo(name, line.run);
  for (const Demo& one : demos()) {
    if (one.name != name) continue;
    print_text("{}", one.trace);
    return finish_output(kCowsim, ExitCode::kOk);
  }
  return run_demo(name, line.run);
}

ExitCode quiz(const CommandLine& line) {
  const std::string& text = line.quiz_seed;
  std::uint64_t seed = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seed);
  if (error == std::errc() && end == text.data() + text.size()) return run_quiz(seed, line.answers);
  print_error(kCowsim, fmt::format("--seed={}: a seed is a number from 0 to {}", text,
                                   std::numeric_limits<std::uint64_t>::max()));
  return ExitCode::kUsage;
}

/// Seeds from the command line; `usual` where none were given. Nothing: they make no sense, which
/// was said.
std::optional<SeedRange> seeds_of(const CommandLine& line, SeedRange usual) {
  if (line.seeds.empty()) return usual;
  const auto parsed = parse_seeds(line.seeds);
  if (parsed) return *parsed;
  print_error(kCowsim, parsed.error().text);
  return std::nullopt;
}

ExitCode usage(const std::string& why) {
  print_error(kCowsim, why);
  return ExitCode::kUsage;
}

int run(int argc, const char* const* argv) {
  CLI::App app("", kCowsim);
  set_help(app, kCowsimHelp);
  set_version(app);
  app.require_subcommand(1);
  CommandLine line;

  CLI::App* run = add_command(app, "run", kRunHelp);
  const CLI::Option* run_path = run->add_option("FILE")->required();
  add_picture_options(*run, line.run);
  add_output_flags(*run, line.run);
  CLI::App* explain = add_command(app, "explain", kExplainHelp);
  const CLI::Option* explain_path = explain->add_option("FILE")->required();
  add_picture_options(*explain, line.run);
  CLI::App* show = add_command(app, "demo", kDemoHelp);
  const CLI::Option* demo_name = show->add_option("NAME")->required();
  add_picture_options(*show, line.run);
  add_output_flags(*show, line.run);
  show->add_flag("--trace", line.trace);
  const CLI::Option* most =
      show->add_option("--most", line.most)->check(CLI::Range(1U, kMostMebibytes));
  CLI::App* ask = add_command(app, "quiz", kQuizHelp);
  ask->add_option("--seed", line.quiz_seed);
  ask->add_flag("--answers", line.answers);
  CLI::App* random = add_command(app, "fuzz", kFuzzHelp);
  random->add_option("--seeds", line.seeds);
  random->add_option("--bug", line.bug);
  CLI::App* kernel = add_command(app, "oracle", kOracleHelp);
  const CLI::Option* oracle_path = kernel->add_option("FILE");
  kernel->add_option("--seeds", line.seeds);
  kernel->add_option("--profile", line.oracle.profile)->check(CLI::IsMember({"linux", "textbook"}));
  kernel->add_flag("--values-only", line.oracle.values_only);
  CLI::Option* strict = kernel->add_flag("--strict", line.oracle.strict);
  kernel->add_flag("--tolerant", line.oracle.tolerant)->excludes(strict);
  kernel->add_flag("--unpinned", line.oracle.unpinned);
  kernel->add_option("--disk", line.oracle.disk);
  kernel->add_option("--bug", line.bug);
  CLI::App* own_faults = add_command(app, "live", kLiveHelp);
  const CLI::Option* live_path = own_faults->add_option("FILE");
  own_faults->add_option("--seeds", line.seeds);
  own_faults->add_option("--bug", line.bug);
  CLI::App* on_files = add_command(app, "fs", kFsHelp);
  const CLI::Option* directory = on_files->add_option("DIR")->required();
  const CLI::Option* files_path = on_files->add_option("FILE");
  on_files->add_option("--seeds", line.seeds);
  on_files->add_option("--fork", line.files.fork)->check(CLI::IsMember({"clone", "volume"}));
  on_files->add_option("--remount", line.files.remount);
  on_files->add_option("--kill", line.files.kill);
  on_files->add_flag("--three-way", line.files.three_way);

  if (const auto code = parse(app, argc, argv)) return to_int(*code);
  const auto text = [](const CLI::Option* option) { return value(*option).value_or(""); };
  if (*run) return to_int(run_file(text(run_path), line.run));
  line.run.words = true;
  if (*explain) return to_int(run_file(text(explain_path), line.run));
  if (*show) {
    const std::string why = unsuited(text(demo_name), line, most->count() > 0);
    return to_int(why.empty() ? demo(text(demo_name), line) : usage(why));
  }
  if (*ask) return to_int(quiz(line));
  const auto seeds = seeds_of(line, *random     ? SeedRange{1, 1000}
                                    : *on_files ? SeedRange{1, 20}
                                                : SeedRange{1, 100});
  if (!seeds) return to_int(usage("--seeds takes a seed or FIRST..LAST"));
  if (*random) return to_int(run_fuzz(*seeds, line.bug));
  const auto bug = bug_named(line.bug);
  if (!bug) return to_int(ExitCode::kUsage);
  line.oracle.bug = *bug;
  line.oracle.seeds = line.files.seeds = *seeds;
  line.oracle.file = text(oracle_path);
  if (*kernel) return to_int(run_oracle(line.oracle));
  if (*own_faults) return to_int(run_live({*seeds, text(live_path), *bug}));
  line.files.directory = text(directory);
  line.files.file = text(files_path);
  return to_int(run_files(line.files, line.oracle));
}

}  // namespace
}  // namespace cowfs

int main(int argc, char** argv) {
  cowfs::begin_process();
  if (argc > 1 && std::strcmp(argv[1], "--oracle-actor") == 0)
    return cowfs::oracle_actor(argc, argv);
  return cowfs::run(argc, argv);
}
