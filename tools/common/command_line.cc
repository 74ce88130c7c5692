#include "tools/common/command_line.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>

#include "lib/base/arguments.h"
#include "tools/common/message.h"
#include "tools/common/print_text.h"

namespace cowfs {
namespace {

// No argument of a command line holds a NUL, so one in front marks what is to be left as it is.
constexpr char kRawMark = '\0';

/// The arguments, last first, as CLI11 wants them. What follows "--" is marked, and "--" left out:
/// CLI11 would give the rest to the main command once a subcommand has all that it must have.
std::vector<std::string> arguments(int argc, const char* const* argv) {
  std::vector<std::string> out;
  bool raw = false;
  for (int i = 1; i < argc; ++i) {
    std::string argument = argv[i];
    if (!raw && argument == "--") {
      raw = true;
      continue;
    }
    if (raw || argument.starts_with('[')) argument.insert(0, 1, kRawMark);
    out.push_back(std::move(argument));
  }
  std::ranges::reverse(out);
  return out;
}

std::string without_mark(std::string text) {
  std::erase(text, kRawMark);
  return text;
}

/// The subcommand that was being parsed, or the app itself.
const CLI::App& innermost(const CLI::App& app) {
  const auto chosen = app.get_subcommands();
  return chosen.empty() ? app : innermost(*chosen.front());
}

/// CLI11 would take "--flag=false". ("--flag=true" it takes all the same, for "--flag".)
void refuse_values_of_flags(CLI::App& app) {
  for (CLI::Option* option : app.get_options()) {
    if (option->get_items_expected_max() == 0) option->disable_flag_override();
  }
  for (CLI::App* command : app.get_subcommands(nullptr)) refuse_values_of_flags(*command);
}

/// What is wrong with the line: the first argument that nothing takes, else CLI11's own words.
std::string complaint(const CLI::App& app, const CLI::ParseError& error) {
  const auto strange = app.remaining();
  if (strange.empty()) {
    // "--svg: 1 required TEXT missing"
    const std::string text = without_mark(error.what());
    if (text.starts_with("--") && text.ends_with(" missing"))
      return fmt::format("option '{}' needs a value", text.substr(0, text.find(':')));
    if (text.ends_with(" was given a disallowed flag override"))
      return fmt::format("option '--{}' takes no value", text.substr(0, text.find(' ')));
    const bool needs_command = !app.get_subcommands(nullptr).empty();
    return needs_command ? "a command is required" : text;
  }
  if (strange.front().size() > 1 && strange.front().starts_with('-')) {
    return fmt::format("unknown option '{}'", strange.front());
  }
  const std::string first = without_mark(strange.front());
  const bool is_command = app.get_parent() == nullptr && !app.get_subcommands(nullptr).empty();
  return fmt::format("{} '{}'", is_command ? "unknown command" : "unexpected argument", first);
}

std::string full_name(const CLI::App& app) {
  return app.get_parent() == nullptr ? app.get_name()
                                     : full_name(*app.get_parent()) + " " + app.get_name();
}

}  // namespace

void set_help(CLI::App& app, std::string help) {
  app.set_help_flag("-h,--help");
  app.formatter_fn([text = std::move(help)](const CLI::App*, const std::string&,
                                            CLI::AppFormatMode) { return text; });
}

void set_version(CLI::App& app) {
  app.set_version_flag("-V,--version", fmt::format("{} (cowfs) {}", app.get_name(), COWFS_VERSION));
}

std::optional<ExitCode> parse(CLI::App& app, int argc, const char* const* argv) {
  const auto refuse = [&](const std::string& why) {
    print_error(app.get_name(), why);
    print_text(stderr, "Try '{} --help'.\n", full_name(innermost(app)));
    return ExitCode::kUsage;
  };
  if (const auto option = option_without_value(std::vector<std::string>(argv, argv + argc)))
    return refuse(fmt::format("'{}' has nothing behind its '='", *option));
  refuse_values_of_flags(app);
  try {
    app.parse(arguments(argc, argv));
    return std::nullopt;
  } catch (const CLI::CallForHelp&) {
    print_text("{}", innermost(app).help());
  } catch (const CLI::CallForVersion& version) {
    print_text("{}\n", version.what());
  } catch (const CLI::ParseError& error) {
    return refuse(complaint(innermost(app), error));
  }
  return finish_output(app.get_name(), ExitCode::kOk);
}

std::vector<std::string> values(const CLI::Option& positional) {
  std::vector<std::string> out = positional.results();
  std::ranges::transform(out, out.begin(), without_mark);
  return out;
}

std::optional<std::string> value(const CLI::Option& positional) {
  if (positional.count() == 0) return std::nullopt;
  return values(positional).front();
}

}  // namespace cowfs
