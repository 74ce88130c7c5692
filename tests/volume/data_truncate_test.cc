// What a change of size leaves of a file: nothing past the end, zeros where it grows again, no
// block too many.
#include "lib/volume/file_data.h"
#include "lib/volume/orphans.h"
#include "tests/volume/data_fixture.h"

namespace cowfs {
namespace {

using ::testing::IsEmpty;
using ::testing::SizeIs;

class DataTruncate : public DataTest {
 protected:
  bool has_orphan_item(InodeNumber inode) {
    const ReadView view(store());
    return view.get(kMainVolume, orphan_key(inode)).value_or(std::nullopt).has_value();
  }
  /// A file of `count` extents of one block with holes between.
  InodeNumber make_fragmented(std::size_t count) {
    const InodeNumber file = make_file("fragments");
    const std::string block = pattern(kBlock);
    for (std::size_t i = 0; i < count; ++i) write(file, 2 * i * kBlock, block);
    return file;
  }
  /// Makes a file look as a crash in the middle of a truncation leaves it.
  void leave_unfinished(InodeNumber file, std::uint64_t size) {
    const Operation operation(store());
    UpdateView view(store(), operation);
    auto record = load_inode(view, kMainVolume, file);
    ASSERT_THAT(record, IsOk());
    record->size = size;
    record->flags |= kInodeTruncating;
    Transaction transaction;
    put_inode(transaction, kMainVolume, file, *record);
    transaction.put(kMainVolume, orphan_key(file), encode_truncated_orphan(size));
    ASSERT_THAT(view.commit(transaction), IsOk());
  }
};

TEST_F(DataTruncate, CutsInsideABlockAndGrowsWithZeros) {
  const InodeNumber file = make_file("f");
  const std::string bytes = pattern(3 * kBlock);
  write(file, 0, bytes);
  ASSERT_THAT(truncate(file, kBlock + 100), IsOk());
  expect_file(file, bytes.substr(0, kBlock + 100));
  EXPECT_EQ(stat(file).blocks, 2u);
  ASSERT_THAT(truncate(file, 4 * kBlock), IsOk());
  expect_file(file, bytes.substr(0, kBlock + 100) + std::string(3 * kBlock - 100, '\0'));
  EXPECT_EQ(stat(file).blocks, 2u);
}

TEST_F(DataTruncate, NeverChangesTheLastBlockInPlace) {
  const InodeNumber file = make_file("f");
  write(file, 0, pattern(2 * kBlock));
  const BlockRange before = place_of(file, 1);
  ASSERT_THAT(truncate(file, kBlock + 100), IsOk());
  EXPECT_NE(place_of(file, 1), before);
}

TEST_F(DataTruncate, MakesAHoleOfALastBlockThatIsAllZero) {
  const InodeNumber file = make_file("f");
  write(file, 0, std::string(200, '\0') + pattern(100));
  ASSERT_THAT(truncate(file, 150), IsOk());
  EXPECT_THAT(extents_of(file), IsEmpty());
  EXPECT_EQ(stat(file).blocks, 0u);
  expect_file(file, std::string(150, '\0'));
}

TEST_F(DataTruncate, LeavesTheSnapshotAlone) {
  const InodeNumber file = make_file("f");
  const std::string bytes = pattern(2 * kBlock + 10);
  write(file, 0, bytes);
  const VolumeInfo snapshot = fork("s", VolumeKind::kSnapshot);
  ASSERT_THAT(truncate(file, 100), IsOk());
  ASSERT_THAT(truncate(file, 3 * kBlock), IsOk());
  expect_file(volume(snapshot.id), file, bytes);
  expect_file(file, bytes.substr(0, 100) + std::string(3 * kBlock - 100, '\0'));
}

TEST_F(DataTruncate, GivesAllSpaceBack) {
  const InodeNumber file = make_file("f");
  write(file, 0, pattern(3 * kMegabyte));
  ASSERT_THAT(truncate(file, 0), IsOk());
  EXPECT_THAT(extents_of(file), IsEmpty());
  EXPECT_EQ(live_blocks(), 0u);
}

TEST_F(DataTruncate, ToTheSameSizeDropsWhatWasAllocatedPastTheEnd) {
  const InodeNumber file = make_file("f");
  write(file, 0, pattern(100));
  ASSERT_THAT(allocate(file, AllocateMode::kAllocateKeepSize, 0, 10 * kBlock), IsOk());
  EXPECT_EQ(stat(file).blocks, 10u);
  ASSERT_THAT(truncate(file, 100), IsOk());
  EXPECT_EQ(stat(file).blocks, 1u);
}

TEST_F(DataTruncate, OfHugeSparseFilesIsAsCheapAsTheirData) {
  const InodeNumber file = make_file("f");
  write(file, kFileSizeLimit - 10, pattern(10));
  write(file, 5, "x");
  ASSERT_THAT(truncate(file, 6), IsOk());
  EXPECT_EQ(stat(file).blocks, 1u);
  ASSERT_THAT(truncate(file, kFileSizeLimit), IsOk());
  EXPECT_THAT(truncate(file, kFileSizeLimit + 1), FailsWith(ErrorCode::kFileTooLarge));
  EXPECT_EQ(read(file, kFileSizeLimit - 10, 20), std::string(10, '\0'));
}

TEST_F(DataTruncate, OfMoreExtentsThanATransactionTakesIsWhole) {
  const InodeNumber file = make_fragmented(2 * kExtentsPerStep + 10);
  ASSERT_THAT(truncate(file, 4 * kBlock + 1), IsOk());
  EXPECT_THAT(extents_of(file), SizeIs(3));
  EXPECT_EQ(stat(file).blocks, 3u);
  EXPECT_FALSE(has_orphan_item(file));
  EXPECT_EQ(live_blocks(), 3u);
}

TEST_F(DataTruncate, ThatWasCutShortIsFinishedByTheNextChange) {
  const InodeNumber file = make_fragmented(20);
  leave_unfinished(file, kBlock);
  EXPECT_EQ(read(file, 0, 100 * kBlock), pattern(kBlock)) << "the size counts";
  write(file, 100 * kBlock, "x");
  EXPECT_EQ(read(file, kBlock, 99 * kBlock), std::string(99 * kBlock, '\0'))
      << "nothing of the old data comes back";
  EXPECT_EQ(stat(file).blocks, 2u);
  EXPECT_FALSE(has_orphan_item(file));
}

TEST_F(DataTruncate, ThatWasCutShortIsFinishedAtTheNextMount) {
  const InodeNumber file = make_fragmented(20);
  leave_unfinished(file, kBlock);
  kill_and_reopen();
  EXPECT_EQ(stat(file).blocks, 1u);
  EXPECT_EQ(stat(file).size, kBlock);
  EXPECT_FALSE(has_orphan_item(file));
  EXPECT_EQ(live_blocks(), 1u);
}

TEST_F(DataTruncate, UnlinkedFilesLoseAllTheirData) {
  const InodeNumber file = make_fragmented(2 * kExtentsPerStep);
  ASSERT_THAT(main().unlink(owner(), kRootInode, "fragments"), HoldsValue(file));
  EXPECT_EQ(live_blocks(), 0u);
}

}  // namespace
}  // namespace cowfs
