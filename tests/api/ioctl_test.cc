#include "lib/api/ioctl.h"

#include <gtest/gtest.h>

#include <set>

namespace cowfs::api {
namespace {

TEST(Ioctl, NamesOfOneTo255BytesFit) {
  char field[kNameField] = {};
  EXPECT_TRUE(set_name(field, "monday"));
  EXPECT_EQ(get_name(field), "monday");
  EXPECT_TRUE(set_name(field, std::string(255, 'v')));
  EXPECT_EQ(get_name(field).size(), 255u);
  EXPECT_FALSE(set_name(field, ""));
  EXPECT_FALSE(set_name(field, std::string(256, 'v')));
  EXPECT_FALSE(set_name(field, std::string("a\0b", 3)));
}

TEST(Ioctl, AShortNameLeavesNothingOfALongOne) {
  char field[kNameField] = {};
  ASSERT_TRUE(set_name(field, std::string(255, 'v')));
  ASSERT_TRUE(set_name(field, "s"));
  EXPECT_EQ(std::string_view(field, kNameField).find_first_not_of('\0', 1), std::string_view::npos);
}

TEST(Ioctl, AFieldWithoutAnEndIsNoName) {
  char field[kNameField];
  std::memset(field, 'v', sizeof field);
  EXPECT_EQ(get_name(field), "");
}

TEST(Ioctl, EachRequestHasItsOwnNumber) {
  const std::set<unsigned> numbers = {
      kIoctlDescribeDaemon, kIoctlDescribeVolume, kIoctlDescribeSpace, kIoctlListVolumes,
      kIoctlCreateVolume,   kIoctlDeleteVolume,   kIoctlRenameVolume,  kIoctlSyncStore,
      kIoctlLocateBlock,    kIoctlHoldCheckpoint, kIoctlVerifyBlock};
  EXPECT_EQ(numbers.size(), 11u);
}

}  // namespace
}  // namespace cowfs::api
