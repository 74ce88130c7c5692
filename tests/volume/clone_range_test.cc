// Clones of ranges: blocks are shared, edges copied, and neither side ever sees the other's later
// writes.
#include "tests/volume/data_fixture.h"

namespace cowfs {
namespace {

using ::testing::Each;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class CloneRange : public DataTest {
 protected:
  InodeNumber make_with(std::string_view name, std::string_view bytes) {
    const InodeNumber file = make_file(name);
    write(file, 0, bytes);
    return file;
  }
  /// Calls clone_range as cp does, until all is done.
  void clone_all(Volume& from, InodeNumber source, Volume& to, InodeNumber target) {
    for (std::uint64_t at = 0;;) {
      const auto done = Volume::clone_range(owner(), from, source, at, to, target, at,
                                            std::uint64_t{1} << 40, false);
      ASSERT_THAT(done, IsOk());
      if (*done == 0) return;
      at += *done;
    }
  }
};

TEST_F(CloneRange, OfAWholeFileSharesEveryBlock) {
  const std::string bytes = pattern(5 * kBlock + 100);
  const InodeNumber source = make_with("a", bytes);
  const InodeNumber target = make_file("b");
  EXPECT_THAT(clone(source, 0, target, 0, 1 << 30), HoldsValue(bytes.size()));
  expect_file(target, bytes);
  EXPECT_EQ(stat(target).size, bytes.size());
  EXPECT_EQ(stat(target).blocks, 6u);
  EXPECT_EQ(place_of(target, 5), place_of(source, 5)) << "the last block too";
  EXPECT_EQ(references(source, 0), 2u);
  EXPECT_EQ(live_blocks(), 6u);
  EXPECT_THAT(clone(source, bytes.size(), target, 0, 100), HoldsValue(0u)) << "the source's end";
}

TEST_F(CloneRange, SidesDoNotSeeEachOthersWrites) {
  const std::string bytes = pattern(4 * kBlock);
  const InodeNumber source = make_with("a", bytes);
  const InodeNumber target = make_file("b");
  clone_all(main(), source, main(), target);
  write(source, 100, "source");
  write(target, 2 * kBlock, "target");
  ASSERT_THAT(truncate(source, 3 * kBlock + 7), IsOk());
  std::string in_source = bytes.substr(0, 3 * kBlock + 7);
  in_source.replace(100, 6, "source");
  std::string in_target = bytes;
  in_target.replace(2 * kBlock, 6, "target");
  expect_file(source, in_source);
  expect_file(target, in_target);
}

TEST_F(CloneRange, OnlyWhatWasClonedLeavesItsPlaceOnWrite) {
  const InodeNumber source = make_with("a", pattern(10 * kBlock));
  const InodeNumber target = make_file("b");
  ASSERT_THAT(clone(source, 4 * kBlock, target, 0, kBlock), HoldsValue(kBlock));
  const BlockRange cloned = place_of(source, 4);
  const BlockRange other = place_of(source, 5);
  write(source, 4 * kBlock, "x");
  write(source, 5 * kBlock, "x");
  EXPECT_NE(place_of(source, 4), cloned);
  EXPECT_EQ(place_of(source, 5), other);
}

TEST_F(CloneRange, KeepsHolesAndReplacesWhatWasThere) {
  const InodeNumber source = make_with("a", pattern(kBlock));
  write(source, 3 * kBlock, pattern(kBlock, 2));
  const InodeNumber target = make_with("b", pattern(8 * kBlock, 3));
  ASSERT_THAT(clone(source, 0, target, 2 * kBlock, 4 * kBlock), HoldsValue(4 * kBlock));
  EXPECT_TRUE(is_hole(target, 3));
  EXPECT_TRUE(is_hole(target, 4));
  EXPECT_EQ(stat(target).blocks, 6u);
  const std::string old = pattern(8 * kBlock, 3);
  expect_file(target, old.substr(0, 2 * kBlock) + pattern(kBlock) + std::string(2 * kBlock, '\0') +
                          pattern(kBlock, 2) + old.substr(6 * kBlock));
  EXPECT_EQ(live_blocks(), 2u + 4u);
}

TEST_F(CloneRange, CopiesEdgesThatCutABlock) {
  const std::string bytes = pattern(6 * kBlock);
  const std::string old = pattern(6 * kBlock, 2);
  const InodeNumber source = make_with("a", bytes);
  const InodeNumber target = make_with("b", old);
  const std::uint64_t length = 3 * kBlock + 50;
  ASSERT_THAT(clone(source, kBlock + 100, target, 2 * kBlock + 100, length), HoldsValue(length));
  std::string expected = old;
  expected.replace(2 * kBlock + 100, length, bytes, kBlock + 100, length);
  expect_file(target, expected);
  EXPECT_EQ(place_of(target, 3), place_of(source, 2)) << "between the edges it is shared";
  EXPECT_NE(place_of(target, 2), place_of(source, 1));
  expect_exact_blocks(target);
}

TEST_F(CloneRange, CopiesTheLastBlockWhereTheTargetGoesOn) {
  const std::string bytes = pattern(kBlock + 100);
  const InodeNumber source = make_with("a", bytes);
  const InodeNumber target = make_with("b", pattern(3 * kBlock, 2));
  ASSERT_THAT(clone(source, 0, target, 0, bytes.size()), HoldsValue(bytes.size()));
  expect_file(target, bytes + pattern(3 * kBlock, 2).substr(bytes.size()));
}

TEST_F(CloneRange, CopiesAtMost16MiBOfRangesThatDoNotAlign) {
  const std::string bytes = pattern(17 * kMegabyte);
  const InodeNumber source = make_with("a", bytes);
  const InodeNumber target = make_file("b");
  EXPECT_THAT(clone(source, 1, target, 0, bytes.size()), HoldsValue(16 * kMegabyte));
  EXPECT_THAT(clone(source, 16 * kMegabyte + 1, target, 16 * kMegabyte, bytes.size()),
              HoldsValue(kMegabyte - 1));
  expect_file(target, bytes.substr(1));
}

TEST_F(CloneRange, OfFragmentsIsDoneInSeveralCalls) {
  const InodeNumber source = make_file("a");
  for (std::size_t i = 0; i < 2 * kExtentsPerStep; ++i) write(source, 2 * i * kBlock, "x");
  const InodeNumber target = make_file("b");
  const auto first = clone(source, 0, target, 0, std::uint64_t{1} << 30);
  ASSERT_THAT(first, IsOk());
  EXPECT_LT(*first, stat(source).size);
  EXPECT_EQ(stat(target).size, *first);
  clone_all(main(), source, main(), target);
  expect_file(target, read(source, 0, stat(source).size));
  EXPECT_EQ(live_blocks(), 2 * kExtentsPerStep);
}

TEST_F(CloneRange, WithinOneFileWorksWhereRangesDoNotOverlap) {
  const std::string bytes = pattern(6 * kBlock);
  const InodeNumber file = make_with("a", bytes);
  ASSERT_THAT(clone(file, kBlock, file, 3 * kBlock, 2 * kBlock), HoldsValue(2 * kBlock))
      << "side by side";
  std::string expected = bytes;
  expected.replace(3 * kBlock, 2 * kBlock, bytes, kBlock, 2 * kBlock);
  expect_file(file, expected);
  ASSERT_THAT(clone(file, 0, file, 6 * kBlock, 6 * kBlock), HoldsValue(6 * kBlock)) << "doubled";
  expect_file(file, expected + expected);
  EXPECT_EQ(references(file, 1), 4u);
  write(file, kBlock, "x");
  EXPECT_EQ(references(file, 3), 3u);
  EXPECT_THAT(clone(file, 0, file, kBlock, kBlock + 1), FailsWith(ErrorCode::kInvalidArgument));
  EXPECT_THAT(clone(file, 0, file, 0, 1), FailsWith(ErrorCode::kInvalidArgument));
  expect_exact_blocks(file);
}

TEST_F(CloneRange, OfTheSameRangeAgainChangesNoBytes) {
  const std::string bytes = pattern(4 * kBlock);
  const InodeNumber source = make_with("a", bytes);
  const InodeNumber target = make_file("b");
  for (int i = 0; i < 3; ++i) clone_all(main(), source, main(), target);
  expect_file(target, bytes);
  EXPECT_EQ(references(source, 0), 2u);
  EXPECT_EQ(live_blocks(), 4u);
}

TEST_F(CloneRange, FromASnapshotBringsAFileBack) {
  const std::string bytes = pattern(3 * kMegabyte + 5);
  const InodeNumber source = make_with("a", bytes);
  const VolumeInfo snapshot = fork("s", VolumeKind::kSnapshot);
  ASSERT_THAT(truncate(source, 10), IsOk());
  const InodeNumber target = make_file("b");
  clone_all(volume(snapshot.id), source, main(), target);
  expect_file(target, bytes);
  write(target, 0, "changed");
  ASSERT_THAT(file_system().delete_volume(owner(), snapshot.id), IsOk());
  ASSERT_THAT(store().reclaim_now(), IsOk());
  expect_file(target, "changed" + bytes.substr(7));
}

TEST_F(CloneRange, BetweenForksSharesToo) {
  const InodeNumber source = make_with("a", pattern(4 * kBlock));
  const InodeNumber target = make_file("b");
  Volume& other = volume(fork("f1").id);
  clone_all(main(), source, other, target);
  expect_file(other, target, pattern(4 * kBlock));
  write(source, 0, "x");
  expect_file(other, target, pattern(4 * kBlock));
  EXPECT_EQ(stat(target).size, 0u);
  EXPECT_EQ(live_blocks(), 5u);
}

TEST_F(CloneRange, PastTheEndFindsZerosBetween) {
  const InodeNumber source = make_with("a", pattern(2 * kBlock));
  const InodeNumber target = make_with("b", "short");
  const BlockRange place = place_of(target, 0);
  std::vector<std::byte> garbage(kBlock, std::byte{'x'});
  ASSERT_THAT(store().write_blocks(place.object, place.first, garbage), IsOk());
  ASSERT_THAT(clone(source, 0, target, 3 * kBlock, 2 * kBlock), HoldsValue(2 * kBlock));
  EXPECT_EQ(read(target, 5, 3 * kBlock - 5), std::string(3 * kBlock - 5, '\0'));
}

TEST_F(CloneRange, IsRefusedWhereItCannotBe) {
  const InodeNumber source = make_with("a", pattern(kBlock));
  const InodeNumber target = make_file("b");
  Volume& snapshot = volume(fork("s", VolumeKind::kSnapshot).id);
  EXPECT_THAT(Volume::clone_range(owner(), main(), source, 0, snapshot, target, 0, 10, false),
              FailsWith(ErrorCode::kReadOnly));
  EXPECT_THAT(clone(kRootInode, 0, target, 0, 10), FailsWith(ErrorCode::kIsDirectory));
  EXPECT_THAT(clone(source, 0, kRootInode, 0, 10), FailsWith(ErrorCode::kIsDirectory));
  EXPECT_THAT(clone(source, 0, target, kFileSizeLimit, 10), FailsWith(ErrorCode::kFileTooLarge));
  EXPECT_THAT(clone(source, kBlock, target, 0, 10), HoldsValue(0u));
}

}  // namespace
}  // namespace cowfs
