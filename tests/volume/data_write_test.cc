// Where writes go, and what they leave: in place where the block is ours alone, else to a new
// place.
#include "tests/volume/data_fixture.h"

namespace cowfs {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class DataWrite : public DataTest {};

TEST_F(DataWrite, ReadsBackWhatWasWrittenAtAnyOffset) {
  const InodeNumber file = make_file("f");
  std::string expected(3 * kBlock + 100, '\0');
  for (const std::uint64_t offset :
       {std::uint64_t{0}, std::uint64_t{10}, kBlock - 5, 2 * kBlock, 2 * kBlock + 4000}) {
    const std::string bytes = pattern(300, static_cast<unsigned>(offset) + 1);
    write(file, offset, bytes);
    expected.replace(offset, bytes.size(), bytes);
  }
  expected.resize(2 * kBlock + 4300);
  expect_file(file, expected);
  EXPECT_EQ(stat(file).size, expected.size());
}

TEST_F(DataWrite, OfNothingChangesNothing) {
  const InodeNumber file = make_file("f");
  const Attributes before = stat(file);
  EXPECT_THAT(try_write(main(), file, 1000, ""), HoldsValue(0u));
  EXPECT_EQ(stat(file).size, 0u);
  EXPECT_EQ(stat(file).modify_time, before.modify_time);
}

TEST_F(DataWrite, ReadsAreCutAtTheEndOfTheFile) {
  const InodeNumber file = make_file("f");
  write(file, 0, pattern(5000));
  EXPECT_EQ(read(file, 4990, 100).size(), 10u);
  EXPECT_EQ(read(file, 5000, 100), "");
  EXPECT_EQ(read(file, 1 << 20, 100), "");
}

TEST_F(DataWrite, AHoleReadsAsZerosAndHoldsNoBlocks) {
  const InodeNumber file = make_file("f");
  write(file, 10 * kBlock, "end");
  EXPECT_EQ(read(file, 0, 10 * kBlock), std::string(10 * kBlock, '\0'));
  EXPECT_EQ(stat(file).blocks, 1u);
  EXPECT_EQ(stat(file).size, 10 * kBlock + 3);
}

TEST_F(DataWrite, SequentialSmallWritesMakeOneExtent) {
  const InodeNumber file = make_file("f");
  std::string expected;
  for (unsigned i = 0; i < 200; ++i) {
    const std::string bytes = pattern(1000, i);
    write(file, expected.size(), bytes);
    expected += bytes;
  }
  expect_file(file, expected);
  EXPECT_THAT(extents_of(file), SizeIs(1));
  EXPECT_EQ(stat(file).blocks, (expected.size() + kBlock - 1) / kBlock);
}

TEST_F(DataWrite, ToABlockThatIsOursAloneStaysInPlace) {
  const InodeNumber file = make_file("f");
  write(file, 0, pattern(3 * kBlock));
  const auto before = extents_of(file);
  write(file, kBlock + 7, "xyz");
  write(file, 2 * kBlock, pattern(kBlock, 9));
  EXPECT_EQ(extents_of(file), before);
  EXPECT_EQ(read(file, kBlock + 6, 5), pattern(3 * kBlock)[kBlock + 6] + std::string("xyz") +
                                           pattern(3 * kBlock)[kBlock + 10]);
}

TEST_F(DataWrite, AfterASnapshotGoesToANewPlaceOnceAndStaysThere) {
  const InodeNumber file = make_file("f");
  const std::string before = pattern(3 * kBlock);
  write(file, 0, before);
  const VolumeInfo snapshot = fork("s", VolumeKind::kSnapshot);
  const BlockRange shared = place_of(file, 1);
  write(file, kBlock + 100, "new");
  const BlockRange redirected = place_of(file, 1);
  EXPECT_NE(redirected, shared);
  EXPECT_EQ(place_of(file, 0).object, shared.object) << "only the block that was written moves";
  write(file, kBlock + 200, "newer");
  EXPECT_EQ(place_of(file, 1), redirected);

  expect_file(volume(snapshot.id), file, before);
  std::string after = before;
  after.replace(kBlock + 100, 3, "new").replace(kBlock + 200, 5, "newer");
  expect_file(file, after);
  EXPECT_EQ(stat(file).blocks, 3u);
}

TEST_F(DataWrite, AfterADeletedSnapshotStillGoesToANewPlace) {
  const InodeNumber file = make_file("f");
  write(file, 0, pattern(kBlock));
  const VolumeInfo snapshot = fork("s", VolumeKind::kSnapshot);
  ASSERT_THAT(file_system().delete_volume(owner(), snapshot.id), IsOk());
  ASSERT_THAT(store().reclaim_now(), IsOk());
  const BlockRange before = place_of(file, 0);
  EXPECT_EQ(references(file, 0), 1u)
      << "nobody else has it, but a power cut could bring the snapshot back";
  write(file, 0, "x");
  EXPECT_NE(place_of(file, 0), before);
}

TEST_F(DataWrite, InAForkLeavesItsParentAlone) {
  const InodeNumber file = make_file("f");
  const std::string before = pattern(2 * kBlock + 50);
  write(file, 0, before);
  Volume& other = volume(fork("f1").id);
  write_in(other, file, 100, "fork");
  write(file, 2 * kBlock, "parent");
  std::string in_fork = before;
  in_fork.replace(100, 4, "fork");
  std::string in_parent = before;
  in_parent.replace(2 * kBlock, 6, "parent");
  expect_file(other, file, in_fork);
  expect_file(file, in_parent);
}

TEST_F(DataWrite, GivesTheSpaceOfReplacedBlocksBack) {
  const InodeNumber file = make_file("f");
  write(file, 0, pattern(8 * kBlock));
  const VolumeInfo snapshot = fork("s", VolumeKind::kSnapshot);
  write(file, 0, pattern(4 * kBlock, 2));
  EXPECT_EQ(live_blocks(), 12u);
  ASSERT_THAT(file_system().delete_volume(owner(), snapshot.id), IsOk());
  EXPECT_EQ(live_blocks(), 8u);
}

TEST_F(DataWrite, SetsTimesAndDropsPrivilegesWhereAsked) {
  const InodeNumber file = inode_of(main().make_node(owner(), kRootInode, "f", S_IFREG | 06755, 0));
  ASSERT_THAT(main().set_extended_attribute(owner(), file, "security.capability", "caps",
                                            AttributeMode::kAny),
              IsOk());
  const Attributes before = stat(file);
  write(file, 0, "kept");
  EXPECT_EQ(stat(file).mode & 07777u, 06755u);
  EXPECT_THAT(main().write(owner(), file, 0, std::as_bytes(std::span("drop", 4)), true),
              HoldsValue(4u));
  EXPECT_EQ(stat(file).mode & 07777u, 0755u);
  EXPECT_THAT(main().get_extended_attribute(file, "security.capability"),
              FailsWith(ErrorCode::kNoData));
  EXPECT_GE(stat(file).modify_time, before.modify_time);
  EXPECT_EQ(stat(file).modify_time, stat(file).change_time);
  EXPECT_EQ(stat(file).access_time, before.access_time);
}

TEST_F(DataWrite, PastTheEndFindsZerosInTheOldLastBlock) {
  const InodeNumber file = make_file("f");
  write(file, 0, "short");
  // What a write that was cut short between data and transaction leaves past the end.
  const BlockRange place = place_of(file, 0);
  std::vector<std::byte> block(kBlock, std::byte{'x'});
  std::memcpy(block.data(), "short", 5);
  ASSERT_THAT(store().write_blocks(place.object, place.first, block), IsOk());
  write(file, 2 * kBlock, "far");
  EXPECT_EQ(read(file, 0, 2 * kBlock), "short" + std::string(2 * kBlock - 5, '\0'));
}

TEST_F(DataWrite, IsRefusedWhereItCannotBe) {
  const InodeNumber file = make_file("f");
  write(file, 0, "data");
  const VolumeInfo snapshot = fork("s", VolumeKind::kSnapshot);
  EXPECT_THAT(try_write(volume(snapshot.id), file, 0, "x"), FailsWith(ErrorCode::kReadOnly));
  EXPECT_THAT(try_write(main(), kRootInode, 0, "x"), FailsWith(ErrorCode::kIsDirectory));
  EXPECT_THAT(try_write(main(), InodeNumber{999}, 0, "x"), FailsWith(ErrorCode::kStale));
  EXPECT_THAT(try_write(main(), file, kFileSizeLimit, "x"), FailsWith(ErrorCode::kFileTooLarge));
  EXPECT_THAT(try_write(main(), file, kFileSizeLimit - 2, "xyz"), HoldsValue(2u));
  EXPECT_EQ(stat(file).size, kFileSizeLimit);
  EXPECT_EQ(read(file, kFileSizeLimit - 2, 10), "xy");
}

TEST_F(DataWrite, BiggerThanOneTransactionIsWhole) {
  const InodeNumber file = make_file("f");
  const std::string bytes = pattern(9 * kMegabyte + 123);
  write(file, 777, bytes);
  expect_file(file, std::string(777, '\0') + bytes);
}

TEST_F(DataWrite, SurvivesSyncAndAKill) {
  const InodeNumber file = make_file("f");
  const std::string bytes = pattern(3 * kMegabyte);
  write(file, 0, bytes);
  ASSERT_THAT(main().sync(file, true), IsOk());
  kill_and_reopen();
  expect_file(file, bytes);
  write(file, 3 * kMegabyte, bytes);
  expect_file(file, bytes + bytes);
}

}  // namespace
}  // namespace cowfs
