#include "lib/store/node_counts.h"

#include <algorithm>
#include <vector>

#include "lib/base/check.h"
#include "lib/store/key.h"

namespace cowfs {

std::string node_count_key(NodeId id) {
  return key_of(kStoreKeyInode, KeyKind::kNodeCount).be(raw(id)).take();
}

std::string encode_node_count(std::uint64_t count) {
  return ByteWriter().le(static_cast<std::uint32_t>(count)).take();
}

std::uint64_t decode_node_count(std::string_view value) {
  ByteReader reader(value);
  const auto count = reader.le<std::uint32_t>();
  return reader.done() && count >= 2 ? count : 1;
}

Result<std::int64_t> NodeCounts::stored(const Tree& store_tree, NodeId id, Entry& entry) {
  if (entry.stored == kUnknown) {
    COWFS_ASSIGN(const auto value, store_tree.get(node_count_key(id)));
    entry.stored = value ? static_cast<std::int64_t>(decode_node_count(*value)) : 1;
  }
  return entry.stored;
}

Result<std::uint64_t> NodeCounts::get(const Tree& store_tree, NodeId id) {
  Entry& entry = entries_[id];
  COWFS_ASSIGN(const std::int64_t base, stored(store_tree, id, entry));
  COWFS_CHECK(base + entry.delta >= 1);
  return static_cast<std::uint64_t>(base + entry.delta);
}

bool NodeCounts::pending() const {
  return std::ranges::any_of(entries_, [](const auto& item) { return item.second.delta != 0; });
}

Result<void> NodeCounts::apply(Tree& store_tree) {
  std::vector<NodeId> ids;
  ids.reserve(entries_.size());
  for (const auto& [id, entry] : entries_) {
    if (entry.delta != 0) ids.push_back(id);
  }
  std::ranges::sort(ids);
  for (const NodeId id : ids) {
    Entry& entry = entries_[id];
    COWFS_ASSIGN(const std::int64_t base, stored(store_tree, id, entry));
    const std::int64_t count = base + entry.delta;
    COWFS_CHECK(count >= 1);
    if (count >= 2)
      COWFS_TRY(
          store_tree.put(node_count_key(id), encode_node_count(static_cast<std::uint64_t>(count))));
    else COWFS_TRY(store_tree.erase(node_count_key(id)));
    entry = {count, 0};
  }
  entries_.clear();
  return {};
}

}  // namespace cowfs
