#include "lib/store/store_items.h"

#include "lib/store/checksum_item.h"
#include "lib/store/node_array.h"
#include "lib/store/node_counts.h"

namespace cowfs {
namespace {

bool add_volume(StoreItems& items, std::string_view key, std::string_view value) {
  auto record = decode_volume(key, value);
  if (!record) return false;
  const VolumeId id = record->id;
  items.volumes.insert_or_assign(id, std::move(*record));
  return true;
}

bool add_object(StoreItems& items, std::string_view key, std::string_view value) {
  ByteReader rest(rest_of(key));
  const ObjectNumber object{rest.be<std::uint64_t>()};
  const auto record = decode_object(value);
  if (!rest.done() || object == kNoObject || !record) return false;
  items.objects.insert_or_assign(object, *record);
  return true;
}

bool add_node_count(StoreItems& items, std::string_view key, std::string_view value) {
  ByteReader rest(rest_of(key));
  const NodeId id{rest.be<std::uint64_t>()};
  const std::uint64_t count = decode_node_count(value);
  if (!rest.done() || count < 2) return false;
  items.node_counts.emplace_back(id, count);
  return true;
}

bool add_bitmap(StoreItems& items, std::string_view key, std::string_view value) {
  ByteReader rest(rest_of(key));
  const auto segment = rest.be<std::uint64_t>();
  if (!rest.done() || value.size() != kSegmentBitmapSize) return false;
  items.bitmaps.insert_or_assign(segment, std::string(value));
  return true;
}

bool add_checksums(StoreItems& items, std::string_view key, std::string_view value) {
  const auto item = decode_checksums(key, value);
  if (!item) return false;
  ++items.checksums;
  if (!items.objects.contains(item->object)) items.stray_checksums.emplace_back(key);
  return true;
}

template <typename T>
bool add_to(std::vector<T>& list, std::optional<T> item) {
  if (item) list.push_back(std::move(*item));
  return item.has_value();
}

}  // namespace

void StoreItems::add_leaf(const Node& leaf) {
  for (std::size_t slot = 0; slot < leaf.count(); ++slot) {
    const std::string_view key = leaf.key(slot);
    if (!add(key, leaf.value(slot))) senseless.emplace_back(key);
  }
}

// Objects come before their checksums in the order of the keys.
bool StoreItems::add(std::string_view key, std::string_view value) {
  if (ByteReader(key).be<std::uint64_t>() != kStoreKeyInode) return false;
  switch (kind_of(key)) {
    case KeyKind::kVolume: return add_volume(*this, key, value);
    case KeyKind::kObject: return add_object(*this, key, value);
    case KeyKind::kBlockCount: return add_to(block_counts, decode_block_count(key, value));
    case KeyKind::kNodeCount: return add_node_count(*this, key, value);
    case KeyKind::kNodeSegment: return add_bitmap(*this, key, value);
    case KeyKind::kPendingFree: return add_to(pending, decode_pending_free(key, value));
    case KeyKind::kDroppedNode: return add_to(dropped, decode_dropped_node(key, value));
    case KeyKind::kBlockChecksum: return add_checksums(*this, key, value);
    default: break;
  }
  const auto kind = static_cast<unsigned>(kind_of(key));
  if (kind < static_cast<unsigned>(KeyKind::kVolume)) return false;
  unknown.emplace_back(key);
  return true;
}

}  // namespace cowfs
