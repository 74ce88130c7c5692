// The table of inodes in memory: lookup counts and what they cost, handles, orphans.
#include <map>

#include "lib/volume/lookup_counts.h"
#include "tests/volume/volume_fixture.h"

namespace cowfs {
namespace {

TEST(LookupCounts, AgreeWithASimpleMap) {
  LookupCounts counts;
  std::map<std::uint64_t, std::uint64_t> model;
  std::uint64_t random = 1;
  const auto pick = [&random](std::uint64_t below) {
    random = random * 6364136223846793005u + 1442695040888963407u;
    return (random >> 33) % below;
  };
  for (int step = 0; step < 200'000; ++step) {
    // Grows for the first half, then shrinks. Numbers 16 apart, as in one shard of the table.
    const std::uint64_t inode = 16 + 16 * pick(3000);
    const std::uint64_t count = 1 + pick(3);
    if (pick(100) < (step < 100'000 ? 70u : 30u)) {
      counts.add(InodeNumber{inode}, count);
      model[inode] += count;
    } else {
      const bool gone = counts.subtract(InodeNumber{inode}, count);
      auto& left = model[inode];
      left -= std::min(left, count);
      ASSERT_EQ(gone, left == 0) << step;
      if (left == 0) model.erase(inode);
    }
    ASSERT_EQ(counts.size(), model.size());
  }
  for (std::uint64_t inode = 16; inode < 16 + 16 * 3000; inode += 16) {
    ASSERT_EQ(counts.contains(InodeNumber{inode}), model.contains(inode));
  }
}

TEST(LookupCounts, GoBeyondTheirSlot) {
  LookupCounts counts;
  const InodeNumber inode{(std::uint64_t{1} << 40) - 1};
  const std::uint64_t many = (std::uint64_t{1} << 24) - 2;
  counts.add(inode, many);
  counts.add(inode, many);
  EXPECT_FALSE(counts.subtract(inode, many));
  EXPECT_FALSE(counts.subtract(inode, many - 1));
  EXPECT_TRUE(counts.contains(inode));
  EXPECT_TRUE(counts.subtract(inode, 1));
  EXPECT_FALSE(counts.contains(inode));
  EXPECT_EQ(counts.memory_bytes(), 0u);
}

using Table = VolumeTest;

TEST_F(Table, AMillionKnownInodesCostLessThan40MiB) {
  InodeTable& table = main().inodes();
  for (std::uint64_t inode = 16; inode < 1'000'016; ++inode) table.remember(InodeNumber{inode});
  EXPECT_EQ(table.remembered_inodes(), 1'000'000u);
  EXPECT_LT(table.memory_bytes(), std::size_t{40} << 20);
  for (std::uint64_t inode = 16; inode < 1'000'016; ++inode) {
    EXPECT_FALSE(table.forget(InodeNumber{inode}, 1));
  }
  EXPECT_EQ(table.memory_bytes(), 0u);
}

TEST_F(Table, HandlesOfOneInodeLeadToOneState) {
  InodeTable& table = main().inodes();
  const InodeNumber inode = make_file("f");
  const InodeHandle a = table.lock_handle(inode);
  InodeHandle b = table.lock_handle(inode);
  EXPECT_EQ(&*a, &*b);
  const InodeHandle c = std::move(b);
  EXPECT_EQ(&*a, &*c);
  ASSERT_THAT(main().open_file(inode, false), IsOk());
  EXPECT_EQ(&*a, &*table.lock_handle(inode));
  main().close_file(inode, false);
  EXPECT_FALSE(table.is_held(inode)) << "a handle does not keep an inode without names";
}

TEST_F(Table, ExactlyOneThreadIsToldToErase) {
  InodeTable& table = main().inodes();
  const InodeNumber inode{100};
  table.remember(inode);
  EXPECT_TRUE(table.add_orphan(inode)) << "kept";
  EXPECT_TRUE(table.is_kept_orphan(inode));
  ASSERT_THAT(table.open(inode, false, true), IsOk());
  EXPECT_FALSE(table.forget(inode, 1));
  EXPECT_TRUE(table.close(inode, false));
  EXPECT_FALSE(table.is_kept_orphan(inode));
  EXPECT_THAT(table.open(inode, false, true), FailsWith(ErrorCode::kStale));
  table.remember(inode);
  EXPECT_FALSE(table.forget(inode, 1)) << "it is being erased already";
  EXPECT_EQ(table.orphans(), 1u);
  table.drop_orphan(inode);
  EXPECT_EQ(table.orphans(), 0u);
}

}  // namespace
}  // namespace cowfs
