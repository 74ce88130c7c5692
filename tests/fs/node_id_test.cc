#include "fs/node_id.h"

#include <gtest/gtest.h>

namespace cowfs {
namespace {

constexpr VolumeId kFork{5};
constexpr VolumeId kLastVolume{kVolumeLimit - 1};
constexpr InodeNumber kLastInode{kInodeLimit - 1};

TEST(NodeIds, TheRootOfTheMountedVolumeIsOne) {
  EXPECT_EQ(NodeIds(kMainVolume).of_inode(kMainVolume, kRootInode), 1u);
  EXPECT_EQ(NodeIds(kFork).of_inode(kFork, kRootInode), 1u);
  EXPECT_EQ(NodeIds(kFork).place_of(1), (Place{Place::Kind::kInode, kFork, kRootInode}));
}

TEST(NodeIds, FilesOfMainHaveTheirInodeNumbers) {
  EXPECT_EQ(NodeIds(kMainVolume).of_inode(kMainVolume, InodeNumber{42}), 42u);
}

TEST(NodeIds, EachPlaceHasOneNumberAndEachNumberOnePlace) {
  const NodeIds nodes(kFork);
  for (const VolumeId volume : {kMainVolume, kFork, kLastVolume}) {
    for (const InodeNumber inode : {kRootInode, kFirstFreeInode, InodeNumber{12345}, kLastInode}) {
      EXPECT_EQ(nodes.place_of(nodes.of_inode(volume, inode)),
                (Place{Place::Kind::kInode, volume, inode}));
      EXPECT_EQ(nodes.place_of(nodes.of_snapshot_directory(volume, inode)),
                (Place{Place::Kind::kSnapshotDirectory, volume, inode}));
    }
  }
  for (const std::uint32_t link : {0u, 1u, 7u, 8u, 12345u, kSnapshotLinkLimit - 1}) {
    EXPECT_EQ(nodes.place_of(nodes.of_snapshot_link(link)),
              (Place{Place::Kind::kSnapshotLink, {}, {}, link}));
  }
}

TEST(NodeIds, NumbersThatNothingHasSayNothing) {
  const NodeIds nodes(kFork);
  constexpr std::uint64_t kVirtualBit = std::uint64_t{1} << 63;
  for (const std::uint64_t node : {std::uint64_t{0}, std::uint64_t{3}, std::uint64_t{15},
                                   kVirtualBit, kVirtualBit | 1, kVirtualBit | 7}) {
    EXPECT_EQ(nodes.place_of(node).kind, Place::Kind::kNothing) << node;
    EXPECT_TRUE(nodes.place_of(node).is_virtual()) << node;
  }
}

TEST(NodeIds, NoNumberIsZeroWhichMeansNothingToTheKernel) {
  const NodeIds nodes(kFork);
  EXPECT_NE(nodes.of_inode(kMainVolume, kRootInode), 0u);
  EXPECT_NE(nodes.of_snapshot_link(0), 0u);
}

}  // namespace
}  // namespace cowfs
