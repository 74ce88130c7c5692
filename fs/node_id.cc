#include "fs/node_id.h"

namespace cowfs {

namespace {

constexpr std::uint64_t kVirtualBit = std::uint64_t{1} << 63;
constexpr unsigned kInodeBits = 40;
constexpr std::uint64_t kFirstLinkInode = 8;
constexpr std::uint32_t kLinkInodes = 8;
static_assert(kSnapshotLinkLimit == kVolumeLimit * kLinkInodes);
static_assert(kInodeLimit == std::uint64_t{1} << kInodeBits);

std::uint64_t join(std::uint32_t volume, std::uint64_t inode) {
  return (std::uint64_t{volume} << kInodeBits) | inode;
}

bool can_be_file(InodeNumber inode) { return inode == kRootInode || inode >= kFirstFreeInode; }

}  // namespace

std::uint64_t NodeIds::of_inode(VolumeId volume, InodeNumber inode) const {
  if (volume == mounted_ && inode == kRootInode) return kMountRootNode;
  return join(raw(volume), raw(inode));
}

std::uint64_t NodeIds::of_snapshot_directory(VolumeId volume, InodeNumber directory) const {
  return kVirtualBit | join(raw(volume), raw(directory));
}

std::uint64_t NodeIds::of_snapshot_link(std::uint32_t link) const {
  return kVirtualBit | join(link / kLinkInodes, kFirstLinkInode + link % kLinkInodes);
}

Place NodeIds::place_of(std::uint64_t node) const {
  if (node == kMountRootNode) return {Place::Kind::kInode, mounted_, kRootInode};
  const auto volume = static_cast<std::uint32_t>((node & ~kVirtualBit) >> kInodeBits);
  const std::uint64_t inode = node & (kInodeLimit - 1);
  const bool is_file = can_be_file(InodeNumber{inode});
  if ((node & kVirtualBit) == 0) {
    if (!is_file) return {};
    return {Place::Kind::kInode, VolumeId{volume}, InodeNumber{inode}};
  }
  if (is_file) return {Place::Kind::kSnapshotDirectory, VolumeId{volume}, InodeNumber{inode}};
  if (inode < kFirstLinkInode) return {};
  const auto low = static_cast<std::uint32_t>(inode - kFirstLinkInode);
  return {Place::Kind::kSnapshotLink, {}, {}, volume * kLinkInodes + low};
}

}  // namespace cowfs
