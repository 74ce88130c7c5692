// One side of random_syscalls: makes step after step from a seed, takes it in one directory, and
// writes a line about it.
//
// Every choice comes from the seed alone and never from what the filesystem answered, so that two
// sides stay in step. A line = number, call with arguments, result, then for each file that the
// call names its attributes after the step, with `m+`/`m=` and `c+`/`c=` for "mtime/ctime changed
// in this step or not".
#pragma once

#include <dirent.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include <algorithm>
#include <array>

#include "tests/mount/support.h"

namespace mount_test {

class Side {
 public:
  static constexpr const char* kPauseLine = "-- pause --";

  Side(const std::string& directory, std::uint64_t seed, int out, int go)
      : random_(seed), out_(out), go_(go) {
    is_root_ = ::geteuid() == 0;
    must(::chdir(directory.c_str()), "chdir " + directory);
    if (is_root_) must(::chroot("."), "chroot " + directory);
    ::umask(022);
    fds_.fill(-1);
  }

  void step(std::uint64_t number) {
    line_ = std::to_string(number) + " ";
    looks_.clear();
    check_times_ = true;
    become(pick({0, 0, 1, 2}));
    choose_call();
    become(0);
    for (const Look& look : looks_) line_ += " | " + look.name + ": " + describe(look);
    emit(line_);
  }

  void pause() {
    emit(kPauseLine);
    char byte = 0;
    if (::read(go_, &byte, 1) != 1) ::_exit(1);
  }

 private:
  struct Actor {
    uid_t uid;
    gid_t gid;
    std::vector<gid_t> groups;
  };

  // A file that a step names: by path (not following a last link), or by descriptor.
  struct Look {
    std::string name;
    std::string path;
    int fd = -1;
    bool existed = false;
    struct stat before{};
  };

  // ---- chance
  // -----------------------------------------------------------------------------------------------------------

  std::uint64_t below(std::uint64_t limit) { return random_() % limit; }
  bool one_in(std::uint64_t n) { return below(n) == 0; }
  template <typename T>
  T pick(std::initializer_list<T> choices) {
    return *(choices.begin() + below(choices.size()));
  }

  std::string component() {
    if (one_in(60)) return std::string(255, 'n');
    if (one_in(120)) return std::string(256, 'n');
    if (one_in(40)) return ".";
    if (one_in(40) && is_root_) return "..";
    return std::string(1, static_cast<char>('a' + below(5)));
  }
  std::string path() {
    if (one_in(200)) return "";
    std::string out = component();
    for (std::uint64_t depth = below(3); depth > 0; --depth) out += "/" + component();
    if (one_in(40)) out += "/";
    if (one_in(60) && is_root_) out.insert(0, "/");
    return out;
  }
  mode_t mode() {
    return pick<mode_t>({0644, 0600, 0755, 0777, 0777, 0666, 04755, 02755, 06777, 01777, 0, 0444,
                         02775, 02777, 04711, 0070});
  }
  std::uint64_t offset() {
    if (one_in(30))
      return pick<std::uint64_t>(
          {std::uint64_t{1} << 32, (std::uint64_t{1} << 40) + 5, (std::uint64_t{1} << 43) - 4096});
    return one_in(2) ? below(64) * 4096 : below(300000);
  }
  std::uint64_t length() {
    return one_in(2) ? below(9000) : (one_in(2) ? below(20) * 4096 : below(200000));
  }
  std::size_t slot() { return below(fds_.size()); }

  // ---- what a step says
  // -------------------------------------------------------------------------------------------------

  void emit(const std::string& line) {
    const std::string text = line + "\n";
    if (::write(out_, text.data(), text.size()) != static_cast<ssize_t>(text.size())) ::_exit(1);
  }
  static std::string shorter(const std::string& name) {
    return name.size() <= 40 ? name : name.substr(0, 20) + "<" + std::to_string(name.size()) + ">";
  }
  template <typename... Parts>
  void call(const char* name, const Parts&... parts) {
    line_ += std::string("uid ") + std::to_string(::geteuid()) + " " + name;
    ((line_ += " " + text(parts)), ...);
  }
  static std::string text(const std::string& value) { return "'" + shorter(value) + "'"; }
  static std::string text(const char* value) { return value; }
  template <typename T>
  static std::string text(T value) {
    return std::to_string(value);
  }
  void result(std::int64_t value) {
    line_ +=
        value >= 0 ? " = " + std::to_string(value) : std::string(" = ") + ::strerrorname_np(errno);
  }
  // For calls whose success has no number worth comparing (descriptors).
  void outcome(std::int64_t value) {
    if (value >= 0) value = 0;
    result(value);
  }
  void data(std::span<const char> bytes) {
    std::uint64_t hash = 0xCBF29CE484222325u;
    for (const char byte : bytes) hash = (hash ^ static_cast<unsigned char>(byte)) * 0x100000001B3u;
    char buffer[32];
    std::snprintf(buffer, sizeof buffer, " data %016llx", static_cast<unsigned long long>(hash));
    line_ += buffer;
  }

  // ---- who, and what was before
  // -----------------------------------------------------------------------------------------

  void become(int who) {
    if (!is_root_) return;
    static const std::array<Actor, 3> kActors{
        {{0, 0, {}}, {61001, 61001, {61100}}, {61002, 61002, {61100, 61001}}}};
    const Actor& actor = kActors.at(static_cast<std::size_t>(who));
    must(::syscall(SYS_setresuid, -1, 0, -1), "setresuid");
    must(::syscall(SYS_setgroups, actor.groups.size(), actor.groups.data()), "setgroups");
    must(::syscall(SYS_setresgid, -1, actor.gid, -1), "setresgid");
    must(::syscall(SYS_setresuid, -1, actor.uid, -1), "setresuid");
  }
  void as_root_look(Look look) {
    const auto uid = ::geteuid();
    const int who = uid == 0 ? 0 : static_cast<int>(uid - 61000);
    become(0);
    look.existed = stat_of_look(look, look.before);
    become(who);
    looks_.push_back(std::move(look));
  }
  static bool stat_of_look(const Look& look, struct stat& st) {
    if (look.fd >= 0) return ::fstat(look.fd, &st) == 0;
    return ::lstat(look.path.c_str(), &st) == 0;
  }
  void watch(const std::string& name) { as_root_look({shorter(name), name, -1, false, {}}); }
  void watch_fd(std::size_t index) {
    if (fds_[index] >= 0) as_root_look({"fd " + std::to_string(index), "", fds_[index], false, {}});
  }
  void watch_with_parent(const std::string& name) {
    watch(name);
    const auto end = name.find_last_not_of('/');
    const auto slash = name.substr(0, end == std::string::npos ? 0 : end).find_last_of('/');
    watch(slash == std::string::npos ? "." : name.substr(0, slash + 1) + ".");
  }
  static bool same_time(const timespec& a, const timespec& b) {
    return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
  }
  // The state before the step of the inode that is now `st`, whatever its name was then.
  [[nodiscard]] const struct stat* state_before(const struct stat& st) const {
    for (const Look& look : looks_) {
      if (look.existed && look.before.st_ino == st.st_ino) return &look.before;
    }
    return nullptr;
  }
  [[nodiscard]] std::string describe(const Look& look) const {
    struct stat st{};
    if (!stat_of_look(look, st)) return ::strerrorname_np(errno);
    char buffer[160];
    std::snprintf(buffer, sizeof buffer, "%06o links %ju %u:%u", st.st_mode,
                  static_cast<std::uintmax_t>(st.st_nlink), st.st_uid, st.st_gid);
    std::string out = buffer;
    if (!S_ISDIR(st.st_mode)) out += " size " + std::to_string(st.st_size);
    if (S_ISCHR(st.st_mode) || S_ISBLK(st.st_mode)) out += " rdev " + std::to_string(st.st_rdev);
    if (st.st_mtim.tv_sec < 1'200'000'000) {
      out +=
          " mtime " + std::to_string(st.st_mtim.tv_sec) + "." + std::to_string(st.st_mtim.tv_nsec);
    }
    out += lists_of(look);
    const struct stat* before = state_before(st);
    if (!check_times_ || before == nullptr) return out;
    out += same_time(st.st_mtim, before->st_mtim) ? " m=" : " m+";
    out += same_time(st.st_ctim, before->st_ctim) ? " c=" : " c+";
    return out;
  }
  // Access control lists, as root sees them.
  [[nodiscard]] static std::string lists_of(const Look& look) {
    std::string out;
    for (const char* name : {"system.posix_acl_access", "system.posix_acl_default"}) {
      char value[512];
      const auto size = look.fd >= 0 ? ::fgetxattr(look.fd, name, value, sizeof value)
                                     : ::lgetxattr(look.path.c_str(), name, value, sizeof value);
      if (size < 4) continue;
      out += name[17] == 'a' ? " access" : " default";
      for (ssize_t at = 4; at + 8 <= size; at += 8) {
        char entry[32];
        std::snprintf(entry, sizeof entry, " %u:%u", static_cast<unsigned char>(value[at]),
                      static_cast<unsigned char>(value[at + 2]));
        out += entry;
      }
    }
    return out;
  }
  // For what good filesystems do differently.
  void ignore_times() { check_times_ = false; }

  bool is_kind(std::size_t index, mode_t kind) const {
    struct stat st{};
    return fds_[index] >= 0 && ::fstat(fds_[index], &st) == 0 && (st.st_mode & S_IFMT) == kind;
  }
  std::uint64_t size_of(std::size_t index) const {
    struct stat st{};
    return ::fstat(fds_[index], &st) == 0 ? static_cast<std::uint64_t>(st.st_size) : 0;
  }

  // ---- the calls (random_steps_calls.h, random_steps_acls.h)
  // ---------------------------------------------------------------------------------
  void choose_call();
  void do_open();
  void do_close();
  void do_read();
  void do_write();
  void do_seek();
  void do_seek_data();
  void do_truncate();
  void do_fallocate();
  void do_copy_range();
  void do_sync();
  void do_map();
  void do_mkdir();
  void do_remove();
  void do_rename();
  void do_link();
  void do_symlink();
  void do_readlink();
  void do_mknod();
  void do_chmod();
  void do_chown();
  void do_times();
  void do_access();
  void do_set_xattr();
  void do_get_xattr();
  void do_list_xattr();
  void do_capability();
  void do_list();
  void do_umask();
  void do_unnamed();
  void do_link_slot();
  void do_set_acl();
  void do_get_acl();
  [[nodiscard]] std::vector<char> acl_value();
  [[nodiscard]] std::string xattr_name();
  void check_hole(int fd, std::uint64_t from, std::uint64_t to);

  std::mt19937_64 random_;
  int out_;
  int go_;
  bool is_root_ = false;
  bool check_times_ = true;
  std::array<int, 8> fds_{};
  std::string line_;
  std::vector<Look> looks_;
};

}  // namespace mount_test

#include "tests/mount/random_steps_acls.h"
#include "tests/mount/random_steps_calls.h"
