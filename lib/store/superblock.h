// The superblock: where a store's newest checkpoint begins. Two slots, written in turn, so that one
// is always whole.
//
// Slot s lies at byte 4096 * s of the array `superblock` and has 512 bytes, which the host writes
// whole or not at all or so that the checksum shows it. Checkpoint n is written to slot n mod 2.
// The bytes are drawn in docs/format.md.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "lib/base/error.h"
#include "lib/base/ids.h"
#include "lib/base/time.h"
#include "lib/journal/record.h"
#include "lib/storage/storage.h"
#include "lib/tree/node.h"

namespace cowfs {

inline constexpr std::size_t kSuperblockSize = 512;           // bytes
inline constexpr std::size_t kSuperblockSlotDistance = 4096;  // bytes
inline constexpr unsigned kSuperblockSlots = 2;
inline constexpr std::uint32_t kFormatVersion = 1;
inline constexpr std::size_t kOpenPackLimit = 4;
// numbers that may be given out between two checkpoints
inline constexpr std::uint64_t kNumberStep = std::uint64_t{1} << 20;

// Features that this program knows. A store with an unknown incompatible feature is refused, with
// an unknown read-only compatible one it opens read-only.
inline constexpr std::uint64_t kFeatureJournal = 1;  // there may be a journal to replay
// blocks have checksums, also in the journal
inline constexpr std::uint64_t kFeatureDataChecksums = 2;
inline constexpr std::uint64_t kKnownIncompatible = kFeatureJournal | kFeatureDataChecksums;
inline constexpr std::uint64_t kKnownReadOnlyCompatible = 0;

struct Superblock {
  std::uint32_t version = kFormatVersion;
  std::uint64_t compatible = 0;
  std::uint64_t read_only_compatible = 0;
  std::uint64_t incompatible = kFeatureJournal;
  StoreId store_id{};
  std::uint64_t name_seed = 0;
  Timestamp created;
  std::uint64_t checkpoint = 0;     // its number, from 1
  Generation generation{1};         // all nodes and extents of this checkpoint are at or below
  NodePointer root;                 // of the store's own tree
  std::uint64_t node_segments = 0;  // segments of the node array
  // Numbers below `next_...` were given out when the checkpoint was made; until the slot is
  // overwritten none at or above `..._limit` is.
  std::uint64_t next_object = 1;
  std::uint64_t object_limit = 1;
  std::uint64_t next_inode = raw(kFirstFreeInode);
  std::uint64_t inode_limit = raw(kFirstFreeInode);
  std::uint32_t next_volume = 1;
  std::uint64_t live_blocks = 0;
  bool clean = false;  // written by close(): nothing happened after it
  std::array<std::uint64_t, kOpenPackLimit> open_packs{};  // object numbers, 0: none
  JournalPosition journal;  // of the first record that is not part of this checkpoint
};

std::string encode_superblock(const Superblock& superblock);
/// kNotAStore: no superblock of ours, or a newer version (the text says which); kCorrupted:
/// damaged.
Result<Superblock> decode_superblock(std::string_view bytes);

Result<void> write_superblock(Storage& storage, const Superblock& superblock);

struct SuperblockSlots {
  std::vector<Superblock> valid;  // newest first, one or two
  bool damaged = false;  // a slot that was written once cannot be read: it may have been the newest
  bool blank = false;    // it is damaged in that nothing is there
};

/// Errors: kNotAStore where no slot has ever been ours, or the newest is of an unknown version or
/// feature; kCorrupted where both are damaged.
Result<SuperblockSlots> read_superblocks(Storage& storage);

}  // namespace cowfs
