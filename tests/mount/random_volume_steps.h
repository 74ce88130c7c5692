// The steps of random_volumes: each changes the mount and the model in the same way.
//
// A step that makes no sense now (there is no file, the volume is read-only) does nothing: errno is
// the subject of random_syscalls, content is the subject here. Files are kept open, and mapped
// with pages that nobody wrote back, across all of it.
#pragma once

#include <linux/falloc.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include <algorithm>
#include <deque>
#include <optional>

#include "tests/mount/volume_model.h"

namespace mount_test {

class Steps {
 public:
  Steps(std::uint64_t seed, std::string mount, std::string cowsnap, std::string remount)
      : random_(seed),
        mount_(std::move(mount)),
        cowsnap_(std::move(cowsnap)),
        remount_(std::move(remount)) {
    Volume main{"main", false, {{"", 0}}, {}};
    struct stat st{};
    must(::lstat(mount_.c_str(), &st), "lstat " + mount_);
    main.inodes[0].mode = st.st_mode;
    volumes_[0] = main;
  }

  void step();
  void compare_all();
  void remove_all();
  void tell() const {
    for (const std::string& line : trace_) std::fprintf(stderr, "  %s\n", line.c_str());
  }

 private:
  static constexpr std::size_t kVolumes = 9;
  static constexpr std::size_t kNames = 60;  // of a volume
  static constexpr std::size_t kHeld = 5;
  static constexpr std::uint64_t kSmall = 40'000;
  static constexpr std::uint64_t kLarge = 3 << 20;  // own objects begin at 1 MiB

  /// A file that is open, whatever happens to its name and its volume.
  struct Held {
    int volume = 0;
    int inode = 0;
    Fd fd;
    char* map = nullptr;                    // kLarge bytes, shared
    std::optional<std::vector<char>> last;  // what it held when its volume was deleted
  };

  std::uint64_t below(std::uint64_t limit) { return random_() % limit; }
  std::uint64_t aligned(std::uint64_t limit) {
    return below(2) == 0 ? below(limit / 4096 + 1) * 4096 : below(limit);
  }
  std::uint64_t length() { return below(6) == 0 ? 1 + below(900'000) : 1 + aligned(kSmall); }

  void note(const std::string& text) {
    trace_.push_back(std::to_string(count_) + " " + text);
    if (trace_.size() > 60) trace_.pop_front();
  }
  [[nodiscard]] std::string root_of(const Volume& volume) const {
    return volume.name == volumes_.at(0).name ? mount_ : mount_ + "/.cowfs/" + volume.name;
  }
  [[nodiscard]] std::string place(const Volume& volume, const std::string& path) const {
    return root_of(volume) + "/" + path;
  }
  int some_volume() { return std::next(volumes_.begin(), long(below(volumes_.size())))->first; }
  Volume* writable() {
    Volume& volume = volumes_.at(below(2) == 0 ? 0 : some_volume());
    return volume.read_only ? nullptr : &volume;
  }
  int id_of(const Volume& volume) const {
    for (const auto& [id, other] : volumes_) {
      if (&other == &volume) return id;
    }
    return -1;
  }
  std::string some_path(const Volume& volume) {
    return std::next(volume.names.begin(), long(below(volume.names.size())))->first;
  }
  std::optional<std::string> some_file(Volume& volume) {
    for (int tries = 0; tries < 8; ++tries) {
      const std::string path = some_path(volume);
      if (volume.at(path).is(S_IFREG)) return path;
    }
    return std::nullopt;
  }
  std::optional<std::string> new_path(Volume& volume) {
    const std::string directory = some_path(volume);
    if (!volume.at(directory).is(S_IFDIR) || std::ranges::count(directory, '/') > 3) return {};
    const std::string name = "n" + std::to_string(below(90));
    const std::string path = directory.empty() ? name : directory + "/" + name;
    if (volume.names.contains(path) || volume.names.size() >= kNames) return {};
    return path;
  }

  void add(Volume& volume, const std::string& path, Inode inode) {
    struct stat st{};
    must(::lstat(place(volume, path).c_str(), &st), "lstat");
    inode.number = st.st_ino & kNumberMask;
    volume.names[path] = next_inode_;
    volume.inodes[next_inode_++] = std::move(inode);
  }
  static void put(Inode& inode, std::uint64_t offset, std::span<const char> bytes) {
    inode.bytes.resize(std::max<std::size_t>(inode.bytes.size(), offset + bytes.size()));
    std::ranges::copy(bytes, inode.bytes.begin() + long(offset));
  }
  int run(const std::vector<std::string>& words) {
    std::vector<char*> arguments;
    for (const std::string& word : words) arguments.push_back(const_cast<char*>(word.c_str()));
    arguments.push_back(nullptr);
    pid_t child = 0;
    const int failed =
        ::posix_spawnp(&child, arguments[0], nullptr, nullptr, arguments.data(), environ);
    expect(failed == 0, "cannot run " + words[0]);
    int status = 0;
    must(::waitpid(child, &status, 0), "waitpid");
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }

  // ---- files
  void create(Volume& volume);
  void make_directory(Volume& volume);
  void make_link(Volume& volume);
  void remove(Volume& volume);
  void rename(Volume& volume);
  void exchange(Volume& volume);
  void write(Volume& volume);
  void truncate(Volume& volume);
  void punch(Volume& volume);
  void clone(Volume& volume);
  void change_attributes(Volume& volume);
  void hold(Volume& volume);
  void store_through_mapping();
  void let_go();
  void refuse_change();

  // ---- volumes
  void make_volume();
  void delete_volume();
  void rename_volume();
  void remount();
  void check_held(const Held& held);
  void drop(std::size_t index);

  std::mt19937_64 random_;
  std::string mount_;
  std::string cowsnap_;
  std::string remount_;
  std::map<int, Volume> volumes_;  // 0: the mounted one
  std::vector<Held> held_;
  std::deque<std::string> trace_;
  std::uint64_t count_ = 0;
  int next_inode_ = 1;
  int next_volume_ = 1;
};

}  // namespace mount_test

#include "tests/mount/random_volume_calls.h"
