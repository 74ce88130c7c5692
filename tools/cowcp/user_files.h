// The one door to users' files: what cowcp asks of the kernel, relative to opened directories.
//
// A Place is a name in an opened directory. Names that were found by reading a directory are never
// looked up by a path again, so that nobody who swaps a directory for a symbolic link meanwhile can
// lead a copy out of its destination.
//
// Errors are errno itself (SystemError), not ErrorCode: cowcp says what cp says, and cp says
// strerror(errno).
#pragma once

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <expected>
#include <string>
#include <string_view>
#include <vector>

#include "lib/base/unique_fd.h"

namespace cowfs {

struct [[nodiscard]] SystemError {
  int number = 0;  // errno
};

template <typename T>
using SystemResult = std::expected<T, SystemError>;

std::unexpected<SystemError> last_error();

/// A name in an opened directory (AT_FDCWD: a path), and how messages call it.
struct Place {
  int directory = AT_FDCWD;
  std::string name;
  std::string shown;

  /// A name in the directory that is open as `fd`.
  Place below(int fd, const std::string& child) const;
};

/// dev and inode: what tells one file from another.
struct FileId {
  dev_t device = 0;
  ino_t inode = 0;
  friend auto operator<=>(const FileId&, const FileId&) = default;
};
FileId id_of(const struct stat& status);

enum class Follow { kNo, kYes };

SystemResult<struct stat> stat_place(const Place& place, Follow follow);
SystemResult<struct stat> stat_fd(int fd);
/// O_CLOEXEC and O_NOCTTY are added.
SystemResult<UniqueFd> open_place(const Place& place, int flags, mode_t mode = 0);
SystemResult<std::string> read_symlink(const Place& place);
SystemResult<void> remove_place(const Place& place);
SystemResult<void> rename_place(const Place& from, const Place& to);
SystemResult<void> make_symlink(const std::string& target, const Place& at);
/// `follow`: links what a symbolic link points to.
SystemResult<void> make_hard_link(const Place& from, const Place& to, Follow follow);

/// Makes the names in a directory durable.
SystemResult<void> sync_directory(const Place& place);

struct DirectoryEntryName {
  std::string name;
  ino_t inode = 0;
};
/// All names but "." and "..", in the order of inode numbers, as cp goes through them.
SystemResult<std::vector<DirectoryEntryName>> read_names(int directory);

/// A directory opened to make names in it; needs no right to read it.
SystemResult<UniqueFd> open_parent(const Place& place);

/// The part of a path after its last '/', trailing ones left out; "" for "/".
std::string_view last_component(std::string_view path);
std::string without_trailing_slashes(std::string path);
/// "a" and "b" are "a/b", "a/" and "b" too.
std::string join_path(std::string_view directory, std::string_view name);
/// Where a place lies: the directory's path, "." for none.
std::string parent_path(std::string_view path);
bool is_dot_or_dot_dot(std::string_view name);

/// Whether two places are one name in one directory.
bool is_same_name(const Place& one, const Place& other);

}  // namespace cowfs
