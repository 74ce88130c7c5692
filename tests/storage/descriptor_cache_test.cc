// The bounded cache of descriptors, with files, and pipes for which fdatasync fails.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <map>
#include <string>
#include <thread>
#include <vector>

#include "lib/storage/descriptor_cache.h"
#include "tests/storage/bytes_support.h"
#include "tests/support/result_matchers.h"
#include "tests/support/temp_dir.h"

namespace cowfs {
namespace {

bool is_open(int fd) { return ::fcntl(fd, F_GETFD) >= 0; }

class Cache : public ::testing::Test {
 protected:
  Result<UniqueFd> open(ArrayName name) {
    const MutexLock lock(mutex_);
    ++opened_[name.number];
    if (broken_) {
      int ends[2];
      EXPECT_EQ(::pipe2(ends, O_CLOEXEC), 0);
      ::close(ends[0]);
      return UniqueFd(ends[1]);
    }
    const std::string path = folder_ / std::to_string(name.number);
    return UniqueFd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  }

  DescriptorCache make(std::size_t capacity) {
    return DescriptorCache(capacity, [this](ArrayName name) { return open(name); });
  }

  /// Opens an array and leaves it clean or unsynced.
  static int touch(DescriptorCache& cache, std::uint64_t number, bool unsynced = false) {
    auto lease = cache.acquire(object_name(number));
    EXPECT_THAT(lease, IsOk());
    if (unsynced) lease->mark_unsynced();
    return lease->fd();
  }

  TempDir folder_;
  Mutex mutex_;
  std::map<std::uint64_t, int> opened_;
  bool broken_ = false;
};

TEST_F(Cache, OpensAnArrayOnceWhileItIsKept) {
  DescriptorCache cache = make(2);
  const int fd = touch(cache, 1);
  EXPECT_EQ(touch(cache, 1), fd);
  EXPECT_EQ(opened_[1], 1);
}

TEST_F(Cache, ClosesWhatWasUsedLongestAgo) {
  DescriptorCache cache = make(2);
  touch(cache, 1);
  touch(cache, 2);
  touch(cache, 1);
  touch(cache, 3);
  EXPECT_EQ(cache.open_count(), 2U);
  touch(cache, 1);
  EXPECT_EQ(opened_[1], 1);
  touch(cache, 2);
  EXPECT_EQ(opened_[2], 2);
}

TEST_F(Cache, DoesNotCloseWhatIsInUseOrWasRemovedWhileInUse) {
  DescriptorCache cache = make(1);
  auto used = cache.acquire(object_name(1));
  ASSERT_THAT(used, IsOk());
  touch(cache, 2);
  touch(cache, 3);
  EXPECT_TRUE(is_open(used->fd()));
  cache.drop(object_name(1));
  EXPECT_TRUE(is_open(used->fd()));
}

TEST_F(Cache, KeepsUnsyncedArraysOpenAndClosesCleanOnesInTheirPlace) {
  DescriptorCache cache = make(2);
  touch(cache, 1, true);
  touch(cache, 2);
  touch(cache, 3);
  touch(cache, 4);
  touch(cache, 1);
  EXPECT_EQ(opened_[1], 1);
  EXPECT_THAT(cache.sync(object_name(1)), IsOk());
  touch(cache, 5);
  touch(cache, 6);
  touch(cache, 1);
  EXPECT_EQ(opened_[1], 2) << "a synced array may be closed";
}

TEST_F(Cache, StaysWithinItsCapacityWhenAllArraysAreUnsynced) {
  DescriptorCache cache = make(3);
  for (std::uint64_t number = 1; number <= 20; ++number) touch(cache, number, true);
  EXPECT_EQ(cache.open_count(), 3U);
}

TEST_F(Cache, AFailedSyncStaysFailed) {
  DescriptorCache cache = make(1);
  broken_ = true;
  touch(cache, 1, true);
  EXPECT_THAT(cache.sync(object_name(1)), FailsWith(ErrorCode::kIo));
  broken_ = false;
  touch(cache, 2);  // pushes the broken descriptor out
  touch(cache, 1);
  ASSERT_EQ(opened_[1], 2);
  EXPECT_THAT(cache.sync(object_name(1)), FailsWith(ErrorCode::kIo));
  EXPECT_THAT(cache.sync(object_name(2)), IsOk());
}

TEST_F(Cache, AFailedSyncAtClosingIsReportedByTheNextSync) {
  DescriptorCache cache = make(1);
  broken_ = true;
  touch(cache, 1, true);
  broken_ = false;
  touch(cache, 2);
  EXPECT_EQ(cache.open_count(), 1U);
  EXPECT_THAT(cache.sync(object_name(1)), FailsWith(ErrorCode::kIo));
  cache.drop(object_name(1));
  EXPECT_THAT(cache.sync(object_name(1)), IsOk()) << "a new array under that name is not to blame";
}

TEST_F(Cache, DoesNotBringARemovedArrayBackThatWasBeingOpened) {
  DescriptorCache* raced = nullptr;
  int calls = 0;
  DescriptorCache cache(2, [&](ArrayName name) {
    if (++calls == 1) raced->drop(name);  // removed after the file was opened
    return open(name);
  });
  raced = &cache;
  touch(cache, 1);
  EXPECT_EQ(calls, 2);
}

TEST_F(Cache, ServesManyThreadsWithinItsCapacity) {
  DescriptorCache cache = make(4);
  {
    std::vector<std::jthread> threads;
    for (std::uint64_t thread = 0; thread < 4; ++thread) {
      threads.emplace_back([&cache, thread] {
        for (std::uint64_t i = 0; i < 500; ++i) {
          const std::uint64_t number = (i * 7 + thread * 3) % 12;
          touch(cache, number, i % 3 == 0);
          if (i % 50 == 0) cache.drop(object_name(number));
          if (i % 20 == 0) {
            EXPECT_THAT(cache.sync(object_name(number)), IsOk());
          }
        }
      });
    }
  }
  EXPECT_LE(cache.open_count(), 4U);
}

}  // namespace
}  // namespace cowfs
