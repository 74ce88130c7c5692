#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <vector>

#include "tools/common/command_line.h"
#include "tools/common/message.h"
#include "tools/fsck.cowfs/fsck_options.h"
#include "tools/fsck.cowfs/help.h"

namespace cowfs {
namespace {

bool is_number(std::string_view text) {
  return !text.empty() && text.size() <= 6 &&
         std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
}

/// "-C", "-C 3" and "-C3", as fsck(8) hands them on, in the one form that is parsed: --progress=3.
std::vector<std::string> with_plain_progress(int argc, const char* const* argv) {
  std::vector<std::string> words(argv, argv + argc);
  for (std::size_t i = 1; i < words.size() && words[i] != "--"; ++i) {
    std::string& word = words[i];
    if (word.starts_with("-C") && is_number(word.substr(2))) {
      word = "--progress=" + word.substr(2);
    } else if (word == "-C" || word == "--progress") {
      const bool follows = i + 1 < words.size() && is_number(words[i + 1]);
      word = "--progress=" + (follows ? words[i + 1] : "0");
      if (follows) words.erase(words.begin() + static_cast<std::ptrdiff_t>(i) + 1);
    }
  }
  return words;
}

FsckExit usage(const char* why) {
  print_error(kFsck, why);
  fmt::print(stderr, "Try '{} --help'.\n", kFsck);
  return FsckExit::kUsage;
}

FsckExit exit_of(ExitCode code) {
  switch (code) {
    case ExitCode::kOk: return FsckExit::kClean;
    case ExitCode::kUsage: return FsckExit::kUsage;
    default: return FsckExit::kFailed;
  }
}

}  // namespace

std::variant<FsckCommand, FsckExit> parse_fsck(int argc, const char* const* argv) {
  CLI::App app("", kFsck);
  set_help(app, kFsckHelp);
  set_version(app);
  FsckCommand command;
  bool check_only = false;
  bool safe = false;
  bool all = false;
  int progress_fd = -1;
  app.add_flag("-n", check_only)->disable_flag_override();
  app.add_flag("-p,-a", safe)->disable_flag_override();
  app.add_flag("-y", all)->disable_flag_override();
  app.add_flag("-f,--force", command.force)->disable_flag_override();
  app.add_flag("--scrub", command.scrub)->disable_flag_override();
  app.add_flag("-v,--verbose", command.verbose)->disable_flag_override();
  app.add_flag("--json", command.json)->disable_flag_override();
  app.add_option("--progress", progress_fd);
  const CLI::Option* store = app.add_option("STORE")->required();

  const std::vector<std::string> words = with_plain_progress(argc, argv);
  std::vector<const char*> plain;
  for (const std::string& word : words) plain.push_back(word.c_str());
  if (const auto code = parse(app, static_cast<int>(plain.size()), plain.data()))
    return exit_of(*code);
  if (check_only + safe + all > 1) return usage("only one of -n, -p and -y goes");
  command.store = value(*store).value_or("");
  if (check_only) command.mode = FsckMode::kCheckOnly;
  if (safe) command.mode = FsckMode::kSafe;
  if (all) command.mode = FsckMode::kAll;
  if (progress_fd >= 0) command.progress_fd = progress_fd;
  return command;
}

}  // namespace cowfs
