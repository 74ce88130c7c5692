#include "lib/base/unique_fd.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include <utility>

namespace cowfs {
namespace {

bool is_open(int fd) { return ::fcntl(fd, F_GETFD) >= 0; }
int open_null() { return ::open("/dev/null", O_RDONLY | O_CLOEXEC); }

TEST(Descriptors, AreClosedWhenTheirOwnerGoes) {
  int fd = -1;
  {
    const UniqueFd owner(open_null());
    ASSERT_TRUE(owner);
    fd = owner.get();
    EXPECT_TRUE(is_open(fd));
  }
  EXPECT_FALSE(is_open(fd));
}

TEST(Descriptors, MoveToANewOwnerWhoClosesHisOldOne) {
  UniqueFd first(open_null());
  UniqueFd second(open_null());
  const int moved = first.get();
  const int closed = second.get();
  second = std::move(first);
  EXPECT_EQ(second.get(), moved);
  EXPECT_TRUE(is_open(moved));
  EXPECT_FALSE(is_open(closed));
  const UniqueFd third(std::move(second));
  EXPECT_EQ(third.get(), moved);
  EXPECT_TRUE(is_open(moved));
}

TEST(Descriptors, SurviveBeingMovedToThemselves) {
  UniqueFd owner(open_null());
  const int fd = owner.get();
  UniqueFd& same = owner;
  owner = std::move(same);
  EXPECT_EQ(owner.get(), fd);
  EXPECT_TRUE(is_open(fd));
}

TEST(Descriptors, AreLeftOpenWhenReleased) {
  UniqueFd owner(open_null());
  const int fd = owner.release();
  EXPECT_FALSE(owner);
  EXPECT_TRUE(is_open(fd));
  owner.reset(fd);
  owner.reset();
  EXPECT_FALSE(is_open(fd));
  EXPECT_FALSE(UniqueFd());
}

}  // namespace
}  // namespace cowfs
