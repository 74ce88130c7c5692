// file_edges DIR: the edges of files: the largest offsets, names of 255 bytes, files without a
// name, times, links, sizes.
#include <linux/falloc.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>

#include <algorithm>
#include <cinttypes>
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
  const Fd fd(::open(dir.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0640));
  if (fd.get() < 0 && errno == EOPNOTSUPP) {
    std::fprintf(stderr, "O_TMPFILE is not supported here\n");
    return;
  }
  must(fd.get(), "open with O_TMPFILE");
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
  else if (check == "times") check_times(dir);
  else if (check == "attributes") check_attributes(dir);
  else if (check == "links") check_many_links(dir);
  else if (check == "appends") check_appends(dir);
  else die("unknown check " + check);
  return 0;
}
