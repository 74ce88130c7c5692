#include "tools/cowcp/command_line.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <map>
#include <set>

#include "tools/common/message.h"
#include "tools/common/print_text.h"
#include "tools/cowcp/help.h"
#include "tools/cowcp/quote.h"

namespace cowfs {
namespace {

constexpr unsigned kMaxJobs = 64;

/// Thrown by what reads an option's value, caught in parse_command_line() alone: CLI11's own way.
struct BadValue {
  std::string text;
};

/// One word of a fixed list, or an unambiguous beginning of one. Words of a row mean the same.
using Words = std::vector<std::vector<std::string>>;

std::string complaint(const char* kind, std::string_view value, std::string_view option,
                      const Words& words) {
  std::string text =
      fmt::format("{} argument {} for {}\nValid arguments are:", kind, quote(value), quote(option));
  for (const auto& row : words) {
    text += "\n  - ";
    for (std::size_t i = 0; i < row.size(); ++i) text += (i == 0 ? "" : ", ") + quote(row[i]);
  }
  return text;
}

std::size_t choose(std::string_view value, std::string_view option, const Words& words) {
  std::optional<std::size_t> found;
  bool ambiguous = false;
  for (std::size_t row = 0; row < words.size(); ++row) {
    for (const std::string& word : words[row]) {
      if (word == value) return row;
      if (!word.starts_with(value)) continue;
      ambiguous = ambiguous || (found && *found != row);
      found = row;
    }
  }
  if (found && !ambiguous) return *found;
  throw BadValue{complaint(ambiguous ? "ambiguous" : "invalid", value, option, words)};
}

When choose_when(std::string_view value, std::string_view option) {
  static const Words reflink{{"auto"}, {"always"}, {"never"}};
  static const Words sparse{{"never"}, {"auto"}, {"always"}};
  if (option != "--sparse") return static_cast<When>(choose(value, option, reflink));
  constexpr When kMeaning[] = {When::kNever, When::kAuto, When::kAlways};
  return kMeaning[choose(value, option, sparse)];
}

Backup choose_backup(std::string_view value, std::string_view source) {
  static const Words words{
      {"none", "off"}, {"simple", "never"}, {"existing", "nil"}, {"numbered", "t"}};
  return static_cast<Backup>(choose(value, source, words));
}

Method choose_method(std::string_view value) {
  static const Words words{{"auto"},       {"clone-tree"}, {"clone"},
                           {"copy-range"}, {"mmap"},       {"read-write"}};
  return static_cast<Method>(choose(value, "--method", words));
}

/// What -b and --backup mean without a word: the environment says, as for cp.
Backup usual_backup() {
  const char* control = std::getenv("VERSION_CONTROL");
  if (control == nullptr || *control == '\0') return Backup::kExisting;
  return choose_backup(control, "$VERSION_CONTROL");
}

void preserve_list(std::string_view list, std::string_view option, bool on, Preserve& preserve) {
  static const Words words{{"mode"},    {"timestamps"}, {"ownership"}, {"links"},
                           {"context"}, {"xattr"},      {"all"}};
  for (std::size_t begin = 0; begin <= list.size();) {
    const std::size_t end = std::min(list.find(',', begin), list.size());
    const std::size_t word = choose(list.substr(begin, end - begin), option, words);
    const bool all = word == 6;
    if (word == 0 || all) preserve.mode = on, preserve.no_mode = !on;
    if (word == 1 || all) preserve.timestamps = on;
    if (word == 2 || all) preserve.ownership = on;
    if (word == 3 || all) preserve.links = on;
    if (word == 4 && on) {
      throw BadValue{"cannot preserve security context without an SELinux-enabled kernel"};
    }
    if (word == 5 || all) preserve.attributes = on;
    if (word == 5) preserve.attributes_required = on;
    begin = end + 1;
  }
}

void archive(CopyOptions& options) {
  options.dereference = Dereference::kNever;
  options.recursive = true;
  Preserve& preserve = options.preserve;
  preserve.mode = preserve.ownership = preserve.timestamps = preserve.links = preserve.attributes =
      true;
  preserve.mode_required = true;
}

void preserve_usual(Preserve& preserve) {
  preserve.mode = preserve.ownership = preserve.timestamps = preserve.mode_required = true;
}

/// An app with cp's options and ours. Each is a flag or takes a value; what it does is run in the
/// order of the command line after parsing.
class Parser {
 public:
  Parser() : app_("", kCowcp) { declare(); }

  CommandLine parse(int argc, const char* const* argv) {
    app_.parse(arguments(argc, argv));
    std::map<const CLI::Option*, std::size_t> seen;
    for (const CLI::Option* option : app_.parse_order()) {
      const auto action = actions_.find(option);
      if (action == actions_.end()) continue;
      action->second(option->results()[seen[option]++]);
    }
    for (const std::string& operand : operands_->results())
      line_.operands.push_back(operand.substr(1));
    finish();
    return std::move(line_);
  }

 private:
  using Action = std::function<void(const std::string&)>;
  using OptionalAction = std::function<void(const std::optional<std::string>&)>;

  /// A flag; `--name=value` is for with_optional() alone.
  void flag(const std::string& names, const Action& action) {
    actions_[app_.add_flag(names)->disable_flag_override()] = action;
  }
  /// `--name` or `--name=value`; the action gets nothing for the first. A value that was given has
  /// a NUL in front (arguments()), so that an empty one is one too.
  void with_optional(const std::string& name, const OptionalAction& action) {
    const CLI::Option* option = app_.add_flag(name + "{}");
    optional_values_.insert(option);
    actions_[option] = [action](const std::string& text) {
      action(text.empty() ? std::nullopt : std::optional<std::string>(text.substr(1)));
    };
  }
  void with_value(const std::string& names, const Action& action) {
    actions_[app_.add_option(names)
                 ->allow_extra_args(false)
                 ->take_all()
                 ->type_size(1)
                 ->expected(1)
                 ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)] = action;
  }

  void declare() {
    app_.formatter_fn([](const CLI::App*, const std::string&, CLI::AppFormatMode) {
      return std::string(kCowcpHelp);
    });
    app_.set_help_flag("--help");
    app_.set_version_flag("--version", fmt::format("{} (cowfs) {}", kCowcp, COWFS_VERSION));
    operands_ = app_.add_option("FILE")
                    ->expected(0, CLI::detail::expected_max_vector_size)
                    ->allow_extra_args();
    declare_what();
    declare_existing();
    declare_ours();
  }
  void declare_what();
  void declare_existing();
  void declare_ours();
  void finish();

  std::vector<std::string> arguments(int argc, const char* const* argv) const;
  std::string whole_name(const std::string& argument) const;

  CLI::App app_;
  CLI::Option* operands_ = nullptr;
  std::map<const CLI::Option*, Action> actions_;
  std::set<const CLI::Option*> optional_values_;
  CommandLine line_;
  bool dereference_given_ = false;
  bool backup_given_ = false;
};

void Parser::declare_what() {
  CopyOptions& o = line_.options;
  const auto dereference = [this](Dereference how) {
    line_.options.dereference = how;
    dereference_given_ = true;
  };
  flag("-a,--archive", [=, &o](auto&) { archive(o), dereference(Dereference::kNever); });
  flag("-r,-R,--recursive", [&o](auto&) { o.recursive = true; });
  flag("-d", [=, &o](auto&) { o.preserve.links = true, dereference(Dereference::kNever); });
  flag("-L,--dereference", [=](auto&) { dereference(Dereference::kAlways); });
  flag("-P,--no-dereference", [=](auto&) { dereference(Dereference::kNever); });
  flag("-H", [=](auto&) { dereference(Dereference::kCommandLine); });
  flag("-p", [&o](auto&) { preserve_usual(o.preserve); });
  with_optional("--preserve", [&o](const std::optional<std::string>& list) {
    if (!list) return preserve_usual(o.preserve);
    preserve_list(*list, "--preserve", true, o.preserve);
    o.preserve.mode_required = true;
  });
  with_value("--no-preserve", [&o](const std::string& list) {
    preserve_list(list, "--no-preserve", false, o.preserve);
  });
  flag("--attributes-only", [&o](auto&) { o.attributes_only = true; });
  flag("-l,--link", [&o](auto&) { o.hard_link = true; });
  flag("-s,--symbolic-link", [&o](auto&) { o.symbolic_link = true; });
  flag("-x,--one-file-system", [&o](auto&) { o.one_file_system = true; });
  flag("--parents", [&o](auto&) { o.parents = true; });
  flag("--strip-trailing-slashes", [&o](auto&) { o.strip_trailing_slashes = true; });
  with_value("--sparse",
             [&o](const std::string& word) { o.sparse = choose_when(word, "--sparse"); });
  with_optional("--reflink", [&o](const std::optional<std::string>& word) {
    o.reflink = word ? choose_when(*word, "--reflink") : When::kAlways;
  });
}

void Parser::declare_existing() {
  CopyOptions& o = line_.options;
  flag("-n,--no-clobber", [&o](auto&) { o.interactive = Interactive::kNeverOverwrite; });
  flag("-i,--interactive", [&o](auto&) { o.interactive = Interactive::kAsk; });
  flag("-f,--force", [&o](auto&) { o.force = true; });
  flag("-u,--update", [&o](auto&) { o.update = true; });
  flag("--remove-destination", [&o](auto&) { o.remove_destination = true; });
  // Without a word it is as an earlier word says.
  const auto back_up = [this](const std::string& word) {
    Backup& backup = line_.options.backup;
    if (!word.empty()) backup = choose_backup(word, "backup type");
    else if (!backup_given_) backup = usual_backup();
    backup_given_ = true;
  };
  flag("-b", [=](auto&) { back_up(""); });
  with_optional("--backup",
                [=](const std::optional<std::string>& word) { back_up(word.value_or("")); });
  with_value("-S,--suffix", [=, &o](const std::string& suffix) {
    o.backup_suffix = suffix;
    back_up("");
  });
  with_value("-t,--target-directory", [&o](const std::string& directory) {
    if (o.has_target_directory) throw BadValue{"multiple target directories specified"};
    o.target_directory = directory;
    o.has_target_directory = true;
  });
  flag("-T,--no-target-directory", [&o](auto&) { o.no_target_directory = true; });
}

void Parser::declare_ours() {
  CopyOptions& o = line_.options;
  flag("-v,--verbose", [&o](auto&) { o.verbose = true; });
  flag("--debug", [&o](auto&) { o.debug = true; });
  flag("--json", [&o](auto&) { o.json = true; });
  flag("--stats", [&o](auto&) { o.stats = true; });
  flag("--sync", [&o](auto&) { o.sync = true; });
  with_value("--method", [&o](const std::string& word) { o.method = choose_method(word); });
  with_optional("--progress", [&o](const std::optional<std::string>& word) {
    o.progress = word ? choose_when(*word, "--progress") : When::kAlways;
  });
  with_value("-j,--jobs", [&o](const std::string& number) {
    char* end = nullptr;
    const unsigned long jobs = std::strtoul(number.c_str(), &end, 10);
    const bool valid =
        !number.empty() && *end == '\0' && number.front() != '-' && jobs >= 1 && jobs <= kMaxJobs;
    if (!valid) {
      throw BadValue{fmt::format("invalid number of jobs: {}: must be a number from 1 to {}",
                                 quote(number), kMaxJobs)};
    }
    o.jobs = static_cast<unsigned>(jobs);
  });
}

/// --method says how, --reflink and --sparse what must come out of it: they may not contradict.
void expect_method_to_suit(const CopyOptions& o) {
  const bool clones = o.method == Method::kClone || o.method == Method::kCloneTree;
  const auto refuse = [&](const char* option) {
    throw BadValue{
        fmt::format("--method={} cannot be used with {}", method_name(o.method), option)};
  };
  if (o.method == Method::kAuto) return;
  if (!clones && o.reflink == When::kAlways) refuse("--reflink=always");
  if (clones && o.reflink == When::kNever) refuse("--reflink=never");
  if (o.method == Method::kClone && o.sparse != When::kAuto)
    refuse(o.sparse == When::kAlways ? "--sparse=always" : "--sparse=never");
}

/// What cp checks when it has seen all options.
void Parser::finish() {
  CopyOptions& o = line_.options;
  if (o.hard_link && o.symbolic_link) throw BadValue{"cannot make both hard and symbolic links"};
  if (o.interactive == Interactive::kNeverOverwrite) o.update = false;
  if (backup_given_ && o.interactive == Interactive::kNeverOverwrite) {
    throw BadValue{"options --backup and --no-clobber are mutually exclusive"};
  }
  if (o.reflink == When::kAlways && o.sparse != When::kAuto) {
    throw BadValue{"--reflink can be used only with --sparse=auto"};
  }
  expect_method_to_suit(o);
  if (!dereference_given_) {
    o.dereference = o.recursive && !o.hard_link ? Dereference::kNever : Dereference::kAlways;
  }
  const char* suffix = std::getenv("SIMPLE_BACKUP_SUFFIX");
  if (o.backup_suffix == "~" && suffix != nullptr && *suffix != '\0') o.backup_suffix = suffix;
  if (o.backup_suffix.empty() || o.backup_suffix.find('/') != std::string::npos)
    o.backup_suffix = "~";
}

/// "--recu" is "--recursive", as getopt_long has it; CLI11 has no such thing.
std::string Parser::whole_name(const std::string& argument) const {
  const std::string given = argument.substr(2, argument.find('=') - 2);
  std::vector<std::string> matches;
  for (const CLI::Option* option : app_.get_options()) {
    for (const std::string& name : option->get_lnames()) {
      if (name == given) return argument;
      if (name.starts_with(given)) matches.push_back(name);
    }
  }
  if (matches.empty()) throw BadValue{fmt::format("unrecognized option '--{}'", given)};
  if (matches.size() > 1) {
    std::string text = fmt::format("option '--{}' is ambiguous; possibilities:", given);
    for (const std::string& name : matches) text += fmt::format(" '--{}'", name);
    throw BadValue{text};
  }
  return "--" + matches.front() + argument.substr(2 + given.size());
}

/// The arguments, last first, as CLI11 wants them; operands get a NUL in front (none has one), so
/// that CLI11 leaves them as they are, and options that begin like one of its own words too.
std::vector<std::string> Parser::arguments(int argc, const char* const* argv) const {
  std::vector<std::string> out;
  bool operands_only = false;
  bool value_next = false;
  const auto takes_value = [this](const std::string& name) {
    const CLI::Option* option = app_.get_option_no_throw(name);
    return option != nullptr && option->get_items_expected_min() > 0;
  };
  for (int i = 1; i < argc; ++i) {
    std::string argument = argv[i];
    if (value_next) {
      value_next = false;
    } else if (operands_only || argument.size() < 2 || argument[0] != '-') {
      argument.insert(0, 1, '\0');
    } else if (argument == "--") {
      operands_only = true;
      continue;
    } else if (argument.starts_with("--")) {
      argument = whole_name(argument);
      const std::size_t equals = argument.find('=');
      const std::string name = argument.substr(0, equals);
      value_next = equals == std::string::npos && takes_value(name);
      if (equals != std::string::npos && takes_value(name)) {
        out.push_back(name);  // CLI11 takes the next word for "--name="
        argument.erase(0, equals + 1);
      } else if (equals != std::string::npos) {
        if (!optional_values_.contains(app_.get_option_no_throw(name)))
          throw BadValue{fmt::format("option '{}' doesn't allow an argument", name)};
        argument.insert(equals + 1, 1, '\0');
      }
    } else {
      for (std::size_t at = 1; at < argument.size(); ++at) {
        const std::string letter{'-', argument[at]};
        if (app_.get_option_no_throw(letter) == nullptr) {
          throw BadValue{fmt::format("invalid option -- '{}'", argument[at])};
        }
        if (!takes_value(letter)) continue;
        value_next = at + 1 == argument.size();
        break;
      }
    }
    out.push_back(std::move(argument));
  }
  if (value_next) {
    const std::string& last = out.back();
    throw BadValue{last.starts_with("--")
                       ? fmt::format("option '{}' requires an argument", last)
                       : fmt::format("option requires an argument -- '{}'", last.back())};
  }
  std::ranges::reverse(out);
  return out;
}

}  // namespace

int usage_error(const std::string& text) {
  print_text(stderr, "{}: {}\nTry '{} --help' for more information.\n", kCowcp, text, kCowcp);
  return 1;
}

Parsed parse_command_line(int argc, const char* const* argv) {
  try {
    return {std::nullopt, Parser().parse(argc, argv)};
  } catch (const BadValue& bad) {
    return {usage_error(bad.text), {}};
  } catch (const CLI::CallForHelp&) {
    print_text("{}", kCowcpHelp);
  } catch (const CLI::CallForVersion& version) {
    print_text("{}\n", version.what());
  } catch (const CLI::ArgumentMismatch& error) {
    std::string name = error.what();
    return {usage_error(fmt::format("{}", name)), {}};
  } catch (const CLI::ParseError& error) {
    return {usage_error(error.what()), {}};
  }
  return {to_int(finish_output(kCowcp, ExitCode::kOk)), {}};
}

}  // namespace cowfs
