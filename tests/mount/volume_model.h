// What the volumes of a mount must hold, in the plainest form: maps of names and arrays of bytes,
// copied whole for each snapshot and fork. And the comparison of a volume in the mount with it.
#pragma once

#include <dirent.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include <map>

#include "tests/mount/support.h"

namespace mount_test {

struct Inode {
  mode_t mode = 0;  // kind and permissions
  std::vector<char> bytes;
  std::string target;
  std::map<std::string, std::string> attributes;
  std::uint64_t number = 0;  // of the inode in cowfs: the same in all forks

  [[nodiscard]] bool is(mode_t kind) const { return (mode & S_IFMT) == kind; }
};

struct Volume {
  std::string name;
  bool read_only = false;
  std::map<std::string, int> names;  // path relative to the root -> inode; the root is ""
  std::map<int, Inode> inodes;       // those that are only open are here too

  Inode& at(const std::string& path) { return inodes.at(names.at(path)); }

  [[nodiscard]] unsigned links(int inode) const {
    unsigned count = 0;
    for (const auto& [path, id] : names) count += id == inode ? 1 : 0;
    return count;
  }

  [[nodiscard]] bool is_empty(const std::string& directory) const {
    const auto next = names.upper_bound(directory + "/");
    return directory.empty() ? names.size() == 1
                             : next == names.end() || !next->first.starts_with(directory + "/");
  }

  /// The whole tree, without what has lost its last name.
  [[nodiscard]] Volume forked(const std::string& new_name, bool make_read_only) const {
    Volume copy{new_name, make_read_only, names, {}};
    for (const auto& [path, id] : names) copy.inodes.insert(*inodes.find(id));
    return copy;
  }

  /// The name, and those below it where it is a directory.
  void move(const std::string& from, const std::string& to) {
    std::map<std::string, int> moved;
    std::erase_if(names, [&](const auto& entry) {
      if (entry.first != from && !entry.first.starts_with(from + "/")) return false;
      moved[to + entry.first.substr(from.size())] = entry.second;
      return true;
    });
    for (const auto& [path, id] : moved) names[path] = id;
  }
};

inline constexpr std::uint64_t kNumberMask = (std::uint64_t{1} << 40) - 1;

/// Compares a volume in the mount with its model: every name, every attribute, every byte.
class Comparison {
 public:
  Comparison(const Volume& expected, std::string root)
      : expected_(expected), root_(std::move(root)) {}

  void run() {
    walk("");
    for (const auto& [path, id] : expected_.names) {
      expect(seen_.contains(path), "'" + place(path) + "' is missing");
    }
  }

 private:
  [[nodiscard]] std::string place(const std::string& path) const {
    return path.empty() ? root_ : root_ + "/" + path;
  }

  void walk(const std::string& path) {
    const auto entry = expected_.names.find(path);
    expect(entry != expected_.names.end(), "'" + place(path) + "' should not exist");
    seen_[path] = true;
    compare(path, entry->second, expected_.inodes.at(entry->second));
    if (!expected_.inodes.at(entry->second).is(S_IFDIR)) return;
    for (const std::string& name : list(path)) walk(path.empty() ? name : path + "/" + name);
  }

  [[nodiscard]] std::vector<std::string> list(const std::string& path) const {
    DIR* directory = ::opendir(place(path).c_str());
    expect(directory != nullptr, "opendir " + place(path));
    std::vector<std::string> names;
    while (const dirent* entry = ::readdir(directory)) {
      const std::string name = entry->d_name;
      if (name != "." && name != "..") names.push_back(name);
    }
    ::closedir(directory);
    return names;
  }

  void compare(const std::string& path, int id, const Inode& inode) const {
    struct stat st{};
    must(::lstat(place(path).c_str(), &st), "lstat " + place(path));
    expect(st.st_mode == inode.mode, place(path) + ": mode " + std::to_string(st.st_mode) +
                                         ", expected " + std::to_string(inode.mode));
    if (!path.empty()) {
      expect((st.st_ino & kNumberMask) == inode.number, place(path) + ": another inode number");
    }
    if (inode.is(S_IFDIR)) return compare_attributes(path, inode);
    expect(st.st_nlink == expected_.links(id), place(path) + ": count of links");
    if (inode.is(S_IFLNK)) return compare_target(path, inode);
    compare_attributes(path, inode);
    compare_bytes(path, inode);
  }

  void compare_target(const std::string& path, const Inode& inode) const {
    std::string target(4096, '\0');
    const auto size = must(::readlink(place(path).c_str(), target.data(), target.size()),
                           "readlink " + place(path));
    target.resize(static_cast<std::size_t>(size));
    expect(target == inode.target, place(path) + ": leads to '" + target + "'");
  }

  void compare_attributes(const std::string& path, const Inode& inode) const {
    std::vector<char> names(65536);
    const auto size =
        must(::listxattr(place(path).c_str(), names.data(), names.size()), "listxattr");
    std::size_t count = 0;
    for (std::int64_t i = 0; i < size; ++i) count += names[static_cast<std::size_t>(i)] == 0;
    expect(count == inode.attributes.size(), place(path) + ": count of extended attributes");
    for (const auto& [name, value] : inode.attributes) {
      std::string seen(65536, '\0');
      const auto length =
          must(::getxattr(place(path).c_str(), name.c_str(), seen.data(), seen.size()), "getxattr");
      seen.resize(static_cast<std::size_t>(length));
      expect(seen == value, place(path) + ": value of " + name);
    }
  }

  /// Past the page cache as far as it lets go: what the daemon answers is meant.
  void compare_bytes(const std::string& path, const Inode& inode) const {
    const Fd fd = open_file(place(path), O_RDONLY);
    ::posix_fadvise(fd.get(), 0, 0, POSIX_FADV_DONTNEED);
    expect_bytes(inode.bytes, read_range(fd.get(), 0, inode.bytes.size() + 4096), place(path));
  }

  const Volume& expected_;
  std::string root_;
  std::map<std::string, bool> seen_;
};

}  // namespace mount_test
