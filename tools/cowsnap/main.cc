// cowsnap: snapshots and forks of a mounted cowfs. The command line; the commands are in
// commands.h.
#include <CLI/CLI.hpp>

#include "lib/base/process.h"
#include "tools/common/command_line.h"
#include "tools/cowsnap/commands.h"
#include "tools/cowsnap/help.h"

namespace cowfs {
namespace {

struct Command {
  CLI::App* app;
  const CLI::Option* path;
};

Command add_command(CLI::App& app, const char* name, const char* help) {
  CLI::App* command = app.add_subcommand(name);
  set_help(*command, help);
  return {command, command->add_option("PATH")->required()};
}

void add_output_flags(CLI::App& command, Output& output) {
  command.add_flag("-q,--quiet", output.quiet);
  command.add_flag("--json", output.json);
}

int run(int argc, const char* const* argv) {
  CLI::App app("", kCowsnap);
  set_help(app, kCowsnapHelp);
  set_version(app);
  app.require_subcommand(1);
  Output output;

  const Command create = add_command(app, "create", kCreateHelp);
  const CLI::Option* create_name = create.app->add_option("NAME");
  add_output_flags(*create.app, output);

  const Command fork = add_command(app, "fork", kForkHelp);
  const CLI::Option* fork_name = fork.app->add_option("NAME")->required();
  add_output_flags(*fork.app, output);

  const Command list = add_command(app, "list", kListHelp);
  list.app->add_flag("--json", output.json);

  const Command rename = add_command(app, "rename", kRenameHelp);
  const CLI::Option* old_name = rename.app->add_option("NAME")->required();
  const CLI::Option* new_name = rename.app->add_option("NEW")->required();

  const Command remove = add_command(app, "delete", kDeleteHelp);
  const CLI::Option* names = remove.app->add_option("NAME")
                                 ->required()
                                 ->expected(1, CLI::detail::expected_max_vector_size)
                                 ->allow_extra_args();

  const Command sync = add_command(app, "sync", kSyncHelp);

  if (const auto code = parse(app, argc, argv)) return to_int(*code);

  const auto path_of = [](const Command& command) { return *value(*command.path); };
  ExitCode code = ExitCode::kUsage;
  if (*create.app) {
    code = create_volume(path_of(create), api::Kind::kSnapshot, value(*create_name), output);
  } else if (*fork.app) {
    code = create_volume(path_of(fork), api::Kind::kFork, value(*fork_name), output);
  } else if (*list.app) {
    code = list_volumes(path_of(list), output);
  } else if (*rename.app) {
    code = rename_volume(path_of(rename), *value(*old_name), *value(*new_name));
  } else if (*remove.app) {
    code = delete_volumes(path_of(remove), values(*names));
  } else if (*sync.app) {
    code = sync_store(path_of(sync));
  }
  return to_int(code);
}

}  // namespace
}  // namespace cowfs

int main(int argc, char** argv) {
  cowfs::begin_process();
  return cowfs::run(argc, argv);
}
