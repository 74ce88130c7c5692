#include "lib/store/records.h"

#include "lib/store/volume_table.h"

namespace cowfs {
namespace {

constexpr std::uint32_t kReadOnlyFlag = 1;
constexpr std::uint32_t kOrphansFlag = 2;
constexpr std::uint8_t kSealedFlag = 1;

ByteWriter store_key(KeyKind kind) { return key_of(kStoreKeyInode, kind); }

}  // namespace

std::string volume_key(VolumeId id) { return store_key(KeyKind::kVolume).be(raw(id)).take(); }

std::string encode_volume(const VolumeRecord& record) {
  const std::uint32_t flags =
      (record.read_only ? kReadOnlyFlag : 0) | (record.has_orphans ? kOrphansFlag : 0);
  return ByteWriter()
      .bytes(encode_pointer(record.root.root))
      .le(raw(record.root.shared_at))
      .le(raw(record.parent))
      .le(flags)
      .le(static_cast<std::uint64_t>(record.created.seconds))
      .le(record.created.nanoseconds)
      .bytes(record.name)
      .take();
}

std::optional<VolumeRecord> decode_volume(std::string_view key, std::string_view value) {
  ByteReader rest(rest_of(key));
  ByteReader reader(value);
  VolumeRecord record;
  record.id = VolumeId{rest.be<std::uint32_t>()};
  const std::string_view pointer = reader.bytes(kNodePointerSize);
  if (pointer.size() == kNodePointerSize) record.root.root = decode_pointer(pointer);
  record.root.shared_at = Generation{reader.le<std::uint64_t>()};
  record.parent = VolumeId{reader.le<std::uint32_t>()};
  const auto flags = reader.le<std::uint32_t>();
  record.read_only = (flags & kReadOnlyFlag) != 0;
  record.has_orphans = (flags & kOrphansFlag) != 0;
  record.created.seconds = static_cast<std::int64_t>(reader.le<std::uint64_t>());
  record.created.nanoseconds = reader.le<std::uint32_t>();
  if (!rest.done() || !reader.ok() || raw(record.id) >= kVolumeLimit) return std::nullopt;
  record.name = std::string(reader.rest());
  if (!record.name.empty() && !check_volume_name(record.name)) return std::nullopt;
  return record;
}

std::string object_key(ObjectNumber object) {
  return store_key(KeyKind::kObject).be(raw(object)).take();
}

std::string encode_object(const ObjectRecord& record) {
  return ByteWriter()
      .le(static_cast<std::uint8_t>(record.kind))
      .le(static_cast<std::uint8_t>(record.sealed ? kSealedFlag : 0))
      .le(std::uint16_t{0})
      .le(record.window)
      .le(record.end_blocks)
      .le(record.live_blocks)
      .le(raw(record.birth))
      .le(raw(record.volume))
      .le(std::uint32_t{0})
      .le(raw(record.inode))
      .le(std::uint64_t{0})
      .take();
}

std::optional<ObjectRecord> decode_object(std::string_view value) {
  ByteReader reader(value);
  ObjectRecord record;
  const auto kind = reader.le<std::uint8_t>();
  const auto flags = reader.le<std::uint8_t>();
  const auto encoding = reader.le<std::uint16_t>();
  record.kind = static_cast<ObjectKind>(kind);
  record.sealed = (flags & kSealedFlag) != 0;
  record.window = reader.le<std::uint32_t>();
  record.end_blocks = reader.le<std::uint64_t>();
  record.live_blocks = reader.le<std::uint64_t>();
  record.birth = Generation{reader.le<std::uint64_t>()};
  record.volume = VolumeId{reader.le<std::uint32_t>()};
  reader.le<std::uint32_t>();
  record.inode = InodeNumber{reader.le<std::uint64_t>()};
  reader.le<std::uint64_t>();
  if (!reader.done() || kind > 1 || encoding != 0 || record.live_blocks > record.end_blocks)
    return std::nullopt;
  return record;
}

std::string block_count_key(ObjectNumber object, std::uint64_t first) {
  return store_key(KeyKind::kBlockCount).be(raw(object)).be(first).take();
}

std::string encode_block_count(const BlockCountRun& run) {
  return ByteWriter().le(run.range.count).le(static_cast<std::uint32_t>(run.references)).take();
}

std::optional<BlockCountRun> decode_block_count(std::string_view key, std::string_view value) {
  if (kind_of(key) != KeyKind::kBlockCount) return std::nullopt;
  ByteReader rest(rest_of(key));
  ByteReader reader(value);
  BlockCountRun run;
  run.range.object = ObjectNumber{rest.be<std::uint64_t>()};
  run.range.first = rest.be<std::uint64_t>();
  run.range.count = reader.le<std::uint64_t>();
  run.references = reader.le<std::uint32_t>();
  if (!rest.done() || !reader.done() || run.range.count == 0 || run.references < 2)
    return std::nullopt;
  return run;
}

std::string pending_free_key(const PendingFree& pending) {
  return store_key(KeyKind::kPendingFree)
      .be(pending.checkpoint)
      .be(raw(pending.range.object))
      .be(pending.range.first)
      .take();
}

std::string encode_pending_free(const PendingFree& pending) {
  return ByteWriter().le(pending.range.count).take();
}

std::optional<PendingFree> decode_pending_free(std::string_view key, std::string_view value) {
  if (kind_of(key) != KeyKind::kPendingFree) return std::nullopt;
  ByteReader rest(rest_of(key));
  ByteReader reader(value);
  PendingFree pending;
  pending.checkpoint = rest.be<std::uint64_t>();
  pending.range.object = ObjectNumber{rest.be<std::uint64_t>()};
  pending.range.first = rest.be<std::uint64_t>();
  pending.range.count = reader.le<std::uint64_t>();
  if (!rest.done() || !reader.done()) return std::nullopt;
  return pending;
}

std::string dropped_node_key(unsigned level, NodeId id) {
  return store_key(KeyKind::kDroppedNode).be(static_cast<std::uint8_t>(level)).be(raw(id)).take();
}

std::string encode_dropped_node(NodePointer pointer, std::uint32_t references) {
  return ByteWriter().bytes(encode_pointer(pointer)).le(references).take();
}

std::optional<DroppedNode> decode_dropped_node(std::string_view key, std::string_view value) {
  if (kind_of(key) != KeyKind::kDroppedNode || value.size() != kNodePointerSize + 4)
    return std::nullopt;
  ByteReader reader(value.substr(kNodePointerSize));
  return DroppedNode{std::string(key), decode_pointer(value.substr(0, kNodePointerSize)),
                     reader.le<std::uint32_t>()};
}

}  // namespace cowfs
