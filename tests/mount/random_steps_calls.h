// The calls of random_steps.h: each draws its arguments, says them, makes the call and says the
// result.
#pragma once

#include "tests/mount/random_steps.h"

namespace mount_test {

inline void Side::choose_call() {
  using Call = void (Side::*)();
  struct Weighted {
    unsigned weight;
    Call call;
  };
  static constexpr Weighted kCalls[] = {
      {14, &Side::do_open},      {2, &Side::do_close},      {8, &Side::do_read},
      {12, &Side::do_write},     {3, &Side::do_seek},       {3, &Side::do_seek_data},
      {6, &Side::do_truncate},   {6, &Side::do_fallocate},  {6, &Side::do_copy_range},
      {1, &Side::do_sync},       {4, &Side::do_map},        {8, &Side::do_mkdir},
      {6, &Side::do_remove},     {8, &Side::do_rename},     {5, &Side::do_link},
      {4, &Side::do_symlink},    {2, &Side::do_readlink},   {3, &Side::do_mknod},
      {6, &Side::do_chmod},      {6, &Side::do_chown},      {4, &Side::do_times},
      {2, &Side::do_access},     {5, &Side::do_set_xattr},  {3, &Side::do_get_xattr},
      {2, &Side::do_list_xattr}, {1, &Side::do_capability}, {4, &Side::do_list},
      {2, &Side::do_umask},      {7, &Side::do_set_acl},    {2, &Side::do_get_acl},
      {2, &Side::do_unnamed},    {3, &Side::do_link_slot},
  };
  unsigned total = 0;
  for (const Weighted& entry : kCalls) total += entry.weight;
  auto at = below(total);
  for (const Weighted& entry : kCalls) {
    if (at < entry.weight) return (this->*entry.call)();
    at -= entry.weight;
  }
}

inline void Side::do_open() {
  const std::size_t index = slot();
  const std::string name = path();
  int flags = pick({O_RDONLY, O_WRONLY, O_RDWR, O_RDWR, O_RDWR}) | O_NONBLOCK | O_CLOEXEC;
  if (!one_in(3)) flags |= O_CREAT;
  if (one_in(8)) flags |= O_EXCL;
  if (one_in(8)) flags |= O_TRUNC;
  if (one_in(8)) flags |= O_APPEND;
  if (one_in(8)) flags |= O_NOFOLLOW;
  if (one_in(16)) flags |= O_DIRECTORY;
  const mode_t permissions = mode();
  call("open slot", index, name, flags, permissions);
  watch_with_parent(name);
  if (fds_[index] >= 0) ::close(fds_[index]);
  fds_[index] = ::open(name.c_str(), flags, permissions);
  outcome(fds_[index]);
}

inline void Side::do_close() {
  const std::size_t index = slot();
  call("close slot", index);
  if (fds_[index] >= 0) ::close(fds_[index]);
  fds_[index] = -1;
}

inline void Side::do_read() {
  const std::size_t index = slot();
  const std::uint64_t from = offset();
  std::vector<char> buffer(length());
  const bool positioned = one_in(2);
  call(positioned ? "pread slot" : "read slot", index, from, buffer.size());
  const auto n = positioned
                     ? ::pread(fds_[index], buffer.data(), buffer.size(), static_cast<off_t>(from))
                     : ::read(fds_[index], buffer.data(), buffer.size());
  result(n);
  data({buffer.data(), static_cast<std::size_t>(std::max<ssize_t>(n, 0))});
}

inline void Side::do_write() {
  const std::size_t index = slot();
  const std::uint64_t to = offset();
  const std::vector<char> bytes = pattern(random_(), to, length());
  const bool positioned = !one_in(3);
  call(positioned ? "pwrite slot" : "write slot", index, to, bytes.size());
  watch_fd(index);
  // The kernel leaves the times of a FIFO alone on FUSE: both sides get those of now, for later
  // steps.
  const bool fifo = is_kind(index, S_IFIFO);
  if (fifo) ignore_times();
  const auto done = positioned
                        ? ::pwrite(fds_[index], bytes.data(), bytes.size(), static_cast<off_t>(to))
                        : ::write(fds_[index], bytes.data(), bytes.size());
  result(done);
  if (!fifo || done <= 0) return;
  become(0);
  must(::futimens(fds_[index], nullptr), "futimens");
}

inline void Side::do_seek() {
  const std::size_t index = slot();
  const int whence = pick({SEEK_SET, SEEK_CUR, SEEK_END, 77});
  const auto to = static_cast<off_t>(below(200000)) - 1000;
  call("lseek slot", index, to, whence);
  if (is_kind(index, S_IFDIR)) return;
  result(::lseek(fds_[index], to, whence));
}

// All of [from, to) must read as zeros (looked at up to 1 MiB).
inline void Side::check_hole(int fd, std::uint64_t from, std::uint64_t to) {
  std::vector<char> buffer(std::min<std::uint64_t>(to - from, 1 << 20));
  const ssize_t n = ::pread(fd, buffer.data(), buffer.size(), static_cast<off_t>(from));
  const bool zero = std::all_of(buffer.begin(), buffer.begin() + std::max<ssize_t>(n, 0),
                                [](char c) { return c == 0; });
  if (n >= 0 && !zero) line_ += " DATA IN A HOLE";
}

inline void Side::do_seek_data() {
  const std::size_t index = slot();
  const int whence = pick({SEEK_DATA, SEEK_HOLE});
  const std::uint64_t from = offset();
  call(whence == SEEK_DATA ? "lseek data slot" : "lseek hole slot", index, from);
  const int fd = fds_[index];
  if (!is_kind(index, S_IFREG)) return;
  const std::uint64_t size = size_of(index);
  const off_t position = ::lseek(fd, 0, SEEK_CUR);
  const off_t found = ::lseek(fd, static_cast<off_t>(from), whence);
  const int error = errno;
  ::lseek(fd, position, SEEK_SET);
  errno = error;
  if (from >= size) return result(found);
  if (found < 0 && (errno != ENXIO || whence == SEEK_HOLE)) return result(found);
  const std::uint64_t end = found < 0 ? size : static_cast<std::uint64_t>(found);
  if (end < from || end > size) line_ += " OUTSIDE OF THE FILE";
  if (whence == SEEK_DATA) check_hole(fd, from, end);
}

inline void Side::do_truncate() {
  const std::size_t index = slot();
  const std::uint64_t size = one_in(4) ? 0 : offset();
  if (one_in(2)) {
    call("ftruncate slot", index, size);
    watch_fd(index);
    return result(::ftruncate(fds_[index], static_cast<off_t>(size)));
  }
  const std::string name = path();
  call("truncate", name, size);
  watch(name);
  // To the same size: ext4 leaves mtime alone, others set it.
  struct stat st{};
  if (::stat(name.c_str(), &st) == 0 && S_ISREG(st.st_mode) &&
      static_cast<std::uint64_t>(st.st_size) == size) {
    ignore_times();
  }
  result(::truncate(name.c_str(), static_cast<off_t>(size)));
}

inline void Side::do_fallocate() {
  const std::size_t index = slot();
  const int flags = pick({0, FALLOC_FL_KEEP_SIZE, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                          FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, FALLOC_FL_ZERO_RANGE,
                          FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE, FALLOC_FL_PUNCH_HOLE});
  const std::uint64_t from = below(300000);
  const std::uint64_t size = length();
  call("fallocate slot", index, flags, from, size);
  ignore_times();
  watch_fd(index);
  result(::fallocate(fds_[index], flags, static_cast<off_t>(from), static_cast<off_t>(size)));
}

inline void Side::do_copy_range() {
  const std::size_t source = slot();
  const std::size_t target = slot();
  const bool aligned = one_in(2);
  auto from = static_cast<off_t>(aligned ? below(40) * 4096 : below(200000));
  auto to = static_cast<off_t>(aligned ? below(40) * 4096 : below(200000));
  const std::uint64_t size = aligned ? (below(20) + 1) * 4096 : length();
  call("copy_file_range slots", source, from, target, to, size);
  watch_fd(target);
  ignore_times();
  std::uint64_t done = 0;
  ssize_t n = 0;
  do {
    n = ::copy_file_range(fds_[source], &from, fds_[target], &to, size - done, 0);
    if (n > 0) done += static_cast<std::uint64_t>(n);
  } while (n > 0 && done < size);
  result(n < 0 && done == 0 ? n : static_cast<std::int64_t>(done));
  std::vector<char> seen(1 << 18);
  const ssize_t readable = ::pread(fds_[target], seen.data(), seen.size(), 0);
  data({seen.data(), static_cast<std::size_t>(std::max<ssize_t>(readable, 0))});
}

inline void Side::do_sync() {
  const std::size_t index = slot();
  const bool whole = one_in(2);
  call(whole ? "fsync slot" : "fdatasync slot", index);
  result(whole ? ::fsync(fds_[index]) : ::fdatasync(fds_[index]));
}

// Reads and writes a piece through a shared mapping.
inline void Side::do_map() {
  const std::size_t index = slot();
  const std::uint64_t from = below(30) * 4096;
  const std::uint64_t size = (below(4) + 1) * 4096;
  const std::vector<char> bytes = pattern(random_(), from, below(4096) + 1);
  call("mmap slot", index, from, size, bytes.size());
  watch_fd(index);
  ignore_times();
  if (!is_kind(index, S_IFREG) || size_of(index) < from + size) return;
  void* map = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, fds_[index],
                     static_cast<off_t>(from));
  if (map == MAP_FAILED) return result(-1);
  data({static_cast<const char*>(map), size});
  std::memcpy(static_cast<char*>(map) + size - bytes.size(), bytes.data(), bytes.size());
  result(::msync(map, size, MS_SYNC));
  ::munmap(map, size);
}

inline void Side::do_mkdir() {
  const std::string name = path();
  const mode_t permissions = mode() | (one_in(2) ? 0777 : 0);
  call("mkdir", name, permissions);
  watch_with_parent(name);
  result(::mkdir(name.c_str(), permissions));
}

inline void Side::do_remove() {
  const std::string name = path();
  const bool directory = one_in(2);
  call(directory ? "rmdir" : "unlink", name);
  watch_with_parent(name);
  result(directory ? ::rmdir(name.c_str()) : ::unlink(name.c_str()));
}

inline void Side::do_rename() {
  const std::string from = path();
  const std::string to = path();
  // RENAME_WHITEOUT alone: where a directory is not empty, ext4 takes the whiteout back, and its
  // directory has new times.
  const unsigned flags =
      pick<unsigned>({0, 0, 0, RENAME_NOREPLACE, RENAME_EXCHANGE, RENAME_EXCHANGE,
                      RENAME_NOREPLACE | RENAME_EXCHANGE, RENAME_WHITEOUT | RENAME_NOREPLACE,
                      RENAME_WHITEOUT | RENAME_EXCHANGE});
  call("rename", from, to, flags);
  watch_with_parent(from);
  watch_with_parent(to);
  result(::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), flags));
}

inline void Side::do_link() {
  const std::string from = path();
  const std::string to = path();
  const int flags = one_in(3) ? AT_SYMLINK_FOLLOW : 0;
  call("link", from, to, flags);
  watch(from);
  watch_with_parent(to);
  result(::linkat(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), flags));
}

inline void Side::do_symlink() {
  const std::string target = one_in(20) ? std::string(below(4095) + 1, 'x') : path();
  const std::string name = path();
  call("symlink", target, name);
  watch_with_parent(name);
  result(::symlink(target.c_str(), name.c_str()));
}

inline void Side::do_readlink() {
  const std::string name = path();
  std::vector<char> buffer(one_in(4) ? 3 : 4096);
  call("readlink", name, buffer.size());
  const auto n = ::readlink(name.c_str(), buffer.data(), buffer.size());
  result(n);
  data({buffer.data(), static_cast<std::size_t>(std::max<ssize_t>(n, 0))});
}

inline void Side::do_mknod() {
  const std::string name = path();
  const mode_t kind = pick<mode_t>({S_IFIFO, S_IFSOCK, S_IFREG, S_IFCHR, S_IFBLK});
  const mode_t permissions = mode();
  const dev_t device =
      kind == S_IFCHR || kind == S_IFBLK
          ? makedev(static_cast<unsigned>(below(4000)), static_cast<unsigned>(below(1 << 20)))
          : 0;
  call("mknod", name, kind | permissions, device);
  watch_with_parent(name);
  result(::mknod(name.c_str(), kind | permissions, device));
}

inline void Side::do_chmod() {
  const mode_t permissions = mode();
  if (one_in(3)) {
    const std::size_t index = slot();
    call("fchmod slot", index, permissions);
    watch_fd(index);
    return result(::fchmod(fds_[index], permissions));
  }
  const std::string name = path();
  call("chmod", name, permissions);
  watch(name);
  result(::chmod(name.c_str(), permissions));
}

inline void Side::do_chown() {
  const auto uid = pick<uid_t>({0, 61001, 61002, static_cast<uid_t>(-1), static_cast<uid_t>(-1)});
  auto gid = pick<gid_t>({0, 61001, 61002, 61100, static_cast<gid_t>(-1)});
  // A call that changes nothing looks to a FUSE daemon like the loss of privileges before a write:
  // never made.
  if (uid == static_cast<uid_t>(-1) && gid == static_cast<gid_t>(-1)) gid = 61100;
  if (one_in(3)) {
    const std::size_t index = slot();
    call("fchown slot", index, uid, gid);
    watch_fd(index);
    return result(::fchown(fds_[index], uid, gid));
  }
  const std::string name = path();
  const int flags = one_in(3) ? AT_SYMLINK_NOFOLLOW : 0;
  call("chown", name, uid, gid, flags);
  watch(name);
  result(::fchownat(AT_FDCWD, name.c_str(), uid, gid, flags));
}

inline void Side::do_times() {
  const auto one_time = [this] {
    const auto nanoseconds = pick<long>({static_cast<long>(below(1'000'000'000)), 999'999'999, 0,
                                         UTIME_NOW, UTIME_OMIT, 1'000'000'000});
    return timespec{static_cast<time_t>(below(1'100'000'000)), nanoseconds};
  };
  const timespec times[2] = {one_time(), one_time()};
  const bool now = one_in(6);
  if (one_in(3)) {
    const std::size_t index = slot();
    call("futimens slot", index, now ? "now" : "given", times[1].tv_sec, times[1].tv_nsec);
    watch_fd(index);
    return result(::futimens(fds_[index], now ? nullptr : times));
  }
  const std::string name = path();
  const int flags = one_in(3) ? AT_SYMLINK_NOFOLLOW : 0;
  call("utimensat", name, now ? "now" : "given", times[0].tv_nsec, times[1].tv_sec,
       times[1].tv_nsec, flags);
  watch(name);
  result(::utimensat(AT_FDCWD, name.c_str(), now ? nullptr : times, flags));
}

inline void Side::do_access() {
  const std::string name = path();
  const int wanted = static_cast<int>(below(8));
  call("access", name, wanted);
  result(::faccessat(AT_FDCWD, name.c_str(), wanted, AT_EACCESS));
}

inline std::string Side::xattr_name() {
  return pick<const char*>(
      {"user.a", "user.a", "user.b", "trusted.a", "security.a", "nonsense.a", "nonsense"});
}

inline void Side::do_set_xattr() {
  const std::string name = path();
  const std::string attribute = xattr_name();
  const std::vector<char> value = pattern(random_(), 0, below(200));
  const int flags = pick<int>({0, 0, XATTR_CREATE, XATTR_REPLACE});
  const unsigned how = static_cast<unsigned>(below(5));
  const std::size_t index = slot();
  call("setxattr", name, index, attribute, value.size(), flags, how);
  watch(name);
  watch_fd(index);
  switch (how) {
    case 0:
      return result(
          ::lsetxattr(name.c_str(), attribute.c_str(), value.data(), value.size(), flags));
    case 1:
      return result(::fsetxattr(fds_[index], attribute.c_str(), value.data(), value.size(), flags));
    case 2: return result(::removexattr(name.c_str(), attribute.c_str()));
    default:
      return result(::setxattr(name.c_str(), attribute.c_str(), value.data(), value.size(), flags));
  }
}

inline void Side::do_get_xattr() {
  const std::string name = path();
  const std::string attribute = xattr_name();
  std::vector<char> buffer(pick<std::size_t>({0, 10, 256}));
  call("getxattr", name, attribute, buffer.size());
  const auto n = ::getxattr(name.c_str(), attribute.c_str(), buffer.data(), buffer.size());
  result(n);
  if (!buffer.empty()) data({buffer.data(), static_cast<std::size_t>(std::max<ssize_t>(n, 0))});
}

inline void Side::do_list_xattr() {
  const std::string name = path();
  std::vector<char> buffer(pick<std::size_t>({0, 5, 1024}));
  call("listxattr", name, buffer.size());
  const auto n = ::llistxattr(name.c_str(), buffer.data(), buffer.size());
  result(n);
  if (buffer.empty() || n <= 0) return;
  std::vector<std::string> names;
  for (ssize_t at = 0; at < n; at += static_cast<ssize_t>(names.back().size()) + 1)
    names.emplace_back(buffer.data() + at);
  std::ranges::sort(names);
  for (const std::string& attribute : names) line_ += " " + attribute;
}

// A file without a name; some can never get one.
inline void Side::do_unnamed() {
  const std::size_t index = slot();
  const std::string name = path();
  const int flags =
      O_TMPFILE | O_CLOEXEC | pick({O_RDWR, O_RDWR, O_WRONLY, O_RDONLY}) | (one_in(4) ? O_EXCL : 0);
  const mode_t permissions = mode();
  call("open unnamed slot", index, name, flags, permissions);
  watch(name);
  if (fds_[index] >= 0) ::close(fds_[index]);
  fds_[index] = ::open(name.c_str(), flags, permissions);
  outcome(fds_[index]);
  watch_fd(index);
}

inline void Side::do_link_slot() {
  const std::size_t index = slot();
  const std::string name = path();
  call("link slot", index, name);
  watch_fd(index);
  watch_with_parent(name);
  result(::linkat(fds_[index], "", AT_FDCWD, name.c_str(), AT_EMPTY_PATH));
}

// A file capability, which any later write must take away.
inline void Side::do_capability() {
  const std::string name = path();
  const vfs_cap_data value{VFS_CAP_REVISION_2, {{1, 0}, {0, 0}}};
  call("set capability", name);
  watch(name);
  result(::setxattr(name.c_str(), "security.capability", &value, sizeof value, 0));
}

inline void Side::do_list() {
  const std::string name = path();
  call("list", name);
  DIR* dir = ::opendir(name.c_str());
  result(dir == nullptr ? -1 : 0);
  if (dir == nullptr) return;
  std::vector<std::string> names;
  while (const dirent* entry = ::readdir(dir)) {
    names.push_back(shorter(entry->d_name) +
                    (entry->d_type == DT_UNKNOWN ? "" : ":" + std::to_string(entry->d_type)));
  }
  ::closedir(dir);
  std::ranges::sort(names);
  for (const std::string& entry : names) line_ += " " + entry;
}

// None takes the group's execute bit: a setgid bit without it is cleared later by other filesystems
// and not by the FUSE protocol.
inline void Side::do_umask() {
  const mode_t mask = pick<mode_t>({022, 0, 07, 027, 02});
  call("umask", mask);
  ::umask(mask);
}

}  // namespace mount_test
