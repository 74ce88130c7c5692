// What the test programs of tests/mount share: failing loudly, descriptors, file content made from
// a seed.
//
// A test program ends with exit code 0 when all it checks is so, else it says on stderr what
// differed and ends with 1. They use the kernel's interface alone and no code of cowfs.
#pragma once

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>
#include <source_location>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace mount_test {

[[noreturn]] inline void die(const std::string& what) {
  std::fprintf(stderr, "FAILED: %s\n", what.c_str());
  std::exit(1);
}

inline void expect(bool so, const std::string& what,
                   std::source_location at = std::source_location::current()) {
  if (!so) die(std::string(at.file_name()) + ":" + std::to_string(at.line()) + ": " + what);
}

// The value of a system call that must succeed.
inline std::int64_t must(std::int64_t result, const std::string& what,
                         std::source_location at = std::source_location::current()) {
  const int error = errno;
  if (result < 0) {
    die(std::string(at.file_name()) + ":" + std::to_string(at.line()) + ": " + what + ": " +
        std::strerror(error));
  }
  return result;
}

// A system call that must fail with `error`.
inline void must_fail(std::int64_t result, int error, const std::string& what,
                      std::source_location at = std::source_location::current()) {
  const int seen = errno;
  const std::string where =
      std::string(at.file_name()) + ":" + std::to_string(at.line()) + ": " + what;
  if (result >= 0) die(where + ": succeeded, expected " + std::strerror(error));
  if (seen != error) die(where + ": " + std::strerror(seen) + ", expected " + std::strerror(error));
}

class Fd {
 public:
  Fd() = default;
  explicit Fd(int fd) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Fd() {
    if (fd_ >= 0) ::close(fd_);
  }
  [[nodiscard]] int get() const { return fd_; }

 private:
  int fd_ = -1;
};

inline Fd open_file(const std::string& path, int flags, mode_t mode = 0644,
                    std::source_location at = std::source_location::current()) {
  return Fd(
      static_cast<int>(must(::open(path.c_str(), flags | O_CLOEXEC, mode), "open " + path, at)));
}

inline struct stat stat_of(int fd) {
  struct stat st{};
  must(::fstat(fd, &st), "fstat");
  return st;
}

// Bytes that tell where they belong: the same for equal (seed, offset), almost never for others.
inline std::vector<char> pattern(std::uint64_t seed, std::uint64_t offset, std::size_t size) {
  std::vector<char> bytes(size);
  for (std::size_t i = 0; i < size; ++i) {
    std::uint64_t x = (seed * 0x9E3779B97F4A7C15u) ^ ((offset + i) / 8 + 1) * 0xD6E8FEB86659FD93u;
    x ^= x >> 32;
    x *= 0xD6E8FEB86659FD93u;
    bytes[i] = static_cast<char>(x >> (8 * ((offset + i) % 8)));
  }
  return bytes;
}

inline void write_all(int fd, std::span<const char> bytes, std::uint64_t offset) {
  while (!bytes.empty()) {
    const auto n =
        must(::pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(offset)), "pwrite");
    bytes = bytes.subspan(static_cast<std::size_t>(n));
    offset += static_cast<std::uint64_t>(n);
  }
}

// Up to `size` bytes from `offset`, fewer at the end of the file.
inline std::vector<char> read_range(int fd, std::uint64_t offset, std::size_t size) {
  std::vector<char> bytes(size);
  std::size_t done = 0;
  while (done < size) {
    const auto n = must(
        ::pread(fd, bytes.data() + done, size - done, static_cast<off_t>(offset + done)), "pread");
    if (n == 0) break;
    done += static_cast<std::size_t>(n);
  }
  bytes.resize(done);
  return bytes;
}

inline void expect_bytes(std::span<const char> expected, std::span<const char> seen,
                         const std::string& what,
                         std::source_location at = std::source_location::current()) {
  expect(expected.size() == seen.size(),
         what + ": " + std::to_string(seen.size()) + " bytes, expected " +
             std::to_string(expected.size()),
         at);
  for (std::size_t i = 0; i < expected.size(); ++i) {
    if (expected[i] == seen[i]) continue;
    expect(false,
           what + ": byte " + std::to_string(i) + " is " +
               std::to_string(static_cast<unsigned char>(seen[i])) + ", expected " +
               std::to_string(static_cast<unsigned char>(expected[i])),
           at);
  }
}

}  // namespace mount_test
