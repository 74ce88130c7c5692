#include "fs/link_table.h"

#include <gtest/gtest.h>

namespace cowfs {
namespace {

SnapshotLink link_of(std::uint64_t directory, const std::string& target) {
  return {kMainVolume, InodeNumber{directory}, VolumeId{3}, target};
}

TEST(LinkTable, ALinkKeepsItsNumberWhileItIsRemembered) {
  LinkTable table;
  const auto first = table.remember(link_of(20, "../a"));
  ASSERT_TRUE(first);
  EXPECT_EQ(table.remember(link_of(20, "../a")).value(), *first);
  EXPECT_EQ(table.find(*first).value(), link_of(20, "../a"));
  table.forget(*first, 1);
  EXPECT_EQ(table.find(*first).value(), link_of(20, "../a"));
  table.forget(*first, 1);
  EXPECT_EQ(table.find(*first).error().code, ErrorCode::kStale);
}

TEST(LinkTable, ANewTargetIsANewNumber) {
  LinkTable table;
  const auto before = table.remember(link_of(20, "../a")).value();
  const auto after = table.remember(link_of(20, "../b")).value();
  EXPECT_NE(before, after);
  EXPECT_EQ(table.find(before)->target, "../a");
}

TEST(LinkTable, LinksOfOtherDirectoriesHaveOtherNumbers) {
  LinkTable table;
  EXPECT_NE(table.remember(link_of(20, "..")).value(), table.remember(link_of(21, "..")).value());
}

TEST(LinkTable, ForgottenNumbersAreUsedAgain) {
  LinkTable table;
  for (std::uint64_t i = 0; i < 1000; ++i) {
    const auto number = table.remember(link_of(16 + i, "x")).value();
    EXPECT_EQ(number, 0u);
    table.forget(number, 1);
  }
  EXPECT_EQ(table.size(), 0u);
}

TEST(LinkTable, ForgettingTooMuchOrTheUnknownDoesNoHarm) {
  LinkTable table;
  table.forget(7, 1);
  const auto number = table.remember(link_of(20, "x")).value();
  table.forget(number, 100);
  EXPECT_EQ(table.size(), 0u);
}

}  // namespace
}  // namespace cowfs
