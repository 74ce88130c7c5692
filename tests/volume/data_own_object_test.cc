// Files above 1 MiB have an object of their own, as long as nobody else may refer to it.
#include "tests/volume/data_fixture.h"

namespace cowfs {
namespace {

using ::testing::IsEmpty;
using ::testing::SizeIs;

class DataOwnObject : public DataTest {
 protected:
  /// A file of 2 MiB, written in steps of 64 KiB.
  InodeNumber make_large(std::string_view name = "large", unsigned seed = 1) {
    const InodeNumber file = make_file(name);
    const std::string bytes = pattern(2 * kMegabyte, seed);
    for (std::uint64_t at = 0; at < bytes.size(); at += 65536)
      write(file, at, std::string_view(bytes).substr(at, 65536));
    return file;
  }
};

TEST_F(DataOwnObject, IsMadeAboveOneMegabyteAndHoldsTheFileAtEqualOffsets) {
  const InodeNumber file = make_file("f");
  write(file, 0, pattern(kMegabyte));
  EXPECT_FALSE(own_object(file)) << "not yet";
  write(file, kMegabyte, "x");
  const auto own = own_object(file);
  ASSERT_TRUE(own);
  const auto extents = extents_of(file);
  ASSERT_THAT(extents, SizeIs(1));
  EXPECT_EQ(extents[0].blocks, (BlockRange{own->object, 0, 257}));
  expect_file(file, pattern(kMegabyte) + "x");
  EXPECT_EQ(live_blocks(), 257u) << "the places in packs are given back";
}

TEST_F(DataOwnObject, IsNeverMadeByAHole) {
  const InodeNumber file = make_file("f");
  write(file, 100 * kMegabyte, "x");
  write(file, 0, "y");
  EXPECT_FALSE(own_object(file));
}

TEST_F(DataOwnObject, EachWindowHasItsOwn) {
  const InodeNumber file = make_file("f");
  const std::uint64_t window = kWindowBlocks * kBlock;
  const std::string bytes = pattern(4 * kMegabyte);
  write(file, window - 2 * kMegabyte, bytes);
  EXPECT_TRUE(own_object(file, 0));
  EXPECT_TRUE(own_object(file, 1));
  EXPECT_THAT(extents_of(file), SizeIs(2));
  EXPECT_EQ(read(file, window - 2 * kMegabyte, bytes.size()), bytes);
  EXPECT_EQ(place_of(file, kWindowBlocks), (BlockRange{own_object(file, 1)->object, 0, 1}));
}

TEST_F(DataOwnObject, HolesBelowItsEndGoToPacks) {
  const InodeNumber file = make_large();
  const ObjectNumber own = own_object(file)->object;
  write(file, 10 * kMegabyte, "sparse");
  EXPECT_EQ(place_of(file, 10 * 256).object, own);
  write(file, 5 * kMegabyte, "between");
  EXPECT_NE(place_of(file, 5 * 256).object, own);
  write(file, 11 * kMegabyte, "after");
  EXPECT_EQ(place_of(file, 11 * 256).object, own);
}

TEST_F(DataOwnObject, TakesNoMoreBlocksAfterAFork) {
  const InodeNumber file = make_large();
  const ObjectNumber own = own_object(file)->object;
  const VolumeInfo snapshot = fork("s", VolumeKind::kSnapshot);
  write(file, 2 * kMegabyte, pattern(kMegabyte, 5));
  write(file, 0, "redirected");
  EXPECT_NE(place_of(file, 2 * 256).object, own);
  EXPECT_NE(place_of(file, 0).object, own);
  EXPECT_EQ(place_of(file, 1).object, own);
  expect_file(volume(snapshot.id), file, pattern(2 * kMegabyte));
}

TEST_F(DataOwnObject, IsNotMadeOfWhatMayBeShared) {
  const InodeNumber file = make_file("f");
  write(file, 0, pattern(kMegabyte));
  const VolumeInfo snapshot = fork("s", VolumeKind::kSnapshot);
  write(file, kMegabyte, pattern(kMegabyte));
  EXPECT_FALSE(own_object(file));
  expect_file(volume(snapshot.id), file, pattern(kMegabyte));
}

TEST_F(DataOwnObject, IsForgottenWhenTheFileIsCutToNothing) {
  const InodeNumber file = make_large();
  const ObjectNumber old = own_object(file)->object;
  ASSERT_THAT(truncate(file, 0), IsOk());
  EXPECT_FALSE(own_object(file));
  write(file, 0, pattern(2 * kMegabyte, 7));
  ASSERT_TRUE(own_object(file));
  EXPECT_NE(own_object(file)->object, old);
  EXPECT_EQ(live_blocks(), 512u);
}

TEST_F(DataOwnObject, IsFrozenByAClone) {
  const InodeNumber file = make_large();
  const ObjectNumber own = own_object(file)->object;
  const InodeNumber copy = make_file("copy");
  ASSERT_THAT(clone(file, 0, copy, 0, 2 * kMegabyte), HoldsValue(2 * kMegabyte));
  EXPECT_FALSE(own_object(file));
  write(file, 2 * kMegabyte, pattern(kMegabyte, 5));
  EXPECT_NE(place_of(file, 2 * 256).object, own);
  EXPECT_THAT(store().extend_own_object(own, 100000, 1), FailsWith(ErrorCode::kExists));
  expect_file(copy, pattern(2 * kMegabyte));
}

TEST_F(DataOwnObject, GoesWhenItsFileGoes) {
  make_large();
  ASSERT_THAT(main().unlink(owner(), kRootInode, "large"), IsOk());
  EXPECT_EQ(live_blocks(), 0u);
  EXPECT_THAT(storage().list(ArrayKind::kObject).value_or(std::vector<std::uint64_t>{}),
              SizeIs(::testing::Le(1u)))
      << "but the open pack";
}

TEST_F(DataOwnObject, SurvivesARestartAndGrowsOn) {
  const InodeNumber file = make_large();
  const ObjectNumber own = own_object(file)->object;
  reopen();
  write(file, 2 * kMegabyte, pattern(kMegabyte, 5));
  EXPECT_EQ(place_of(file, 2 * 256).object, own);
  expect_file(file, pattern(2 * kMegabyte) + pattern(kMegabyte, 5));
}

}  // namespace
}  // namespace cowfs
