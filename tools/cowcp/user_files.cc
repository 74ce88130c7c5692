#include "tools/cowcp/user_files.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>

namespace cowfs {

std::unexpected<SystemError> last_error() { return std::unexpected(SystemError{errno}); }

Place Place::below(int fd, const std::string& child) const {
  return {fd, child, join_path(shown, child)};
}

FileId id_of(const struct stat& status) { return {status.st_dev, status.st_ino}; }

SystemResult<struct stat> stat_place(const Place& place, Follow follow) {
  struct stat status{};
  const int flags = follow == Follow::kNo ? AT_SYMLINK_NOFOLLOW : 0;
  if (::fstatat(place.directory, place.name.c_str(), &status, flags) != 0) return last_error();
  return status;
}

SystemResult<struct stat> stat_fd(int fd) {
  struct stat status{};
  if (::fstat(fd, &status) != 0) return last_error();
  return status;
}

SystemResult<UniqueFd> open_place(const Place& place, int flags, mode_t mode) {
  UniqueFd fd(::openat(place.directory, place.name.c_str(), flags | O_CLOEXEC | O_NOCTTY, mode));
  if (!fd) return last_error();
  return fd;
}

SystemResult<std::string> read_symlink(const Place& place) {
  std::string target(256, '\0');
  for (;;) {
    const ssize_t length =
        ::readlinkat(place.directory, place.name.c_str(), target.data(), target.size());
    if (length < 0) return last_error();
    if (static_cast<std::size_t>(length) < target.size()) {
      target.resize(static_cast<std::size_t>(length));
      return target;
    }
    target.resize(target.size() * 2);
  }
}

SystemResult<void> remove_place(const Place& place) {
  if (::unlinkat(place.directory, place.name.c_str(), 0) != 0) return last_error();
  return {};
}

SystemResult<void> rename_place(const Place& from, const Place& to) {
  if (::renameat(from.directory, from.name.c_str(), to.directory, to.name.c_str()) != 0)
    return last_error();
  return {};
}

SystemResult<void> make_symlink(const std::string& target, const Place& at) {
  if (::symlinkat(target.c_str(), at.directory, at.name.c_str()) != 0) return last_error();
  return {};
}

SystemResult<void> make_hard_link(const Place& from, const Place& to, Follow follow) {
  const int flags = follow == Follow::kYes ? AT_SYMLINK_FOLLOW : 0;
  if (::linkat(from.directory, from.name.c_str(), to.directory, to.name.c_str(), flags) != 0)
    return last_error();
  return {};
}

SystemResult<std::vector<DirectoryEntryName>> read_names(int directory) {
  const int copy = ::fcntl(directory, F_DUPFD_CLOEXEC, 0);
  if (copy < 0) return last_error();
  const std::unique_ptr<DIR, int (*)(DIR*)> stream(::fdopendir(copy), ::closedir);
  if (!stream) {
    ::close(copy);
    return last_error();
  }
  ::rewinddir(stream.get());
  std::vector<DirectoryEntryName> names;
  for (;;) {
    errno = 0;
    const dirent* entry = ::readdir(stream.get());
    if (entry == nullptr && errno != 0) return last_error();
    if (entry == nullptr) break;
    if (!is_dot_or_dot_dot(entry->d_name)) names.push_back({entry->d_name, entry->d_ino});
  }
  std::ranges::stable_sort(names, {}, &DirectoryEntryName::inode);
  return names;
}

SystemResult<void> sync_directory(const Place& place) {
  const auto directory = open_place(place, O_RDONLY | O_DIRECTORY);
  if (!directory) return std::unexpected(directory.error());
  if (::fsync(directory->get()) != 0) return last_error();
  return {};
}

SystemResult<UniqueFd> open_parent(const Place& place) {
  if (place.name.empty()) return std::unexpected(SystemError{ENOENT});
  return open_place({place.directory, parent_path(place.name), {}}, O_PATH | O_DIRECTORY);
}

std::string_view last_component(std::string_view path) {
  while (path.size() > 1 && path.ends_with('/')) path.remove_suffix(1);
  const std::size_t slash = path.rfind('/');
  return slash == path.npos ? path : path.substr(slash + 1);
}

std::string without_trailing_slashes(std::string path) {
  while (path.size() > 1 && path.ends_with('/')) path.pop_back();
  return path;
}

std::string join_path(std::string_view directory, std::string_view name) {
  while (name.starts_with('/')) name.remove_prefix(1);
  std::string path = without_trailing_slashes(std::string(directory));
  if (!path.empty() && !path.ends_with('/')) path += '/';
  return path.append(name);
}

std::string parent_path(std::string_view path) {
  while (path.size() > 1 && path.ends_with('/')) path.remove_suffix(1);
  const std::size_t slash = path.rfind('/');
  if (slash == path.npos) return ".";
  path = path.substr(0, slash);
  while (path.size() > 1 && path.ends_with('/')) path.remove_suffix(1);
  return path.empty() ? "/" : std::string(path);
}

bool is_dot_or_dot_dot(std::string_view name) { return name == "." || name == ".."; }

bool is_same_name(const Place& one, const Place& other) {
  if (last_component(one.name) != last_component(other.name)) return false;
  const auto parent_of = [](const Place& place) -> SystemResult<struct stat> {
    return stat_place({place.directory, parent_path(place.name), {}}, Follow::kYes);
  };
  const auto first = parent_of(one);
  const auto second = parent_of(other);
  return first && second && id_of(*first) == id_of(*second);
}

}  // namespace cowfs
