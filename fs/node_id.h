// What the kernel calls a node: volume and inode in one number, so that no table is needed to
// understand a request.
//
//   bit 63        62 ... 40       39 ... 0
//   +---------+----------------+-----------------------------------------------+
//   | virtual | volume (23)    | inode (40)                                    |
//   +---------+----------------+-----------------------------------------------+
//
//  1. Not virtual: an inode of a volume. The root of the mounted volume is 1, as the kernel wants
//  it.
//  2. Virtual, with the inode of a directory: the `.cowfs` of that directory.
//  3. Virtual, with an inode below 16 but not 2 (no file has such a number): the links in a
//  `.cowfs`.
//     Inodes 8 to 15 and the volume field together number a link (link_table.h).
//  4. st_ino is the node id. The generation is always 0: numbers are never used twice.
#pragma once

#include <cstdint>

#include "lib/base/ids.h"

namespace cowfs {

inline constexpr std::uint64_t kMountRootNode = 1;
inline constexpr std::uint32_t kSnapshotLinkLimit = std::uint32_t{1}
                                                    << 26;  // link numbers are below

/// What a node id says.
struct Place {
  enum class Kind {
    kInode,
    kSnapshotDirectory,  // the `.cowfs` of the directory `inode` of `volume`
    kSnapshotLink,       // number `link` of the table
    kNothing,            // no node has such a number
  };
  Kind kind = Kind::kNothing;
  VolumeId volume{};
  InodeNumber inode{};
  std::uint32_t link = 0;

  bool is_virtual() const { return kind != Kind::kInode; }
  friend bool operator==(const Place&, const Place&) = default;
};

class NodeIds {
 public:
  explicit NodeIds(VolumeId mounted) : mounted_(mounted) {}

  VolumeId mounted() const { return mounted_; }
  std::uint64_t of_inode(VolumeId volume, InodeNumber inode) const;
  std::uint64_t of_snapshot_directory(VolumeId volume, InodeNumber directory) const;
  std::uint64_t of_snapshot_link(std::uint32_t link) const;
  Place place_of(std::uint64_t node) const;

 private:
  VolumeId mounted_;
};

}  // namespace cowfs
