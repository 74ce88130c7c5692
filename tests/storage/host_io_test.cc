// Calls to the host that do less than was asked. (Those that a signal interrupts: tests/mount/host_calls_test.sh.)
#include "lib/storage/host_io.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <vector>

#include "lib/base/unique_fd.h"

namespace cowfs {
namespace {

/// While it lives no file of this process grows beyond a size: a write across it is a short one, and
/// the next one fails with EFBIG.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) {
    ::getrlimit(RLIMIT_FSIZE, &before_);
    rlimit limit = before_;
    limit.rlim_cur = bytes;
    ::setrlimit(RLIMIT_FSIZE, &limit);
    handler_ = ::signal(SIGXFSZ, SIG_IGN);
  }
  FileSizeLimit(const FileSizeLimit&) = delete;
  FileSizeLimit& operator=(const FileSizeLimit&) = delete;
  ~FileSizeLimit() {
    ::setrlimit(RLIMIT_FSIZE, &before_);
    ::signal(SIGXFSZ, handler_);
  }

 private:
  rlimit before_{};
  sighandler_t handler_ = nullptr;
};

UniqueFd unnamed_file() {
  std::string path = ::testing::TempDir() + "cowfs-host-io.XXXXXX";
  UniqueFd fd(::mkostemp(path.data(), O_CLOEXEC));
  ::unlink(path.c_str());
  return fd;
}

Bytes bytes_of_text(const std::string& text) {
  return {reinterpret_cast<const std::byte*>(text.data()), text.size()};
}

TEST(HostIo, AShortWriteIsGoneOnWithAndTheErrorThatEndsItIsTold) {
  const UniqueFd fd = unnamed_file();
  const std::string first(3000, 'a');
  const std::string second(7000, 'b');
  {
    const FileSizeLimit limit(6000);
    EXPECT_EQ(write_fully(fd.get(), 0, {bytes_of_text(first), bytes_of_text(second)}), EFBIG);
  }
  struct stat status{};
  ASSERT_EQ(::fstat(fd.get(), &status), 0);
  EXPECT_EQ(status.st_size, 6000);  // the short write was one, and the rest was tried
  EXPECT_EQ(write_fully(fd.get(), 0, {bytes_of_text(first), bytes_of_text(second)}), 0);
  std::vector<std::byte> seen(10000);
  ASSERT_EQ(read_fully(fd.get(), 0, seen), 0);
  EXPECT_EQ(std::string(reinterpret_cast<const char*>(seen.data()), seen.size()), first + second);
}

TEST(HostIo, AReadPastTheEndIsOfZeros) {
  const UniqueFd fd = unnamed_file();
  ASSERT_EQ(write_fully(fd.get(), 0, {bytes_of_text(std::string(100, 'x'))}), 0);
  std::vector<std::byte> seen(200, std::byte{7});
  ASSERT_EQ(read_fully(fd.get(), 50, seen), 0);
  EXPECT_EQ(seen[49], std::byte{'x'});
  for (std::size_t i = 50; i < seen.size(); ++i) ASSERT_EQ(seen[i], std::byte{0});
}

}  // namespace
}  // namespace cowfs
