// The content of one file, at the edges that a whole command hits by chance only: files that are
// truncated under a mapping, pages that are given back.
#include "tools/cowcp/data_copy.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/magic.h>
#include <sys/mman.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "tests/support/temp_dir.h"
#include "tools/cowcp/sigbus_guard.h"

namespace cowfs {
namespace {

constexpr std::uint64_t kPage = 4096;
constexpr std::uint64_t kMiB = std::uint64_t{1} << 20;

class DataCopies : public testing::Test {
 protected:
  void SetUp() override { install_sigbus_guard(); }

  UniqueFd make(const std::string& name, std::uint64_t size) const {
    UniqueFd fd(::open((temp_ / name).c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
    const std::string bytes(size, 'x');
    EXPECT_EQ(::pwrite(fd.get(), bytes.data(), size, 0), static_cast<ssize_t>(size));
    return fd;
  }
  /// What is not on the disk cannot be dropped.
  static void settle(const UniqueFd& fd) { EXPECT_EQ(::syncfs(fd.get()), 0); }
  static struct stat status_of(const UniqueFd& fd) {
    struct stat status{};
    EXPECT_EQ(::fstat(fd.get(), &status), 0);
    return status;
  }

  TempDir temp_;
};

/// A source that is shorter than it was when it was looked at.
class ShrunkSource : public DataCopies, public testing::WithParamInterface<std::uint64_t> {};

TEST_P(ShrunkSource, IsAnErrorOfTheMappedCopy) {
  const UniqueFd from = make("from", 5 * kPage + 3000);
  const UniqueFd to = make("to", 0);
  const struct stat from_status = status_of(from);
  const struct stat to_status = status_of(to);
  const DataEnds ends{from.get(), to.get(), from_status, to_status, true};
  ASSERT_EQ(::ftruncate(from.get(), static_cast<off_t>(GetParam())), 0);
  std::atomic<std::uint64_t> bytes = 0;
  const auto copied =
      copy_by_mapping(ends, 0, static_cast<std::uint64_t>(from_status.st_size), {bytes}, kPage);
  ASSERT_FALSE(copied.has_value()) << "zeros were copied for what is gone";
  EXPECT_EQ(copied.error().what, DataFailure::kShrunk);
}

// Behind the last page is SIGBUS; within it the kernel shows zeros.
INSTANTIATE_TEST_SUITE_P(Sizes, ShrunkSource,
                         testing::Values(0, 1, kPage, 2 * kPage + 1, 5 * kPage + 1,
                                         5 * kPage + 2999));

TEST_F(DataCopies, AGuardedCopyKnowsWhichSideFailed) {
  const UniqueFd from = make("from", kPage);
  const UniqueFd to = make("to", kPage);
  void* source = ::mmap(nullptr, kPage, PROT_READ, MAP_SHARED, from.get(), 0);
  void* target = ::mmap(nullptr, kPage, PROT_READ | PROT_WRITE, MAP_SHARED, to.get(), 0);
  ASSERT_NE(source, MAP_FAILED);
  ASSERT_NE(target, MAP_FAILED);
  EXPECT_EQ(copy_guarded(target, source, kPage), GuardedCopy::kDone);
  ASSERT_EQ(::ftruncate(to.get(), 0), 0);
  EXPECT_EQ(copy_guarded(target, source, kPage), GuardedCopy::kTargetFailed);
  ASSERT_EQ(::ftruncate(to.get(), kPage), 0);
  ASSERT_EQ(::ftruncate(from.get(), 0), 0);
  EXPECT_EQ(copy_guarded(target, source, kPage), GuardedCopy::kSourceFailed);
  ::munmap(source, kPage);
  ::munmap(target, kPage);
}

/// Pages of a file that are in the page cache, in bytes.
std::uint64_t cached_bytes(int fd) {
  struct stat status{};
  ::fstat(fd, &status);
  const auto size = static_cast<std::size_t>(status.st_size);
  void* address = ::mmap(nullptr, size, PROT_READ, MAP_SHARED, fd, 0);
  std::vector<unsigned char> pages((size + kPage - 1) / kPage);
  EXPECT_EQ(::mincore(address, size, pages.data()), 0);
  ::munmap(address, size);
  std::uint64_t cached = 0;
  for (const unsigned char page : pages) cached += (page & 1U) * kPage;
  return cached;
}

class PageCache : public DataCopies, public testing::WithParamInterface<Method> {
 protected:
  static constexpr PageDropper::Limits kLimits{.run_bytes = 8 * kMiB, .batch_bytes = 4 * kMiB};
  // Two batches are under way; the kernel drops no folio in part.
  static constexpr std::uint64_t kLeft = 20 * kMiB;

  void SetUp() override {
    DataCopies::SetUp();
    struct statfs where{};
    ASSERT_EQ(::statfs(temp_.path().c_str(), &where), 0);
    if (where.f_type == TMPFS_MAGIC) GTEST_SKIP() << "a tmpfs keeps its pages";
    options_.method = GetParam();
  }

  UniqueFd copy(DataCopier& copier, const UniqueFd& from, const std::string& name) const {
    UniqueFd to = make(name, 0);
    const struct stat from_status = status_of(from);
    const struct stat to_status = status_of(to);
    DataDone done;
    EXPECT_TRUE(
        copier.copy({from.get(), to.get(), from_status, to_status, true}, done).has_value());
    EXPECT_EQ(done.method, GetParam()) << done.why;
    return to;
  }

  CopyOptions options_;
  Counters counters_;
};

TEST_P(PageCache, IsGivenBackBehindALargeFile) {
  const UniqueFd from = make("from", 48 * kMiB);
  settle(from);
  DataCopier copier(options_, counters_, kLimits);
  const UniqueFd to = copy(copier, from, "to");
  EXPECT_LE(cached_bytes(from.get()), kLeft);
  EXPECT_LE(cached_bytes(to.get()), kLeft);
}

TEST_P(PageCache, IsGivenBackBehindAFileOfManyHoles) {
  const UniqueFd from = make("from", 0);
  const std::string piece(64 << 10, 'x');
  for (std::uint64_t i = 0; i < 768; ++i) {
    ASSERT_GT(::pwrite(from.get(), piece.data(), piece.size(), static_cast<off_t>(i << 17)), 0);
  }
  settle(from);
  DataCopier copier(options_, counters_, kLimits);
  const UniqueFd to = copy(copier, from, "to");
  EXPECT_LE(cached_bytes(from.get()), kLeft) << "of 48 MiB in pieces of 64 KiB";
  EXPECT_LE(cached_bytes(to.get()), kLeft);
}

TEST_P(PageCache, IsGivenBackBehindManyFiles) {
  std::vector<UniqueFd> from;
  for (int i = 0; i < 600; ++i) from.push_back(make("from" + std::to_string(i), 40'000));
  settle(from[0]);
  DataCopier copier(options_, counters_, kLimits);
  std::vector<UniqueFd> to;
  for (std::size_t i = 0; i < from.size(); ++i)
    to.push_back(copy(copier, from[i], "to" + std::to_string(i)));
  EXPECT_GE(cached_bytes(from[0].get()), 36'000U) << "before the run was known to be large";
  // The last two batches are on their way.
  for (const std::size_t i : {215UL, 300UL, 400UL}) {
    EXPECT_EQ(cached_bytes(from[i].get()), 0U) << i;
    EXPECT_EQ(cached_bytes(to[i].get()), 0U) << i;
  }
}

TEST_P(PageCache, IsLeftAloneBySmallRuns) {
  const UniqueFd from = make("from", 3 * kMiB);
  DataCopier copier(options_, counters_, kLimits);
  const UniqueFd to = copy(copier, from, "to");
  EXPECT_EQ(cached_bytes(from.get()), 3 * kMiB);
  EXPECT_EQ(cached_bytes(to.get()), 3 * kMiB);
}

INSTANTIATE_TEST_SUITE_P(Methods, PageCache,
                         testing::Values(Method::kCopyRange, Method::kMmap, Method::kReadWrite),
                         [](const auto& row) {
                           return row.param == Method::kCopyRange ? "CopyRange"
                                  : row.param == Method::kMmap    ? "Mmap"
                                                                  : "ReadWrite";
                         });

}  // namespace
}  // namespace cowfs
