// Values of the store's own tree: volumes, objects, runs of reference counts, space that waits to
// be given back.
//
// Each codec has its layout beside it; decoders take any bytes and say nothing where they make no
// sense. docs/format.md repeats them as tables.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "lib/base/ids.h"
#include "lib/base/time.h"
#include "lib/store/extent.h"
#include "lib/store/key.h"
#include "lib/tree/node_space.h"

namespace cowfs {

/// Key: volume id u32. Value: root pointer (16), shared_at u64, parent u32, flags u32, created s64
/// + u32, name (the rest; empty when deleted).
struct VolumeRecord {
  VolumeId id{};
  VolumeId parent{};
  TreeRoot root;
  bool read_only = false;
  bool has_orphans = false;
  Timestamp created;
  std::string name;
};
std::string volume_key(VolumeId id);
std::string encode_volume(const VolumeRecord& record);
std::optional<VolumeRecord> decode_volume(std::string_view key, std::string_view value);

enum class ObjectKind : std::uint8_t { kPack = 0, kOwn = 1 };

/// Key: object u64. Value: kind u8, flags u8, encoding u16, window u32, end u64, live u64, birth
/// u64, volume u32, zero u32, inode u64, encryption key id u64 (reserved, 0).
struct ObjectRecord {
  ObjectKind kind = ObjectKind::kPack;
  bool sealed = false;            // no more blocks are taken from it
  std::uint32_t window = 0;       // of an own object
  std::uint64_t end_blocks = 0;   // blocks ever taken lie below
  std::uint64_t live_blocks = 0;  // blocks that extents refer to
  Generation birth{0};
  VolumeId volume{};  // of an own object: whose it was at first
  InodeNumber inode{};
};
std::string object_key(ObjectNumber object);
std::string encode_object(const ObjectRecord& record);
std::optional<ObjectRecord> decode_object(std::string_view value);

/// Key: object u64, first block u64. Value: count u64, references u32 (2 or more).
struct BlockCountRun {
  BlockRange range;
  std::uint64_t references = 0;
};
std::string block_count_key(ObjectNumber object, std::uint64_t first);
std::string encode_block_count(const BlockCountRun& run);
std::optional<BlockCountRun> decode_block_count(std::string_view key, std::string_view value);

inline constexpr std::uint64_t kInFlight = ~std::uint64_t{0};

/// Key: checkpoint u64, object u64, first block u64. Value: count u64 (0: the whole object). With
/// kInFlight as the checkpoint: blocks that were taken and not yet referred to when this checkpoint
/// was made.
struct PendingFree {
  std::uint64_t checkpoint = 0;  // the first one that does not refer to it
  BlockRange range;
};
std::string pending_free_key(const PendingFree& pending);
std::string encode_pending_free(const PendingFree& pending);
std::optional<PendingFree> decode_pending_free(std::string_view key, std::string_view value);

/// Key: level u8, node id u64. Value: pointer (16), references u32: so many references to this node
/// are to be dropped.
struct DroppedNode {
  std::string key;
  NodePointer pointer;
  std::uint32_t references = 0;
};
std::string dropped_node_key(unsigned level, NodeId id);
std::string encode_dropped_node(NodePointer pointer, std::uint32_t references);
std::optional<DroppedNode> decode_dropped_node(std::string_view key, std::string_view value);

}  // namespace cowfs
