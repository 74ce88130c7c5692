#include "fs/mount_table.h"

#include <spawn.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <climits>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <vector>

namespace cowfs {

namespace {

bool is_octal(char character) { return character >= '0' && character <= '7'; }

/// Space, tab, newline and backslash are written as three octal digits.
std::string unescape(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 3 < text.size() && is_octal(text[i + 1]) && is_octal(text[i + 2]) &&
        is_octal(text[i + 3])) {
      out += static_cast<char>((text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 +
                               (text[i + 3] - '0'));
      i += 3;
    } else {
      out += text[i];
    }
  }
  return out;
}

/// "36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue"
std::optional<MountEntry> entry_of(const std::string& line) {
  std::istringstream words(line);
  const std::vector<std::string> fields{std::istream_iterator<std::string>(words), {}};
  for (std::size_t i = 6; i + 2 < fields.size(); ++i) {
    if (fields[i] != "-") continue;
    return MountEntry{unescape(fields[4]), unescape(fields[i + 1]), unescape(fields[i + 2]),
                      fields[2]};
  }
  return std::nullopt;
}

Result<std::string> read_table() {
  std::ifstream file("/proc/self/mountinfo");
  std::string text{std::istreambuf_iterator<char>(file), {}};
  if (text.empty()) return fail(ErrorCode::kIo, "/proc/self/mountinfo: cannot be read");
  return text;
}

Result<void> run_fusermount(const std::string& mountpoint, int flags) {
  std::vector<const char*> arguments = {"fusermount3", "-u"};
  if ((flags & MNT_DETACH) != 0) arguments.push_back("-z");
  arguments.insert(arguments.end(), {"--", mountpoint.c_str(), nullptr});
  pid_t child = 0;
  const int error = ::posix_spawnp(&child, arguments.front(), nullptr, nullptr,
                                   const_cast<char* const*>(arguments.data()), environ);
  if (error != 0) {
    return fail(ErrorCode::kIo, mountpoint + ": fusermount3: " + std::strerror(error));
  }
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {}
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return {};
  return fail(ErrorCode::kBusy, mountpoint + ": fusermount3 could not unmount it");
}

constexpr int kMostLinks = 40;  // as the kernel follows

/// Where a symbolic link leads. Nothing: it is none; no request goes to what is mounted there.
std::optional<std::string> link_target(const std::string& path) {
  std::array<char, PATH_MAX> target;
  const ssize_t size = ::readlink(path.c_str(), target.data(), target.size());
  if (size < 0) return std::nullopt;
  return std::string(target.data(), static_cast<std::size_t>(size));
}

/// An absolute path in which only the last component may be a symbolic link.
Result<std::string> below_clean_parent(const std::string& path) {
  namespace fs = std::filesystem;
  std::error_code error;
  fs::path absolute = fs::absolute(path, error);
  while (!error && !absolute.has_filename() && absolute.has_relative_path()) {
    absolute = absolute.parent_path();  // a slash at the end
  }
  const fs::path name = absolute.filename();
  const bool is_whole = name == "." || name == ".." || name.empty();
  fs::path result;
  if (!error && is_whole) result = fs::canonical(absolute, error);
  else if (!error) result = fs::canonical(absolute.parent_path(), error) / name;
  if (error) {
    const auto code = error.value() == ENOENT ? ErrorCode::kNotFound : ErrorCode::kIo;
    return fail(code, path + ": " + error.message());
  }
  return result.string();
}

}  // namespace

std::optional<MountEntry> find_mount(std::string_view mountinfo, std::string_view mountpoint) {
  std::istringstream lines{std::string(mountinfo)};
  std::optional<MountEntry> found;
  for (std::string line; std::getline(lines, line);) {
    std::optional<MountEntry> entry = entry_of(line);
    if (entry && entry->mountpoint == mountpoint) found = std::move(entry);
  }
  return found;
}

bool is_mounted_from(std::string_view mountinfo, std::string_view source) {
  std::istringstream lines{std::string(mountinfo)};
  for (std::string line; std::getline(lines, line);) {
    const std::optional<MountEntry> entry = entry_of(line);
    if (entry && entry->type == "fuse.cowfs" && entry->source == source) return true;
  }
  return false;
}

Result<std::optional<MountEntry>> find_mount(std::string_view mountpoint) {
  COWFS_ASSIGN(const std::string table, read_table());
  return find_mount(table, mountpoint);
}

Result<bool> is_mounted_from(std::string_view source) {
  COWFS_ASSIGN(const std::string table, read_table());
  return is_mounted_from(table, source);
}

bool widen_readahead(const std::string& mountpoint, unsigned kib) {
  const auto entry = find_mount(mountpoint);
  if (!entry || !*entry) return false;
  const std::string path = "/sys/class/bdi/" + (*entry)->device + "/read_ahead_kb";
  unsigned now = 0;
  if (!(std::ifstream(path) >> now) || now >= kib) return now >= kib;
  std::ofstream file(path);
  return static_cast<bool>(file << kib << std::flush);
}

Result<std::string> path_of_mountpoint(const std::string& path) {
  std::string at = path;
  for (int links = 0; links < kMostLinks; ++links) {
    COWFS_ASSIGN(std::string clean, below_clean_parent(at));
    const auto target = link_target(clean);
    if (!target) return clean;
    at = std::filesystem::path(clean).parent_path() / *target;
  }
  return fail(ErrorCode::kIo, path + ": too many symbolic links");
}

Result<void> unmount(const std::string& mountpoint, int flags) {
  if (::umount2(mountpoint.c_str(), flags | UMOUNT_NOFOLLOW) == 0) return {};
  const int error = errno;
  if (error == EPERM) return run_fusermount(mountpoint, flags);
  const auto code = error == EBUSY    ? ErrorCode::kBusy
                    : error == EINVAL ? ErrorCode::kInvalidArgument
                                      : ErrorCode::kIo;
  return fail(code, mountpoint + ": unmount: " + std::strerror(error));
}

}  // namespace cowfs
