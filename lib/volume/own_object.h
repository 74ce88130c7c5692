// A file's own objects: each holds one window of 1 TiB of the file at equal offsets.
//
// A window gets one when it comes to hold more than 1 MiB of data (a hole never makes one) and all
// of its extents are ours alone: the data that it has is copied over. From then on, blocks at or
// past the highest one ever taken go there; blocks below it that need a new place go to packs. It
// takes no more blocks once it may be shared: after a fork of the volume (its birth tells), or
// after a clone of a part of it (its item is erased and the object frozen).
//
// Item: key (inode, kOwnObject, window u32), value: object u64, birth generation u64.
//
// Locks: as in file_change.h.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "lib/volume/file_change.h"

namespace cowfs {

inline constexpr std::uint64_t kOwnObjectAbove = 256;       // blocks in a window: 1 MiB
inline constexpr std::uint64_t kOwnObjectCopyLimit = 4096;  // blocks copied to make one: 16 MiB

struct OwnObject {
  ObjectNumber object = kNoObject;
  Generation birth{};
};

std::string own_object_key(InodeNumber inode, std::uint32_t window);
Result<std::optional<OwnObject>> find_own_object(const TreeView& view, VolumeId volume,
                                                 InodeNumber inode, std::uint32_t window);

/// The own object in which the window may take blocks; made here, with the window's data moved to
/// it, where `new_blocks` more make it due. Nothing where packs have to do. Extents may have
/// changed: look them up afterwards. Errors only from reading the tree: an own object is never
/// needed.
Result<std::optional<ObjectNumber>> usable_own_object(FileChange& change, std::uint32_t window,
                                                      std::uint64_t new_blocks);

/// A clone is about to share `blocks` of the file. Adds to the transaction the erase of the item of
/// each own object among them, and returns these objects: to be frozen when the transaction is
/// committed.
Result<std::vector<ObjectNumber>> forget_shared_own_objects(const TreeView& view, VolumeId volume,
                                                            InodeNumber inode,
                                                            std::span<const Extent> shared,
                                                            Transaction& transaction);

/// The windows from `first` on that have an own object, at most `limit`.
Result<std::vector<std::uint32_t>> windows_with_own_object(const TreeView& view, VolumeId volume,
                                                           InodeNumber inode, std::uint32_t first,
                                                           std::size_t limit);

}  // namespace cowfs
