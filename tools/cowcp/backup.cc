#include "tools/cowcp/backup.h"

#include <fmt/format.h>

#include <charconv>
#include <cstdint>

namespace cowfs {
namespace {

/// N of "name.~N~"; 0 for other names.
std::uint64_t backup_number(std::string_view entry, std::string_view name) {
  if (!entry.starts_with(name)) return 0;
  entry.remove_prefix(name.size());
  if (!entry.starts_with(".~") || !entry.ends_with('~') || entry.size() < 4) return 0;
  entry = entry.substr(2, entry.size() - 3);
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(entry.data(), entry.data() + entry.size(), number);
  return error == std::errc{} && end == entry.data() + entry.size() ? number : 0;
}

std::uint64_t highest_backup(const Place& target) {
  const auto directory =
      open_place({target.directory, parent_path(target.name), {}}, O_RDONLY | O_DIRECTORY);
  if (!directory) return 0;
  const auto names = read_names(directory->get());
  if (!names) return 0;
  std::uint64_t highest = 0;
  for (const DirectoryEntryName& entry : *names) {
    highest = std::max(highest, backup_number(entry.name, last_component(target.name)));
  }
  return highest;
}

}  // namespace

Place backup_place(const Place& target, const CopyOptions& options) {
  std::string suffix = options.backup_suffix;
  if (options.backup == Backup::kNumbered || options.backup == Backup::kExisting) {
    const std::uint64_t highest = highest_backup(target);
    if (highest > 0 || options.backup == Backup::kNumbered)
      suffix = fmt::format(".~{}~", highest + 1);
  }
  Place backup = target;
  backup.name = without_trailing_slashes(backup.name) + suffix;
  backup.shown = without_trailing_slashes(backup.shown) + suffix;
  return backup;
}

void copy_to_own_backup(CommandLine& line) {
  CopyOptions& options = line.options;
  const std::vector<std::string>& names = line.operands;
  if (!options.force || options.backup == Backup::kNone || options.has_target_directory ||
      names.size() != 2 || names[0] != names[1]) {
    return;
  }
  const Place target{AT_FDCWD, names[1], names[1]};
  const auto status = stat_place(target, Follow::kYes);
  if (!status || !S_ISREG(status->st_mode)) return;
  line.operands[1] = backup_place(target, options).name;
  options.backup = Backup::kNone;
  options.no_target_directory = true;
}

}  // namespace cowfs
