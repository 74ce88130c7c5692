#include "fs/options.h"

#include <CLI/CLI.hpp>
#include <optional>
#include <string_view>

#include "fs/fuse_compat.h"
#include "fs/mount_options.h"
#include "lib/base/arguments.h"

namespace cowfs {

namespace {

constexpr const char* kFooter = R"(Mount options (-o, separated by commas):
  ro               write nothing to the store, recovery included
  volume=NAME      mount this volume instead of 'main'
  commit=SECONDS   between background checkpoints, 1 to 300 (default 5)
  journal=MiB      the most that the journal takes of the host, 16 to 65536 (default 1024)
  cache=MiB        for tree nodes, 1 to 65536 (default 64)
  nosnapdir        no .cowfs directories
  allow_other      let other users in; allow_root: root alone
  loglevel=LEVEL   debug, info (default), warning, error
  log=FILE         as --log; of options that contradict each other the last one counts
  fsname=, subtype=, suid, nosuid, dev, nodev, exec, noexec, sync, dirsync, context= …: as for any mount

Exit codes: 0 done; 1 wrong command line; 2 the host failed; 32 store, mount point or unmount refused.)";

std::string version_text() {
  return std::string("cowfs ") + COWFS_VERSION + " (libfuse " + fuse_pkgversion() + ")\n";
}

/// What the command line held, before it is given a meaning.
struct Words {
  std::vector<std::string> mount_options;
  std::string ignored;
  std::optional<std::string> log;
  bool ignored_flag = false;
  bool fake = false;
  bool sloppy = false;
  bool unmount = false;
  bool version = false;
  std::string first;   // STORE, or MOUNTPOINT of --unmount
  std::string second;  // MOUNTPOINT
};

void describe_places(CLI::App& app, Words& words) {
  app.add_option("STORE", words.first, "The store's directory")->type_name("");
  app.add_option("MOUNTPOINT", words.second, "Where to mount it, or what to unmount")
      ->type_name("");
}

void describe_daemon(CLI::App& app, Words& words, Options& options) {
  app.description(
      "Mounts a cowfs store: a copy-on-write filesystem with instant snapshots, kept in a "
      "directory.\n"
      "With --unmount MOUNTPOINT: unmounts it and waits until all is durable.");
  app.footer(kFooter);
  describe_places(app, words);
  app.add_option("-o", words.mount_options, "Mount options, see below")
      ->type_name("OPTION[,…]")
      ->expected(1)
      ->allow_extra_args(false)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  app.add_flag("--create", options.create, "Make the store where it is missing or empty");
  app.add_flag("--unmount", words.unmount,
               "Unmount, and wait until all is durable and the store released");
  app.add_flag("-l,--lazy", options.lazy, "With --unmount: detach now and do not wait");
  app.add_flag("--force", options.force, "With --unmount: end requests under way with an error");
  app.add_flag("-f,--foreground", options.foreground,
               "Stay in the foreground, log to the terminal");
  app.add_flag("-d,--debug", options.debug, "Stay in the foreground and log every request");
  app.add_option("--log", words.log, "Log to a file, not to the system's log")->type_name("FILE");
  app.add_flag("-V,--version", words.version, "Say which version this is");
}

void describe_mount_helper(CLI::App& app, Words& words) {
  app.description("Helper of mount(8) for cowfs; see cowfs --help for the mount options.");
  describe_places(app, words);
  app.add_option("-o", words.mount_options, "Mount options")
      ->type_name("OPTION[,…]")
      ->expected(1)
      ->allow_extra_args(false)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  app.add_flag("-f", words.fake, "Check everything, mount nothing");
  app.add_flag("-s", words.sloppy, "Skip unknown mount options");
  app.add_flag("-n", words.ignored_flag, "No meaning: no mtab is written");
  app.add_flag("-v", words.ignored_flag, "No meaning");
  app.add_option("-N", words.ignored, "No meaning: mount(8) has entered the namespace");
  app.add_option("-t", words.ignored, "No meaning: the type is cowfs");
}

void describe_unmount_helper(CLI::App& app, Words& words, Options& options) {
  app.description("Helper of umount(8) for cowfs: waits until the store is released.");
  app.add_option("MOUNTPOINT", words.first)->type_name("");
  app.add_flag("-f", options.force, "End requests under way with an error");
  app.add_flag("-l", options.lazy, "Detach now and do not wait");
  app.add_flag("-n", words.ignored_flag, "No meaning: no mtab is written");
  app.add_flag("-r", words.ignored_flag, "No meaning");
  app.add_flag("-v", words.ignored_flag, "No meaning");
  app.add_option("-N", words.ignored, "No meaning: umount(8) has entered the namespace");
  app.add_option("-t", words.ignored, "No meaning: the type is cowfs");
}

Error wrong(std::string text) { return {ErrorCode::kInvalidArgument, std::move(text)}; }

/// One line, as `what: why` has to be.
std::string one_line(std::string text) {
  for (char& character : text) {
    if (character == '\n') character = ' ';
  }
  return text;
}

Result<void> take_places(const Words& words, Options& options) {
  const bool unmount = options.action == Action::kUnmount;
  if (words.first.empty() || words.second.empty() != unmount) {
    return fail(wrong(std::string("command line: expected ") +
                      (unmount ? "MOUNTPOINT alone" : "STORE MOUNTPOINT") + "; see --help"));
  }
  if (!unmount) options.store = words.first;
  options.mountpoint = unmount ? words.first : words.second;
  return {};
}

/// What would be ignored is refused.
Result<void> expect_belonging(const Words& words, const Options& options) {
  if (options.action != Action::kUnmount) {
    if (!options.lazy && !options.force) return {};
    return fail(wrong("command line: --lazy and --force belong to --unmount"));
  }
  const char* strange = options.create                 ? "--create"
                        : !words.mount_options.empty() ? "-o"
                        : words.log                    ? "--log"
                        : options.debug                ? "--debug"
                        : options.foreground           ? "--foreground (-f)"
                                                       : nullptr;
  if (strange == nullptr) return {};
  return fail(wrong(std::string("command line: ") + strange + " does not belong to --unmount"));
}

Result<void> give_meaning(const Words& words, Options& options) {
  if (words.version) {
    options.action = Action::kSay;
    options.message = version_text();
    return {};
  }
  if (words.unmount) options.action = Action::kUnmount;
  if (words.fake) options.action = Action::kPretendToMount;
  if (words.log) {
    if (words.log->empty()) return fail(wrong("command line: --log needs a file"));
    options.log_file = *words.log;
  }
  for (const std::string& text : words.mount_options) {
    Result<void> applied = apply_mount_options(options, text, words.sloppy);
    if (!applied) return fail(wrong("-o " + applied.error().text));
  }
  COWFS_TRY(expect_belonging(words, options));
  COWFS_TRY(take_places(words, options));
  if (options.create && options.read_only) {
    return fail(wrong("command line: --create and -o ro exclude each other"));
  }
  if (options.debug) {
    options.foreground = true;
    options.log_level = LogLevel::kDebug;
  }
  return {};
}

}  // namespace

Result<Options> parse_command_line(const std::vector<std::string>& arguments) {
  const std::string_view path = arguments.empty() ? "cowfs" : std::string_view(arguments.front());
  const std::string_view name = path.substr(path.rfind('/') + 1);
  Options options;
  Words words;
  CLI::App app("", "cowfs");
  app.option_defaults()->disable_flag_override();  // "--unmount=false" would mount
  if (name.starts_with("umount.")) {
    options.action = Action::kUnmount;
    describe_unmount_helper(app, words, options);
  } else if (name.starts_with("mount.")) {
    options.is_mount_helper = true;
    describe_mount_helper(app, words);
  } else {
    describe_daemon(app, words, options);
  }
  if (const auto option = option_without_value(arguments))
    return fail(wrong("command line: '" + *option + "' has nothing behind its '='"));
  std::vector<std::string> reversed(arguments.rbegin(), arguments.rend());
  if (!reversed.empty()) reversed.pop_back();
  try {
    app.parse(std::move(reversed));
  } catch (const CLI::CallForHelp&) {
    options.action = Action::kSay;
    options.message = app.help();
    return options;
  } catch (const CLI::ParseError& error) {
    return fail(wrong("command line: " + one_line(error.what())));
  }
  COWFS_TRY(give_meaning(words, options));
  return options;
}

}  // namespace cowfs
