#include <fcntl.h>
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <optional>
#include <vector>

#include "tools/common/command_line.h"
#include "tools/common/message.h"
#include "tools/common/print_text.h"
#include "tools/fsck.cowfs/fsck_options.h"
#include "tools/fsck.cowfs/help.h"

namespace cowfs {
namespace {

bool is_number(std::string_view text) {
  return !text.empty() && text.size() <= 6 &&
         std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
}

/// A value of -C in the next word: a number, or what is meant to be one.
bool is_descriptor(std::string_view text) {
  return is_number(text.starts_with('-') ? text.substr(1) : text);
}

/// "-C", "-C 3", "-C3" and "-nC3", as fsck(8) hands them on, in the one form that is parsed:
/// --progress=3.
std::vector<std::string> with_plain_progress(int argc, const char* const* argv) {
  constexpr std::string_view kLetters = "npayfvhV";
  std::vector<std::string> words;
  for (int i = 0; i < argc; ++i) {
    std::string word = argv[i];
    if (i > 0 && word == "--") {
      words.insert(words.end(), argv + i, argv + argc);
      break;
    }
    const std::size_t at = word == "--progress" ? word.size() : word.find('C');
    const bool is_cluster = i > 0 && word.starts_with('-') && at != std::string::npos &&
                            word.find_first_not_of(kLetters, 1) == at;
    if (!is_cluster && word != "--progress") {
      words.push_back(std::move(word));
      continue;
    }
    std::string value = is_cluster ? word.substr(at + 1) : std::string();
    if (value.empty()) value = i + 1 < argc && is_descriptor(argv[i + 1]) ? argv[++i] : "0";
    if (is_cluster && at > 1) words.push_back(word.substr(0, at));
    words.push_back("--progress=" + value);
  }
  return words;
}

FsckExit usage(const std::string& why) {
  print_error(kFsck, why);
  print_text(stderr, "Try '{} --help'.\n", kFsck);
  return FsckExit::kUsage;
}

/// The descriptor that -C names. It must be open now: later that number would be a file of the
/// store. Nothing: it makes no sense, which was said.
std::optional<int> descriptor_of(const std::string& text) {
  if (!is_number(text)) {
    usage(fmt::format("-C {}: a descriptor is a number from 0 to 999999", text));
    return std::nullopt;
  }
  const int fd = std::stoi(text);
  const int flags = ::fcntl(fd, F_GETFL);
  const bool writable = flags >= 0 && (flags & O_ACCMODE) != O_RDONLY;
  if (fd == 0 || writable) return fd;
  usage(fmt::format("-C {}: the descriptor is not open{}", text, flags < 0 ? "" : " for writing"));
  return std::nullopt;
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
  std::string progress;
  app.add_flag("-n", check_only);
  app.add_flag("-p,-a", safe);
  app.add_flag("-y", all);
  app.add_flag("-f,--force", command.force);
  app.add_flag("--scrub", command.scrub);
  app.add_flag("-v,--verbose", command.verbose);
  app.add_flag("--json", command.json);
  app.add_option("--progress", progress);
  const CLI::Option* store = app.add_option("STORE")->required();

  const std::vector<std::string> words = with_plain_progress(argc, argv);
  std::vector<const char*> plain;
  plain.reserve(words.size());
  for (const std::string& word : words) plain.push_back(word.c_str());
  if (const auto code = parse(app, static_cast<int>(plain.size()), plain.data()))
    return exit_of(*code);
  if (check_only + safe + all > 1) return usage("only one of -n, -p and -y goes");
  command.store = value(*store).value_or("");
  if (check_only) command.mode = FsckMode::kCheckOnly;
  if (safe) command.mode = FsckMode::kSafe;
  if (all) command.mode = FsckMode::kAll;
  if (!progress.empty()) {
    command.progress_fd = descriptor_of(progress);
    if (!command.progress_fd) return FsckExit::kUsage;
  }
  return command;
}

}  // namespace cowfs
