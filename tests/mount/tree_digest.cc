// tree_digest [--no-times] [--no-owners] [--no-xattrs] [--no-dir-links] [--all-names] DIR
//
// Prints one line for each file below DIR (DIR itself first, which may be a file), sorted by path:
// kind and mode, owners, link count, size, mtime (not of symbolic links' targets), device number,
// first path with the same inode, extended attributes, a hash of the content. Two trees with equal
// output are equal for every program. Not compared: atime, ctime, inode numbers, sizes of
// directories, used blocks (a hole and zeros are the same content). A `.cowfs` at the root is left
// out unless --all-names is given.
#include <dirent.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include <algorithm>
#include <map>

#include "tests/mount/support.h"

namespace {

using namespace mount_test;

struct Options {
  bool times = true;
  bool owners = true;
  bool xattrs = true;
  bool dir_links = true;
  bool all_names = false;
};

class Hash {
 public:
  void add(std::span<const char> bytes) {
    for (const char byte : bytes) add_byte(byte);
  }
  void add_word(std::uint64_t word) {
    state_ = (state_ ^ word) * 0x9E3779B97F4A7C15u;
    state_ ^= state_ >> 29;
  }
  [[nodiscard]] std::string text() const {
    char buffer[32];
    std::snprintf(buffer, sizeof buffer, "%016llx", static_cast<unsigned long long>(state_));
    return buffer;
  }

 private:
  void add_byte(char byte) {
    state_ = (state_ ^ static_cast<unsigned char>(byte)) * 0x100000001B3u;
  }
  std::uint64_t state_ = 0xCBF29CE484222325u;
};

constexpr std::size_t kChunk = 4096;

// Only chunks with a byte other than zero count, with their offsets, so that holes cost nothing.
std::string content_hash(const std::string& path, std::uint64_t size) {
  const Fd fd = open_file(path, O_RDONLY | O_NOFOLLOW);
  Hash hash;
  std::vector<char> buffer(256 * kChunk);
  std::uint64_t offset = 0;
  while (offset < size) {
    const off_t data = ::lseek(fd.get(), static_cast<off_t>(offset), SEEK_DATA);
    if (data < 0 && errno == ENXIO) break;
    if (data > 0) offset = static_cast<std::uint64_t>(data) / kChunk * kChunk;
    const auto n = must(::pread(fd.get(), buffer.data(), buffer.size(), static_cast<off_t>(offset)),
                        "read " + path);
    if (n == 0) break;
    std::size_t used = static_cast<std::size_t>(n);
    if (offset + used < size) used = std::max<std::size_t>(used / kChunk * kChunk, 1);
    for (std::size_t at = 0; at < used; at += kChunk) {
      const std::span<const char> chunk(buffer.data() + at, std::min(kChunk, used - at));
      if (std::ranges::all_of(chunk, [](char c) { return c == 0; })) continue;
      hash.add_word(offset + at);
      std::size_t i = 0;
      for (; i + 8 <= chunk.size(); i += 8) {
        std::uint64_t word = 0;
        std::memcpy(&word, chunk.data() + i, 8);
        hash.add_word(word);
      }
      hash.add(chunk.subspan(i));
    }
    offset += used;
  }
  return hash.text();
}

std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c > ' ' && c != '\\' && c < 127) {
      out += c;
      continue;
    }
    char buffer[8];
    std::snprintf(buffer, sizeof buffer, "\\%03o", static_cast<unsigned char>(c));
    out += buffer;
  }
  return out;
}

std::string xattrs_of(const std::string& path) {
  std::vector<char> names(65536);
  const ssize_t size = ::llistxattr(path.c_str(), names.data(), names.size());
  if (size < 0 && errno == ENOTSUP) return {};
  must(size, "llistxattr " + path);
  std::map<std::string, std::string> values;
  for (ssize_t at = 0; at < size;) {
    const std::string name(names.data() + at);
    at += static_cast<ssize_t>(name.size()) + 1;
    std::vector<char> value(65536);
    const auto n = must(::lgetxattr(path.c_str(), name.c_str(), value.data(), value.size()),
                        "lgetxattr " + path + " " + name);
    values[name] = escaped({value.data(), static_cast<std::size_t>(n)});
  }
  std::string out;
  for (const auto& [name, value] : values) out += " " + escaped(name) + "=" + value;
  return out;
}

class Walk {
 public:
  Walk(std::string root, Options options) : root_(std::move(root)), options_(options) {}

  void run() { visit("."); }

 private:
  void visit(const std::string& name) {
    const std::string path = name == "." ? root_ : root_ + "/" + name;
    struct stat st{};
    must(::lstat(path.c_str(), &st), "lstat " + path);
    print(name, path, st);
    if (S_ISDIR(st.st_mode)) visit_children(name, path);
  }

  void visit_children(const std::string& name, const std::string& path) {
    DIR* dir = ::opendir(path.c_str());
    expect(dir != nullptr, "opendir " + path + ": " + std::strerror(errno));
    std::vector<std::string> names;
    errno = 0;
    while (const dirent* entry = ::readdir(dir)) {
      const std::string_view child = entry->d_name;
      if (child == "." || child == "..") continue;
      if (child == ".cowfs" && name == "." && !options_.all_names) continue;
      names.emplace_back(child);
    }
    expect(errno == 0, "readdir " + path + ": " + std::strerror(errno));
    ::closedir(dir);
    std::ranges::sort(names);
    expect(std::ranges::adjacent_find(names) == names.end(), "a name is listed twice in " + path);
    for (const std::string& child : names) visit(name + "/" + child);
  }

  void print(const std::string& name, const std::string& path, const struct stat& st) {
    std::printf("%s %06o", escaped(name).c_str(), st.st_mode);
    const bool is_dir = S_ISDIR(st.st_mode);
    if (options_.owners) std::printf(" %u:%u", st.st_uid, st.st_gid);
    if (!is_dir || options_.dir_links)
      std::printf(" links=%ju", static_cast<std::uintmax_t>(st.st_nlink));
    if (!is_dir) std::printf(" size=%jd", static_cast<std::intmax_t>(st.st_size));
    if (options_.times) {
      std::printf(" mtime=%jd.%09ld", static_cast<std::intmax_t>(st.st_mtim.tv_sec),
                  st.st_mtim.tv_nsec);
    }
    if (S_ISCHR(st.st_mode) || S_ISBLK(st.st_mode))
      std::printf(" device=%u,%u", major(st.st_rdev), minor(st.st_rdev));
    if (!is_dir && st.st_nlink > 1) {
      const auto [first, is_new] = first_path_.try_emplace({st.st_dev, st.st_ino}, name);
      if (!is_new) std::printf(" is=%s", escaped(first->second).c_str());
    }
    if (S_ISLNK(st.st_mode)) {
      std::vector<char> target(65536);
      const auto n =
          must(::readlink(path.c_str(), target.data(), target.size()), "readlink " + path);
      std::printf(" -> %s", escaped({target.data(), static_cast<std::size_t>(n)}).c_str());
    }
    if (options_.xattrs) std::printf("%s", xattrs_of(path).c_str());
    if (S_ISREG(st.st_mode))
      std::printf(" %s", content_hash(path, static_cast<std::uint64_t>(st.st_size)).c_str());
    std::printf("\n");
  }

  std::string root_;
  Options options_;
  std::map<std::pair<dev_t, ino_t>, std::string> first_path_;
};

}  // namespace

int main(int argc, char** argv) {
  Options options;
  std::string root;
  for (const std::string_view argument :
       std::span(argv, static_cast<std::size_t>(argc)).subspan(1)) {
    if (argument == "--no-times") options.times = false;
    else if (argument == "--no-owners") options.owners = false;
    else if (argument == "--no-xattrs") options.xattrs = false;
    else if (argument == "--no-dir-links") options.dir_links = false;
    else if (argument == "--all-names") options.all_names = true;
    else root = argument;
  }
  expect(!root.empty(), "usage: tree_digest [options] DIR");
  Walk(root, options).run();
  return std::fflush(stdout) == 0 ? 0 : 1;
}
