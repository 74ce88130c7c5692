// mapped_files DIR: shared mappings, read, write, truncate and O_DIRECT of one file see each
// other's bytes.
#include <sys/mman.h>
#include <sys/wait.h>

#include <algorithm>
#include <csetjmp>
#include <csignal>

#include "tests/mount/support.h"

namespace {

using namespace mount_test;

constexpr std::size_t kSize = 256 * 1024;

char* map_of(const Fd& fd, std::size_t size, int protection = PROT_READ | PROT_WRITE,
             int flags = MAP_SHARED) {
  void* map = ::mmap(nullptr, size, protection, flags, fd.get(), 0);
  expect(map != MAP_FAILED, std::string("mmap: ") + std::strerror(errno));
  return static_cast<char*>(map);
}

std::span<const char> span_of(const char* map, std::size_t size) { return {map, size}; }

void check_write_and_map(const std::string& path) {
  const Fd fd = open_file(path, O_RDWR | O_CREAT | O_TRUNC);
  write_all(fd.get(), pattern(1, 0, kSize), 0);
  char* map = map_of(fd, kSize);
  expect_bytes(pattern(1, 0, kSize), span_of(map, kSize), "what was written, mapped");
  write_all(fd.get(), pattern(2, 5000, 70000), 5000);
  expect_bytes(pattern(2, 5000, 70000), span_of(map + 5000, 70000), "a later write, mapped");
  const std::vector<char> stored = pattern(3, 100000, 9999);
  std::ranges::copy(stored, map + 100000);
  expect_bytes(stored, read_range(fd.get(), 100000, 9999), "a store, read by the same descriptor");
  const Fd other = open_file(path, O_RDONLY);
  expect_bytes(stored, read_range(other.get(), 100000, 9999),
               "a store, read by another descriptor");
  char* second = map_of(other, kSize, PROT_READ);
  map[kSize - 1] = 'z';
  expect(second[kSize - 1] == 'z', "a store is not seen in another mapping");
  must(::munmap(second, kSize), "munmap");
  must(::munmap(map, kSize), "munmap");
}

void check_between_processes(const std::string& path) {
  const Fd fd = open_file(path, O_RDWR);
  char* map = map_of(fd, kSize);
  const auto pid = static_cast<pid_t>(must(::fork(), "fork"));
  if (pid == 0) {
    const Fd own = open_file(path, O_RDWR);
    char* mine = map_of(own, kSize);
    const std::vector<char> bytes = pattern(4, 0, kSize);
    std::ranges::copy(bytes, mine);
    ::_exit(0);
  }
  int status = 0;
  must(::waitpid(pid, &status, 0), "waitpid");
  expect(status == 0, "the child failed");
  expect_bytes(pattern(4, 0, kSize), span_of(map, kSize), "another process's stores");
  must(::munmap(map, kSize), "munmap");
}

void check_private(const std::string& path) {
  const Fd fd = open_file(path, O_RDWR);
  char* map = map_of(fd, kSize, PROT_READ | PROT_WRITE, MAP_PRIVATE);
  const std::vector<char> before = read_range(fd.get(), 0, kSize);
  std::fill_n(map, kSize, 'p');
  expect_bytes(before, read_range(fd.get(), 0, kSize),
               "the file after stores to a private mapping");
  must(::munmap(map, kSize), "munmap");
}

sigjmp_buf out_of_the_file;

bool touching_faults(const volatile char* address) {
  std::signal(SIGBUS, [](int) { siglongjmp(out_of_the_file, 1); });
  if (sigsetjmp(out_of_the_file, 1) != 0) return true;
  const char seen = *address;
  static_cast<void>(seen);
  return false;
}

void check_truncated(const std::string& path) {
  const Fd fd = open_file(path, O_RDWR);
  char* map = map_of(fd, kSize);
  std::fill_n(map, kSize, 't');
  must(::ftruncate(fd.get(), 5000), "ftruncate");
  expect(map[4999] == 't', "the byte before the end went");
  expect(map[5000] == 0 && map[8191] == 0, "bytes behind the end are not zero in the last page");
  expect(touching_faults(map + 8192), "a page behind the end can be read");
  map[6000] = 'x';  // behind the end: must not come back when the file grows
  must(::msync(map, 8192, MS_SYNC), "msync");
  must(::ftruncate(fd.get(), 20000), "ftruncate");
  const std::vector<char> grown = read_range(fd.get(), 5000, 15000);
  expect(std::ranges::all_of(grown, [](char c) { return c == 0; }),
         "old bytes came back when the file grew");
  expect(map[6000] == 0 && map[19999] == 0, "old bytes came back in the mapping");
  must(::munmap(map, kSize), "munmap");
}

void check_direct(const std::string& path) {
  const Fd direct(::open(path.c_str(), O_RDWR | O_DIRECT | O_CLOEXEC));
  if (direct.get() < 0 && errno == EINVAL) return;  // a filesystem without O_DIRECT
  must(direct.get(), "open with O_DIRECT");
  const Fd cached = open_file(path, O_RDWR);
  must(::ftruncate(cached.get(), 0), "ftruncate");
  write_all(cached.get(), pattern(5, 0, kSize), 0);
  void* memory = ::aligned_alloc(4096, kSize);
  const std::span<char> buffer(static_cast<char*>(memory), kSize);
  expect(::pread(direct.get(), buffer.data(), kSize, 0) == kSize, "direct read");
  expect_bytes(pattern(5, 0, kSize), buffer, "cached writes, read directly");
  std::ranges::copy(pattern(6, 8192, 65536), buffer.begin());
  expect(::pwrite(direct.get(), buffer.data(), 65536, 8192) == 65536, "direct write");
  expect_bytes(pattern(6, 8192, 65536), read_range(cached.get(), 8192, 65536),
               "direct writes, read from the cache");
  char* map = map_of(cached, kSize);
  std::ranges::copy(pattern(7, 0, 4096), map);
  expect(::pread(direct.get(), buffer.data(), 4096, 0) == 4096, "direct read");
  expect_bytes(pattern(7, 0, 4096), buffer.first(4096), "a store, read directly");
  std::ranges::copy(pattern(8, 4096, 4096), buffer.begin());
  expect(::pwrite(direct.get(), buffer.data(), 4096, 4096) == 4096, "direct write");
  expect_bytes(pattern(8, 4096, 4096), span_of(map + 4096, 4096), "a direct write, mapped");
  expect(::pwrite(direct.get(), buffer.data(), 4096, kSize + 8192) == 4096,
         "direct write beyond the end");
  expect(stat_of(cached.get()).st_size == kSize + 8192 + 4096,
         "size after a direct write beyond the end");
  must(::munmap(map, kSize), "munmap");
  std::free(memory);
}

// Everything is still there after the pages went to disk and came back.
void check_reopened(const std::string& path) {
  {
    const Fd fd = open_file(path, O_RDWR | O_TRUNC);
    must(::ftruncate(fd.get(), kSize), "ftruncate");
    char* map = map_of(fd, kSize);
    const std::vector<char> bytes = pattern(9, 0, kSize);
    std::ranges::copy(bytes, map);
    must(::munmap(map, kSize), "munmap");  // no msync: the pages are dirty
  }
  const Fd fd = open_file(path, O_RDONLY);
  must(::fsync(fd.get()), "fsync");
  must(::posix_fadvise(fd.get(), 0, 0, POSIX_FADV_DONTNEED), "fadvise");
  expect_bytes(pattern(9, 0, kSize), read_range(fd.get(), 0, kSize),
               "stores without msync, after the cache was dropped");
}

}  // namespace

int main(int argc, char** argv) {
  expect(argc == 2, "usage: mapped_files DIR");
  const std::string path = std::string(argv[1]) + "/mapped";
  check_write_and_map(path);
  check_between_processes(path);
  check_private(path);
  check_truncated(path);
  check_direct(path);
  check_reopened(path);
  must(::unlink(path.c_str()), "unlink");
  return 0;
}
