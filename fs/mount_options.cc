#include "fs/mount_options.h"

#include <algorithm>
#include <array>
#include <charconv>

namespace cowfs {

namespace {

// What libfuse and the kernel understand; given on as they are.
constexpr std::array<std::string_view, 15> kPassedOn = {
    "allow_other", "allow_root", "auto_unmount", "suid",       "nosuid",
    "dev",         "nodev",      "exec",         "noexec",     "sync",
    "async",       "dirsync",    "noatime",      "nodiratime", "default_permissions"};
constexpr std::array<std::string_view, 4> kPassedOnWithValue = {"context", "fscontext",
                                                                "defcontext", "rootcontext"};

// For mount(8), systemd and fstab alone, or true anyway: times of access never move by reading.
constexpr std::array<std::string_view, 22> kWithoutMeaning = {
    "defaults",   "auto",        "noauto",        "user",     "nouser",   "users",
    "owner",      "group",       "nofail",        "_netdev",  "atime",    "relatime",
    "norelatime", "strictatime", "nostrictatime", "diratime", "lazytime", "nolazytime",
    "loud",       "silent",      "mand",          "nomand"};
constexpr std::array<std::string_view, 3> kWithoutMeaningWithValue = {"user", "comment", "uhelper"};

template <typename Words>
bool has(const Words& words, std::string_view word) {
  return std::ranges::find(words, word) != words.end();
}

Result<std::uint64_t> number_of(std::string_view key, std::string_view value, std::uint64_t low,
                                std::uint64_t high) {
  std::uint64_t number = 0;
  const char* end = value.data() + value.size();
  const auto parsed = std::from_chars(value.data(), end, number);
  if (value.empty() || parsed.ec != std::errc() || parsed.ptr != end || number < low ||
      number > high) {
    return fail(ErrorCode::kInvalidArgument, std::string(key) + "=" + std::string(value) +
                                                 ": must be a number from " + std::to_string(low) +
                                                 " to " + std::to_string(high));
  }
  return number;
}

struct Flag {
  std::string_view word;
  void (*set)(Options& options);
};
constexpr std::array<Flag, 5> kFlags = {{
    {"ro", [](Options& options) { options.read_only = true; }},
    {"rw", [](Options& options) { options.read_only = false; }},
    {"nosnapdir", [](Options& options) { options.snapshot_directories = false; }},
    {"snapdir", [](Options& options) { options.snapshot_directories = true; }},
    {"debug", [](Options& options) { options.debug = true; }},
}};

template <std::string Options::* member>
Result<void> set_text(Options& options, std::string_view value) {
  options.*member = value;
  return {};
}

Result<void> set_commit(Options& options, std::string_view value) {
  COWFS_ASSIGN(const std::uint64_t seconds, number_of("commit", value, 1, 300));
  options.commit_interval = std::chrono::seconds(seconds);
  return {};
}

Result<void> set_journal(Options& options, std::string_view value) {
  COWFS_ASSIGN(options.journal_mib, number_of("journal", value, 16, 65536));
  return {};
}

Result<void> set_cache(Options& options, std::string_view value) {
  COWFS_ASSIGN(options.cache_mib, number_of("cache", value, 1, 65536));
  return {};
}

Result<void> set_log_level(Options& options, std::string_view value) {
  COWFS_ASSIGN(options.log_level, log_level_of(value));
  return {};
}

struct Valued {
  std::string_view word;
  Result<void> (*set)(Options& options, std::string_view value);
};
constexpr std::array<Valued, 8> kValued = {{
    {"volume", set_text<&Options::volume>},
    {"commit", set_commit},
    {"journal", set_journal},
    {"cache", set_cache},
    {"loglevel", set_log_level},
    {"log", set_text<&Options::log_file>},
    {"fsname", set_text<&Options::source_name>},
    {"subtype", set_text<&Options::subtype>},
}};

/// The entry of a table for a word, or null.
template <typename Table>
const typename Table::value_type* find(const Table& table, std::string_view word) {
  const auto found = std::ranges::find(table, word, &Table::value_type::word);
  return found == table.end() ? nullptr : &*found;
}

bool takes_value(std::string_view key) {
  return find(kValued, key) != nullptr || has(kPassedOnWithValue, key);
}

std::unexpected<Error> needs_value(std::string_view key) {
  return fail(ErrorCode::kInvalidArgument,
              std::string(key) + ": needs a value, " + std::string(key) + "=…");
}

Result<bool> apply_flag(Options& options, std::string_view word) {
  if (takes_value(word)) return needs_value(word);
  if (word == "remount")
    return fail(ErrorCode::kInvalidArgument, "remount: not supported, unmount and mount again");
  if (const Flag* flag = find(kFlags, word)) flag->set(options);
  else if (has(kPassedOn, word)) options.mount_options.emplace_back(word);
  else return word.empty() || word.starts_with("x-") || has(kWithoutMeaning, word);
  return true;
}

Result<bool> apply_valued(Options& options, std::string_view key, std::string_view value) {
  const std::string word = std::string(key) + "=" + std::string(value);
  if (find(kFlags, key) != nullptr || has(kPassedOn, key))
    return fail(ErrorCode::kInvalidArgument, word + ": takes no value");
  if (!takes_value(key)) return key.starts_with("x-") || has(kWithoutMeaningWithValue, key);
  if (value.empty()) return needs_value(key);
  if (const Valued* valued = find(kValued, key)) COWFS_TRY(valued->set(options, value));
  else options.mount_options.push_back(word);
  return true;
}

}  // namespace

std::vector<std::string> split_mount_options(std::string_view text) {
  std::vector<std::string> words(1);
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 1 < text.size()) words.back() += text[++i];
    else if (text[i] == ',') words.emplace_back();
    else words.back() += text[i];
  }
  return words;
}

std::string escape_mount_option(std::string_view word) {
  std::string escaped;
  for (const char character : word) {
    if (character == ',' || character == '\\') escaped += '\\';
    escaped += character;
  }
  return escaped;
}

Result<void> apply_mount_option(Options& options, std::string_view word) {
  const std::size_t equals = word.find('=');
  Result<bool> known = equals == std::string_view::npos
                           ? apply_flag(options, word)
                           : apply_valued(options, word.substr(0, equals), word.substr(equals + 1));
  if (!known) return fail(known.error());
  if (!*known) return fail(ErrorCode::kNotFound, std::string(word) + ": unknown mount option");
  return {};
}

Result<void> apply_mount_options(Options& options, std::string_view text, bool sloppy) {
  for (const std::string& word : split_mount_options(text)) {
    Result<void> applied = apply_mount_option(options, word);
    if (!applied && !(sloppy && applied.error().code == ErrorCode::kNotFound)) return applied;
  }
  return {};
}

}  // namespace cowfs
