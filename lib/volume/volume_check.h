// Checks what the items of one volume mean: inodes, names, links, attributes, extents, directories.
//
// How it works. One scan in key order sees all of an inode together: its record, the entries that
// it has as a directory, its own names (parent items), attributes, link target, extents. What hangs
// together across inodes is held as little as possible: the two items of each entry as sums that
// must be equal (volume_links.h looks closer only where they differ), directories with their
// parents, orphans. Memory: 40 bytes a directory.
//
// Each problem comes with the changes that mend it. They are made in phases, since mending one
// thing uncovers the next:
//
//     items    what makes no sense goes; records that are lost are made anew from what they had
//     links    entries that have one of their two items get the other one, or go
//     names    inodes without a name, and directories that lie in a circle, go to lost+found
//     counts   link counts, sizes, blocks, flags
//
// A check tells the problems of all phases; a repair (volume_repair.h) mends one phase after the
// other, each on a new scan.
//
// Invariants: nothing is changed here; no recursion; every length is bounded by what lies in the
// tree.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "lib/store/extent.h"
#include "lib/store/problem.h"
#include "lib/volume/volume_items.h"

namespace cowfs {

enum class CheckPhase : std::uint8_t { kItems, kLinks, kNames, kCounts };
inline constexpr CheckPhase kCheckPhases[] = {CheckPhase::kItems, CheckPhase::kLinks,
                                              CheckPhase::kNames, CheckPhase::kCounts};

/// What is known of a volume, and of the store around it.
struct VolumeFacts {
  VolumeId id{};
  std::string name;
  Generation shared_at{0};
  std::uint64_t name_seed = 0;
  /// Whether an extent's blocks can be read at all: their object is there and has room for them.
  std::function<bool(const BlockRange&)> is_there = [](const BlockRange&) { return true; };
  /// Whether any block of a range has more than one reference.
  std::function<bool(const BlockRange&)> is_shared = [](const BlockRange&) { return false; };
  /// The kind and window of an object are those of an own object for this window.
  std::function<bool(ObjectNumber, std::uint32_t window)> is_own_object =
      [](ObjectNumber, std::uint32_t) { return true; };
  /// Key ranges that a repair of structures has emptied: to say which part of a file is lost.
  std::vector<LostNode> lost{};
  /// Told now and then how many inodes were looked at.
  std::function<void(std::uint64_t inodes)> on_inodes{};
};

struct VolumeMend {
  std::string key;
  std::optional<std::string> value;    // nothing: erase
  std::optional<BlockRange> released;  // by the extent that goes
};

struct VolumeFindings {
  ProblemList problems;
  std::vector<VolumeMend> mends;          // of the phase that was asked for
  std::vector<InodeNumber> to_reconnect;  // inodes without a name (phase names)
  std::set<InodeNumber> named_again;      // that get a name back by the phase links
  std::uint64_t inodes = 0;
};

/// All problems, or those of one phase with their mends.
Result<VolumeFindings> check_volume(VolumeItems& items, const VolumeFacts& facts,
                                    std::optional<CheckPhase> phase = std::nullopt);

/// The path of an inode by its first name, from the volume's root; as much of it as can be told.
std::string path_in(VolumeItems& items, InodeNumber inode);

}  // namespace cowfs
