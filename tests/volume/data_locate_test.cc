// Where a block lies: what tools and the simulator ask.
#include "tests/volume/data_fixture.h"

namespace cowfs {
namespace {

class Locate : public DataTest {};

TEST_F(Locate, AHoleHasNoPlaceAndSaysHowFarItReaches) {
  const InodeNumber file = make_file("a");
  write(file, 5 * kBlock, pattern(kBlock));
  const auto hole = main().locate(file, 2);
  ASSERT_THAT(hole, IsOk());
  EXPECT_EQ(hole->object, kNoObject);
  EXPECT_EQ(hole->count, 3u);
  EXPECT_EQ(hole->references, 0u);
  const auto end = main().locate(file, 6);
  ASSERT_THAT(end, IsOk());
  EXPECT_EQ(end->object, kNoObject);
}

TEST_F(Locate, ClonesAnswerOnePlaceUntilOneIsWritten) {
  const InodeNumber source = make_file("a");
  write(source, 0, pattern(3 * kBlock));
  const InodeNumber target = make_file("b");
  ASSERT_THAT(clone(source, 0, target, 0, 1 << 30), IsOk());
  const auto of = [&](InodeNumber inode, std::uint64_t block) {
    return main().locate(inode, block).value();
  };
  EXPECT_EQ(of(source, 1).object, of(target, 1).object);
  EXPECT_EQ(of(source, 1).object_block, of(target, 1).object_block);
  EXPECT_EQ(of(source, 1).references, 2u);
  EXPECT_EQ(of(source, 1).count, 2u);
  write(target, kBlock, "x");
  const bool apart = of(source, 1).object != of(target, 1).object ||
                     of(source, 1).object_block != of(target, 1).object_block;
  EXPECT_TRUE(apart);
  EXPECT_EQ(of(source, 1).references, 1u);
  EXPECT_EQ(of(source, 2).references, 2u);
}

TEST_F(Locate, WhatIsNoFileOrNoBlockIsRefused) {
  EXPECT_THAT(main().locate(kRootInode, 0), FailsWith(ErrorCode::kIsDirectory));
  EXPECT_THAT(main().locate(make_file("a"), std::uint64_t{1} << 60),
              FailsWith(ErrorCode::kInvalidArgument));
}

}  // namespace
}  // namespace cowfs
