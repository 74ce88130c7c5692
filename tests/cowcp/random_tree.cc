#include "tests/cowcp/random_tree.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <map>

namespace cowfs {
namespace {

constexpr std::size_t kSizes[] = {0, 0, 1, 511, 4095, 4096, 4097, 10000, 131072, 300001};
constexpr mode_t kModes[] = {0644, 0600,  0755,  0444,  0400, 0666,
                             0000, 04755, 02755, 01644, 0200, 0640};
constexpr mode_t kDirectoryModes[] = {0755, 0700, 0777, 0555, 01777, 02775, 0750, 0500};

void make_file(const std::string& path, Random& random) {
  const int fd = ::open(path.c_str(), O_CREAT | O_EXCL | O_WRONLY, 0644);
  if (fd < 0) return;
  std::string bytes(kSizes[below(random, std::size(kSizes))], '\0');
  for (char& byte : bytes) byte = static_cast<char>(random());
  if (one_in(random, 4)) {  // holes at both ends
    const off_t at = static_cast<off_t>(below(random, 3)) * 65536;
    (void)!::pwrite(fd, bytes.data(), bytes.size(), at);
    (void)!::ftruncate(
        fd, at + static_cast<off_t>(bytes.size()) + static_cast<off_t>(below(random, 3)) * 40000);
  } else {
    (void)!::write(fd, bytes.data(), bytes.size());
  }
  ::close(fd);
}

/// user::rw-, user:1234:r--, group::r--, mask::r--, other::---, as the kernel has it.
void set_access_list(const std::string& path, const char* name) {
  struct Item {
    std::uint16_t tag, permissions;
    std::uint32_t id;
  };
  const Item items[] = {
      {0x01, 6, ~0U}, {0x02, 4, 1234}, {0x04, 4, ~0U}, {0x10, 4, ~0U}, {0x20, 0, ~0U}};
  char value[4 + sizeof items];
  const std::uint32_t version = 2;
  std::memcpy(value, &version, 4);
  std::memcpy(value + 4, items, sizeof items);
  ::lsetxattr(path.c_str(), name, value, sizeof value, 0);
}

void set_old_times(const std::string& path, Random& random) {
  timespec times[2];
  for (timespec& time : times) {
    time.tv_sec = static_cast<time_t>(900'000'000 + below(random, 100'000'000));
    time.tv_nsec = static_cast<long>(below(random, 1'000'000'000));
  }
  ::utimensat(AT_FDCWD, path.c_str(), times, AT_SYMLINK_NOFOLLOW);
}

void make_odd(const std::string& directory, const std::string& path, Random& random,
              TreeKinds kinds, const std::vector<std::string>& files) {
  static const char* const kTargets[] = {"nowhere",       "a",    "b",  "d", ".", "..", "../a",
                                         "/etc/hostname", "link", "x y"};
  switch (below(random, kinds.devices ? 6 : 5)) {
    case 0:
    case 1: (void)!::symlink(kTargets[below(random, std::size(kTargets))], path.c_str()); break;
    case 2:
      if (!files.empty()) (void)!::link(files[below(random, files.size())].c_str(), path.c_str());
      break;
    case 3:
      if (kinds.fifos) ::mkfifo(path.c_str(), 0644);
      break;
    case 4: (void)!::symlink((directory + "/d").c_str(), path.c_str()); break;
    default: ::mknod(path.c_str(), S_IFCHR | 0640, makedev(1, 3)); break;
  }
}

void decorate(const std::string& path, Random& random, TreeKinds kinds) {
  struct stat status{};
  if (::lstat(path.c_str(), &status) != 0) return;
  const bool is_directory = S_ISDIR(status.st_mode);
  if (kinds.devices && one_in(random, 4)) {
    (void)!::lchown(path.c_str(), static_cast<uid_t>(1000 + below(random, 3)),
                    static_cast<gid_t>(1000 + below(random, 3)));
  }
  if (!S_ISLNK(status.st_mode)) {
    if (one_in(random, 5)) ::lsetxattr(path.c_str(), "user.colour", "blue\0!", 6, 0);
    if (one_in(random, 8)) set_access_list(path, "system.posix_acl_access");
    else if (is_directory && one_in(random, 2))
      ::chmod(path.c_str(), kDirectoryModes[below(random, std::size(kDirectoryModes))]);
    else if (!is_directory && one_in(random, 2))
      ::chmod(path.c_str(), kModes[below(random, std::size(kModes))]);
    if (is_directory && one_in(random, 8)) set_access_list(path, "system.posix_acl_default");
  }
}

void fill(const std::string& directory, Random& random, TreeKinds kinds, int depth,
          std::vector<std::string>& files) {
  const std::size_t count = 1 + below(random, 7);
  std::vector<std::string> made;
  for (std::size_t i = 0; i < count; ++i) {
    const auto& names = tree_names();
    const std::string path = directory + "/" + names[below(random, names.size())];
    struct stat status{};
    if (::lstat(path.c_str(), &status) == 0) continue;
    const std::size_t kind = below(random, 10);
    if (kind < 5) {
      make_file(path, random);
      files.push_back(path);
    } else if (kind < 8 && depth > 0) {
      ::mkdir(path.c_str(), 0755);
      fill(path, random, kinds, depth - 1, files);
    } else {
      make_odd(directory, path, random, kinds, files);
    }
    made.push_back(path);
  }
  for (const std::string& path : made) decorate(path, random, kinds);
  for (const std::string& path : made) set_old_times(path, random);
}

std::string hex(const char* bytes, std::size_t size) {
  std::string out;
  constexpr char kDigits[] = "0123456789abcdef";
  for (std::size_t i = 0; i < size; ++i) {
    out += kDigits[static_cast<unsigned char>(bytes[i]) >> 4];
    out += kDigits[static_cast<unsigned char>(bytes[i]) & 15];
  }
  return out;
}

std::string time_of(const timespec& time) {
  if (time.tv_sec > 1'010'000'000) return "now";
  return std::to_string(time.tv_sec) + "." + std::to_string(time.tv_nsec);
}

std::string content_of(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_NOATIME);
  if (fd < 0) return "unreadable";
  std::uint64_t hash = 14695981039346656037ULL;
  char buffer[65536];
  for (ssize_t got = 0; (got = ::read(fd, buffer, sizeof buffer)) > 0;) {
    for (ssize_t i = 0; i < got; ++i)
      hash = (hash ^ static_cast<unsigned char>(buffer[i])) * 1099511628211ULL;
  }
  ::close(fd);
  return std::to_string(hash);
}

std::string attributes_of(const std::string& path) {
  char names[4096];
  const ssize_t size = ::llistxattr(path.c_str(), names, sizeof names);
  std::vector<std::string> found;
  for (ssize_t at = 0; at < size; at += static_cast<ssize_t>(std::strlen(names + at)) + 1) {
    char value[4096];
    const ssize_t length = ::lgetxattr(path.c_str(), names + at, value, sizeof value);
    found.push_back(std::string(" ") + (names + at) + "=" +
                    hex(value, length < 0 ? 0 : static_cast<std::size_t>(length)));
  }
  std::ranges::sort(found);
  std::string out;
  for (const std::string& each : found) out += each;
  return out;
}

}  // namespace

const std::vector<std::string>& tree_names() {
  static const std::vector<std::string> names{
      "a",    "b",         "c",        "d",           "e",     "f",  "link",      "x y",
      "it's", "new\nline", "\xff\xfe", "caf\xc3\xa9", "-dash", "a~", "tab\there", ".hidden"};
  return names;
}

void make_random_tree(const std::string& directory, Random& random, TreeKinds kinds) {
  std::vector<std::string> files;
  fill(directory, random, kinds, 3, files);
  set_old_times(directory, random);
}

std::vector<std::string> describe_tree(const std::string& directory) {
  std::vector<std::string> lines;
  std::map<std::pair<dev_t, ino_t>, std::string> first_names;
  std::vector<std::string> waiting{""};
  while (!waiting.empty()) {
    const std::string relative = waiting.back();
    waiting.pop_back();
    const std::string path = directory + relative;
    struct stat status{};
    if (::lstat(path.c_str(), &status) != 0) continue;
    std::string line = relative + " " + std::to_string(status.st_mode) + " " +
                       std::to_string(status.st_uid) + ":" + std::to_string(status.st_gid);
    if (!S_ISDIR(status.st_mode)) {
      const auto [first, is_new] =
          first_names.try_emplace({status.st_dev, status.st_ino}, relative);
      line += " links " + std::to_string(status.st_nlink);
      if (!is_new) line += " is " + std::min(first->second, relative);
    }
    line += " m" + time_of(status.st_mtim) + " a" + time_of(status.st_atim);
    if (S_ISREG(status.st_mode))
      line += " " + std::to_string(status.st_size) + " " + content_of(path);
    if (S_ISCHR(status.st_mode) || S_ISBLK(status.st_mode))
      line += " device " + std::to_string(status.st_rdev);
    if (S_ISLNK(status.st_mode)) {
      char target[4096];
      const ssize_t length = ::readlink(path.c_str(), target, sizeof target);
      // Links into the tree itself differ by where it is.
      std::string text(target, length < 0 ? 0 : static_cast<std::size_t>(length));
      if (text.starts_with(directory)) text.replace(0, directory.size(), "ROOT");
      line += " -> " + text;
    }
    lines.push_back(line + attributes_of(path));
    if (!S_ISDIR(status.st_mode)) continue;
    std::vector<std::string> below;
    DIR* stream = ::opendir(path.c_str());
    for (const dirent* entry = nullptr;
         stream != nullptr && (entry = ::readdir(stream)) != nullptr;) {
      if (std::string_view(entry->d_name) != "." && std::string_view(entry->d_name) != "..")
        below.emplace_back(entry->d_name);
    }
    if (stream != nullptr) ::closedir(stream);
    std::ranges::sort(below, std::greater{});
    for (const std::string& name : below) waiting.push_back(relative + "/" + name);
  }
  std::ranges::sort(lines);
  return lines;
}

}  // namespace cowfs
