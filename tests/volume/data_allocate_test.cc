// fallocate in all its modes, and SEEK_DATA and SEEK_HOLE over what it leaves.
#include "tests/volume/data_fixture.h"

namespace cowfs {
namespace {

using ::testing::Each;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class DataAllocate : public DataTest {
 protected:
  /// A file of `blocks` blocks of data.
  InodeNumber make_full(std::size_t blocks) {
    const InodeNumber file = make_file("f");
    write(file, 0, pattern(blocks * kBlock));
    return file;
  }
  Result<std::uint64_t> data(InodeNumber inode, std::uint64_t offset) {
    return main().seek(inode, offset, SeekTarget::kData);
  }
  Result<std::uint64_t> hole(InodeNumber inode, std::uint64_t offset) {
    return main().seek(inode, offset, SeekTarget::kHole);
  }
};

TEST_F(DataAllocate, GivesHolesBlocksOfZerosAndLeavesDataAlone) {
  const InodeNumber file = make_file("f");
  write(file, 2 * kBlock, pattern(kBlock));
  const BlockRange data = place_of(file, 2);
  ASSERT_THAT(allocate(file, AllocateMode::kAllocate, 100, 5 * kBlock), IsOk());
  EXPECT_EQ(stat(file).size, 5 * kBlock + 100);
  EXPECT_EQ(stat(file).blocks, 6u);
  EXPECT_EQ(place_of(file, 2), data);
  expect_file(
      file, std::string(2 * kBlock, '\0') + pattern(kBlock) + std::string(2 * kBlock + 100, '\0'));
  const BlockRange first = place_of(file, 0);
  write(file, 0, "now in place");
  EXPECT_EQ(place_of(file, 0), first);
}

TEST_F(DataAllocate, KeepsTheSizeWhereAsked) {
  const InodeNumber file = make_full(1);
  ASSERT_THAT(allocate(file, AllocateMode::kAllocateKeepSize, 0, 8 * kBlock), IsOk());
  EXPECT_EQ(stat(file).size, kBlock);
  EXPECT_EQ(stat(file).blocks, 8u);
  const auto before = extents_of(file);
  write(file, kBlock, pattern(7 * kBlock, 2));
  EXPECT_EQ(extents_of(file), before) << "appending takes what was allocated";
  expect_file(file, pattern(kBlock) + pattern(7 * kBlock, 2));
}

TEST_F(DataAllocate, OfALargeRangeMakesOneExtentInAnOwnObject) {
  const InodeNumber file = make_file("f");
  ASSERT_THAT(allocate(file, AllocateMode::kAllocate, 0, std::uint64_t{3} << 30), IsOk());
  EXPECT_THAT(extents_of(file), SizeIs(1));
  EXPECT_TRUE(own_object(file).has_value());
  EXPECT_EQ(read(file, std::uint64_t{2} << 30, 100), std::string(100, '\0'));
  ASSERT_THAT(truncate(file, 0), IsOk());
  EXPECT_EQ(live_blocks(), 0u);
}

TEST_F(DataAllocate, PunchesWholeBlocksAndZeroesEdgesElsewhere) {
  const InodeNumber file = make_full(6);
  const BlockRange head = place_of(file, 1);
  const BlockRange tail = place_of(file, 4);
  ASSERT_THAT(allocate(file, AllocateMode::kPunchHole, kBlock + 10, 3 * kBlock), IsOk());
  std::string expected = pattern(6 * kBlock);
  expected.replace(kBlock + 10, 3 * kBlock, 3 * kBlock, '\0');
  expect_file(file, expected);
  EXPECT_EQ(stat(file).blocks, 4u);
  EXPECT_TRUE(is_hole(file, 2));
  EXPECT_TRUE(is_hole(file, 3));
  EXPECT_NE(place_of(file, 1), head);
  EXPECT_NE(place_of(file, 4), tail);
  EXPECT_EQ(live_blocks(), 4u);
}

TEST_F(DataAllocate, PunchingAllThatABlockHasMakesItAHole) {
  const InodeNumber file = make_file("f");
  write(file, 0, pattern(kBlock) + std::string(100, '\0') + pattern(50));
  ASSERT_THAT(allocate(file, AllocateMode::kPunchHole, kBlock + 100, 50), IsOk());
  EXPECT_TRUE(is_hole(file, 1));
  EXPECT_EQ(stat(file).size, kBlock + 150);
}

TEST_F(DataAllocate, PunchingPastTheEndDropsWhatWasAllocatedThere) {
  const InodeNumber file = make_full(1);
  ASSERT_THAT(allocate(file, AllocateMode::kAllocateKeepSize, 0, 8 * kBlock), IsOk());
  ASSERT_THAT(allocate(file, AllocateMode::kPunchHole, 2 * kBlock, kFileSizeLimit - 2 * kBlock),
              IsOk());
  EXPECT_EQ(stat(file).blocks, 2u);
  EXPECT_EQ(stat(file).size, kBlock);
}

TEST_F(DataAllocate, ZeroRangeKeepsBlocksAndZeroesThem) {
  const InodeNumber file = make_full(6);
  const VolumeInfo snapshot = fork("s", VolumeKind::kSnapshot);
  ASSERT_THAT(allocate(file, AllocateMode::kZeroRange, kBlock + 10, 3 * kBlock), IsOk());
  std::string expected = pattern(6 * kBlock);
  expected.replace(kBlock + 10, 3 * kBlock, 3 * kBlock, '\0');
  expect_file(file, expected);
  EXPECT_EQ(stat(file).blocks, 6u);
  expect_file(volume(snapshot.id), file, pattern(6 * kBlock));
}

TEST_F(DataAllocate, ZeroRangeFillsHolesAtItsEdgesAndGrowsTheFile) {
  const InodeNumber file = make_file("f");
  write(file, 0, pattern(10));
  ASSERT_THAT(allocate(file, AllocateMode::kZeroRangeKeepSize, 5 * kBlock + 5, 10), IsOk());
  EXPECT_EQ(stat(file).size, 10u);
  EXPECT_EQ(stat(file).blocks, 2u);
  ASSERT_THAT(allocate(file, AllocateMode::kZeroRange, 5, 3 * kBlock), IsOk());
  EXPECT_EQ(stat(file).size, 3 * kBlock + 5);
  EXPECT_EQ(stat(file).blocks, 5u);
  expect_file(file, pattern(10).substr(0, 5) + std::string(3 * kBlock, '\0'));
  ASSERT_THAT(allocate(file, AllocateMode::kZeroRange, 0, 5), IsOk());
  EXPECT_EQ(stat(file).blocks, 5u) << "a block that became all zero is still one";
  expect_exact_blocks(file);
}

TEST_F(DataAllocate, OfMoreExtentsThanATransactionTakesIsWhole) {
  const InodeNumber file = make_file("f");
  for (std::size_t i = 0; i < kExtentsPerStep + 100; ++i) write(file, 2 * i * kBlock, "x");
  const std::uint64_t size = stat(file).size;
  ASSERT_THAT(allocate(file, AllocateMode::kAllocate, 0, size), IsOk());
  EXPECT_EQ(stat(file).blocks, (size + kBlock - 1) / kBlock);
  expect_exact_blocks(file);
  ASSERT_THAT(allocate(file, AllocateMode::kPunchHole, 1, size - 2), IsOk());
  EXPECT_EQ(stat(file).blocks, 2u);
  EXPECT_EQ(read(file, 0, 2), std::string("x\0", 2));
  EXPECT_EQ(live_blocks(), 2u);
}

TEST_F(DataAllocate, IsRefusedWhereItCannotBe) {
  const InodeNumber file = make_full(1);
  EXPECT_THAT(allocate(file, AllocateMode::kAllocate, 0, 0),
              FailsWith(ErrorCode::kInvalidArgument));
  EXPECT_THAT(allocate(file, AllocateMode::kAllocate, 1, kFileSizeLimit),
              FailsWith(ErrorCode::kFileTooLarge));
  EXPECT_THAT(allocate(kRootInode, AllocateMode::kAllocate, 0, 1),
              FailsWith(ErrorCode::kIsDirectory));
}

TEST_F(DataAllocate, SeekFindsDataAndHoles) {
  const InodeNumber file = make_file("f");
  write(file, 2 * kBlock, pattern(2 * kBlock));
  write(file, 6 * kBlock, "end");
  EXPECT_THAT(data(file, 0), HoldsValue(2 * kBlock));
  EXPECT_THAT(data(file, 2 * kBlock + 5), HoldsValue(2 * kBlock + 5));
  EXPECT_THAT(data(file, 4 * kBlock), HoldsValue(6 * kBlock));
  EXPECT_THAT(hole(file, 0), HoldsValue(0u));
  EXPECT_THAT(hole(file, 5), HoldsValue(5u));
  EXPECT_THAT(hole(file, 2 * kBlock + 5), HoldsValue(4 * kBlock));
  EXPECT_THAT(hole(file, 6 * kBlock), HoldsValue(6 * kBlock + 3))
      << "the end of the file is a hole";
  EXPECT_THAT(data(file, 6 * kBlock + 3), FailsWith(ErrorCode::kNoSuchOffset));
  EXPECT_THAT(hole(file, 6 * kBlock + 3), FailsWith(ErrorCode::kNoSuchOffset));
}

TEST_F(DataAllocate, SeekKnowsFilesThatAreAllHole) {
  const InodeNumber file = make_file("f");
  EXPECT_THAT(data(file, 0), FailsWith(ErrorCode::kNoSuchOffset));
  ASSERT_THAT(truncate(file, 3 * kBlock), IsOk());
  EXPECT_THAT(data(file, 0), FailsWith(ErrorCode::kNoSuchOffset));
  EXPECT_THAT(hole(file, 1), HoldsValue(1u));
  ASSERT_THAT(allocate(file, AllocateMode::kAllocateKeepSize, 5 * kBlock, kBlock), IsOk());
  EXPECT_THAT(data(file, 0), FailsWith(ErrorCode::kNoSuchOffset))
      << "what lies past the end is not there";
}

TEST_F(DataAllocate, SeekPassesOverManyExtents) {
  const InodeNumber file = make_file("f");
  // Backwards, so that no two neighbours can be one extent.
  const std::size_t count = kExtentsPerStep + 50;
  for (std::size_t i = count; i-- > 0;) write(file, i * kBlock, "x");
  EXPECT_GT(stat(file).blocks, kExtentsPerStep);
  EXPECT_THAT(hole(file, 0), HoldsValue((count - 1) * kBlock + 1));
  EXPECT_EQ(read(file, 0, count * kBlock).size(), (count - 1) * kBlock + 1);
}

}  // namespace
}  // namespace cowfs
