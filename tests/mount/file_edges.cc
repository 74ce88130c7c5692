// file_edges DIR: the edges of files: the largest offsets, names of 255 bytes, files without a
// name, times, links, sizes.
#include <linux/falloc.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>

#include <algorithm>
#include <cinttypes>
#include <ctime>
#include <limits>

#include "tests/mount/support.h"

namespace {

using namespace mount_test;

constexpr off_t kLargest = std::numeric_limits<off_t>::max();  // 8 EiB - 1

void check_largest_offsets(const std::string& dir) {
  const std::string path = dir + "/huge";
  const Fd fd = open_file(path, O_RDWR | O_CREAT);
  if (::ftruncate(fd.get(), kLargest) != 0) {
    expect(errno == EFBIG || errno == EINVAL,
           std::string("ftruncate to 8 EiB - 1: ") + std::strerror(errno));
    std::fprintf(stderr, "files of 8 EiB - 1 are not supported here\n");
    std::exit(3);
  }
  expect(stat_of(fd.get()).st_size == kLargest, "size of the largest file");
  expect(stat_of(fd.get()).st_blocks < 1000, "a file of holes uses blocks");
  for (const std::uint64_t at :
       {std::uint64_t{1} << 40, (std::uint64_t{1} << 44) - 100, (std::uint64_t{1} << 52) + 1,
        (std::uint64_t{1} << 62), static_cast<std::uint64_t>(kLargest) - 8192}) {
    write_all(fd.get(), pattern(at, at, 5000), at);
    expect_bytes(pattern(at, at, 5000), read_range(fd.get(), at, 5000),
                 "bytes at " + std::to_string(at));
    expect_bytes(std::vector<char>(64, 0), read_range(fd.get(), at - 64, 64),
                 "the hole before " + std::to_string(at));
  }
  const off_t data = ::lseek(fd.get(), 1 << 20, SEEK_DATA);
  expect(data >= (off_t{1} << 40) - (1 << 20) && data <= off_t{1} << 40,
         "SEEK_DATA finds " + std::to_string(data));
  must(::ftruncate(fd.get(), 4096), "ftruncate");
  must(::ftruncate(fd.get(), kLargest), "ftruncate");
  expect_bytes(std::vector<char>(5000, 0), read_range(fd.get(), std::uint64_t{1} << 52, 5000),
               "a cut piece came back");
  must(::unlink(path.c_str()), "unlink");
}

void check_names(const std::string& dir) {
  const std::string longest(255, 'n');
  { const Fd fd = open_file(dir + "/" + longest, O_WRONLY | O_CREAT | O_EXCL); }
  must_fail(::open((dir + "/" + longest + "n").c_str(), O_WRONLY | O_CREAT, 0644), ENAMETOOLONG,
            "a name of 256 bytes");
  must(::mkdir((dir + "/" + std::string(255, 'd')).c_str(), 0755), "mkdir of 255 bytes");
  must(::rename((dir + "/" + longest).c_str(),
                (dir + "/" + std::string(255, 'd') + "/" + longest).c_str()),
       "rename");
  must(::unlink((dir + "/" + std::string(255, 'd') + "/" + longest).c_str()), "unlink");
  must(::rmdir((dir + "/" + std::string(255, 'd')).c_str()), "rmdir");
  std::string all;
  for (int c = 1; c < 256; ++c) {
    if (c != '/') all += static_cast<char>(c);
  }
  { const Fd fd = open_file(dir + "/" + all, O_WRONLY | O_CREAT | O_EXCL); }
  must(::access((dir + "/" + all).c_str(), F_OK), "a name of all bytes");
  must(::unlink((dir + "/" + all).c_str()), "unlink");
  struct statvfs vfs{};
  must(::statvfs(dir.c_str(), &vfs), "statvfs");
  expect(vfs.f_namemax == 255, "f_namemax is " + std::to_string(vfs.f_namemax));
  must(::symlink(std::string(4095, 'x').c_str(), (dir + "/long").c_str()), "a link of 4095 bytes");
  std::vector<char> target(5000);
  expect(::readlink((dir + "/long").c_str(), target.data(), target.size()) == 4095,
         "readlink of 4095 bytes");
  must(::unlink((dir + "/long").c_str()), "unlink");
}

void check_open_after_unlink(const std::string& dir) {
  const std::string path = dir + "/orphan";
  const Fd fd = open_file(path, O_RDWR | O_CREAT | O_EXCL);
  write_all(fd.get(), pattern(1, 0, 100000), 0);
  must(::unlink(path.c_str()), "unlink");
  expect(stat_of(fd.get()).st_nlink == 0, "links of an unlinked file");
  expect_bytes(pattern(1, 0, 100000), read_range(fd.get(), 0, 200000), "an unlinked file");
  write_all(fd.get(), pattern(2, 50000, 100000), 50000);
  must(::fchmod(fd.get(), 0600), "fchmod");
  must(::ftruncate(fd.get(), 120000), "ftruncate");
  must(::fsync(fd.get()), "fsync");
  expect_bytes(pattern(2, 50000, 70000), read_range(fd.get(), 50000, 200000),
               "writes to an unlinked file");
  const Fd replaced = open_file(path, O_RDWR | O_CREAT | O_EXCL);
  const Fd replacing = open_file(path + ".new", O_RDWR | O_CREAT | O_EXCL);
  write_all(replaced.get(), pattern(3, 0, 10), 0);
  must(::rename((path + ".new").c_str(), path.c_str()), "rename");
  expect_bytes(pattern(3, 0, 10), read_range(replaced.get(), 0, 20), "a file that rename replaced");
  must(::unlink(path.c_str()), "unlink");
  must(::mkdir((dir + "/gone").c_str(), 0755), "mkdir");
  const Fd gone = open_file(dir + "/gone", O_RDONLY | O_DIRECTORY);
  must(::rmdir((dir + "/gone").c_str()), "rmdir");
  must_fail(::openat(gone.get(), "new", O_WRONLY | O_CREAT, 0644), ENOENT,
            "a file made in a removed directory");
}

void check_unnamed(const std::string& dir) {
  const auto make = [&](int flags) {
    return Fd(::open(dir.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC | flags, 0640));
  };
  const Fd fd = make(0);
  if (fd.get() < 0 && errno == EOPNOTSUPP) {
    std::fprintf(stderr, "O_TMPFILE is not supported here\n");
    std::exit(3);
  }
  must(fd.get(), "open with O_TMPFILE");
  expect(stat_of(fd.get()).st_nlink == 0, "links of a file without a name");
  write_all(fd.get(), pattern(1, 0, 9000), 0);
  const std::string link = "/proc/self/fd/" + std::to_string(fd.get());
  must(::linkat(AT_FDCWD, link.c_str(), AT_FDCWD, (dir + "/named").c_str(), AT_SYMLINK_FOLLOW),
       "linkat of an unnamed file");
  const Fd named = open_file(dir + "/named", O_RDONLY);
  expect_bytes(pattern(1, 0, 9000), read_range(named.get(), 0, 10000),
               "an unnamed file that got a name");
  expect(stat_of(named.get()).st_nlink == 1 && (stat_of(named.get()).st_mode & 07777) == 0640,
         "its links and mode");
  must(::unlink((dir + "/named").c_str()), "unlink");
  const Fd second = make(0);
  write_all(second.get(), pattern(2, 0, 100), 0);
  if (::linkat(second.get(), "", AT_FDCWD, (dir + "/empty.path").c_str(), AT_EMPTY_PATH) == 0) {
    expect_bytes(pattern(2, 0, 100),
                 read_range(open_file(dir + "/empty.path", O_RDONLY).get(), 0, 200),
                 "named by descriptor");
    must(::unlink((dir + "/empty.path").c_str()), "unlink");
  } else {
    must_fail(-1, ENOENT, "linkat of a descriptor without the privilege");
  }
  const Fd never = make(O_EXCL);
  const std::string never_link = "/proc/self/fd/" + std::to_string(never.get());
  must_fail(
      ::linkat(AT_FDCWD, never_link.c_str(), AT_FDCWD, (dir + "/never").c_str(), AT_SYMLINK_FOLLOW),
      ENOENT, "a name for a file that can have none");
}

struct statx extended_status(const std::string& path) {
  struct statx status{};
  must(::statx(AT_FDCWD, path.c_str(), AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS | STATX_BTIME,
               &status),
       "statx " + path);
  return status;
}

// The time of birth is told, lies between two looks at the clock, and nothing moves it.
void check_birth(const std::string& dir) {
  const std::int64_t before = ::time(nullptr);
  const std::string file = dir + "/born";
  (void)open_file(file, O_RDWR | O_CREAT);
  must(::mkdir((dir + "/born.dir").c_str(), 0755), "mkdir");
  must(::symlink("nowhere", (dir + "/born.link").c_str()), "symlink");
  // time(2) lags behind the clock of births a little
  const std::int64_t after = ::time(nullptr) + 1;
  if ((extended_status(file).stx_mask & STATX_BTIME) == 0) {
    std::fprintf(stderr, "no time of birth is told here\n");
    std::exit(3);
  }
  for (const std::string& path : {file, dir + "/born.dir", dir + "/born.link"}) {
    const struct statx status = extended_status(path);
    expect((status.stx_mask & STATX_BTIME) != 0, "the mask of " + path);
    expect(before <= status.stx_btime.tv_sec && status.stx_btime.tv_sec <= after,
           "the time of birth of " + path);
  }
  const struct statx born = extended_status(file);
  const timespec times[2] = {{5, 5}, {6, 6}};
  must(::utimensat(AT_FDCWD, file.c_str(), times, 0), "utimensat");
  write_all(open_file(file, O_RDWR).get(), pattern(1, 0, 10), 0);
  must(::chmod(file.c_str(), 0600), "chmod");
  must(::rename(file.c_str(), (file + "2").c_str()), "rename");
  const struct statx now = extended_status(file + "2");
  expect(now.stx_btime.tv_sec == born.stx_btime.tv_sec &&
             now.stx_btime.tv_nsec == born.stx_btime.tv_nsec,
         "a time of birth that moved");
  for (const char* name : {"/born2", "/born.link"}) must(::unlink((dir + name).c_str()), "unlink");
  must(::rmdir((dir + "/born.dir").c_str()), "rmdir");
}

void check_times(const std::string& dir) {
  const std::string path = dir + "/times";
  const Fd fd = open_file(path, O_RDWR | O_CREAT);
  for (const timespec time : {timespec{0, 0}, timespec{1, 1}, timespec{2'000'000'000, 999'999'999},
                              timespec{-5, 500}, timespec{4'000'000'000, 7}}) {
    const timespec times[2] = {time, time};
    must(::futimens(fd.get(), times), "futimens");
    const struct stat st = stat_of(fd.get());
    expect(st.st_mtim.tv_sec == time.tv_sec && st.st_mtim.tv_nsec == time.tv_nsec,
           "mtime " + std::to_string(time.tv_sec) + " is " + std::to_string(st.st_mtim.tv_sec) +
               "." + std::to_string(st.st_mtim.tv_nsec));
  }
  must(::unlink(path.c_str()), "unlink");
}

void check_attributes(const std::string& dir) {
  const std::string path = dir + "/attributes";
  const Fd fd = open_file(path, O_RDWR | O_CREAT);
  for (const std::size_t size : {std::size_t{0}, std::size_t{1}, std::size_t{2000}}) {
    const std::vector<char> value = pattern(size, 0, size);
    const std::string name = "user.size" + std::to_string(size);
    must(::fsetxattr(fd.get(), name.c_str(), value.data(), size, 0), "fsetxattr " + name);
    std::vector<char> seen(70000);
    seen.resize(static_cast<std::size_t>(
        must(::fgetxattr(fd.get(), name.c_str(), seen.data(), seen.size()), "fgetxattr")));
    expect_bytes(value, seen, name);
  }
  const std::string longest = "user." + std::string(250, 'n');
  must(::fsetxattr(fd.get(), longest.c_str(), "x", 1, 0), "a name of 255 bytes");
  must_fail(::fsetxattr(fd.get(), (longest + "n").c_str(), "x", 1, 0), ERANGE,
            "a name of 256 bytes");
  must_fail(::fsetxattr(fd.get(), "user.large", pattern(1, 0, 65537).data(), 65537, 0), E2BIG,
            "a value of 65537 bytes");
  must(::unlink(path.c_str()), "unlink");
}

void check_many_links(const std::string& dir) {
  const Fd fd = open_file(dir + "/linked", O_RDWR | O_CREAT);
  for (int i = 0; i < 1000; ++i)
    must(::link((dir + "/linked").c_str(), (dir + "/linked" + std::to_string(i)).c_str()), "link");
  expect(stat_of(fd.get()).st_nlink == 1001, "links");
  for (int i = 0; i < 1000; ++i)
    must(::unlink((dir + "/linked" + std::to_string(i)).c_str()), "unlink");
  expect(stat_of(fd.get()).st_nlink == 1, "links after unlink");
  must(::unlink((dir + "/linked").c_str()), "unlink");
}

void check_appends(const std::string& dir) {
  const std::string path = dir + "/appended";
  const Fd one = open_file(path, O_WRONLY | O_CREAT | O_APPEND);
  const Fd two = open_file(path, O_WRONLY | O_APPEND);
  for (int i = 0; i < 100; ++i) {
    must(::write(one.get(), "one,", 4), "write");
    must(::write(two.get(), "two,", 4), "write");
  }
  const Fd fd = open_file(path, O_RDONLY);
  std::string expected;
  for (int i = 0; i < 100; ++i) expected += "one,two,";
  expect_bytes(expected, read_range(fd.get(), 0, 10000), "two appending writers");
  must(::unlink(path.c_str()), "unlink");
}

}  // namespace

int main(int argc, char** argv) {
  expect(argc == 3, "usage: file_edges CHECK DIR");
  const std::string check = argv[1];
  const std::string dir = argv[2];
  if (check == "offsets") check_largest_offsets(dir);
  else if (check == "names") check_names(dir);
  else if (check == "orphans") check_open_after_unlink(dir);
  else if (check == "unnamed") check_unnamed(dir);
  else if (check == "birth") check_birth(dir);
  else if (check == "times") check_times(dir);
  else if (check == "attributes") check_attributes(dir);
  else if (check == "links") check_many_links(dir);
  else if (check == "appends") check_appends(dir);
  else die("unknown check " + check);
  return 0;
}
