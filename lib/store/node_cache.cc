#include "lib/store/node_cache.h"

#include <algorithm>

namespace cowfs {

NodeCache::NodeCache(std::size_t limit_bytes)
    : slots_per_shard_(std::max<std::size_t>(limit_bytes / sizeof(Node) / kShards, 4)) {}

NodeRef NodeCache::find(NodePointer pointer) {
  Shard& shard = shard_of(pointer.id);
  MutexLock lock(shard.mutex);
  const auto found = shard.index.find(pointer.id);
  if (found == shard.index.end()) return nullptr;
  Slot& slot = shard.slots[found->second];
  if (slot.node->pointer() != pointer) return nullptr;
  slot.used = true;
  return slot.node;
}

void NodeCache::insert(NodeRef node) {
  const NodeId id = node->pointer().id;
  Shard& shard = shard_of(id);
  MutexLock lock(shard.mutex);
  if (const auto found = shard.index.find(id); found != shard.index.end()) {
    shard.slots[found->second] = {std::move(node), true};
    return;
  }
  if (shard.slots.size() < slots_per_shard_) {
    shard.index.emplace(id, shard.slots.size());
    shard.slots.push_back({std::move(node), true});
    return;
  }
  // A node that somebody holds stays: a change under way relies on finding again what it has
  // loaded. Where all are held, there is one more.
  for (std::size_t passed = 0;
       shard.slots[shard.hand].used || shard.slots[shard.hand].node.use_count() > 1; ++passed) {
    if (passed == 2 * shard.slots.size()) {
      shard.index.emplace(id, shard.slots.size());
      shard.slots.push_back({std::move(node), true});
      return;
    }
    shard.slots[shard.hand].used = false;
    shard.hand = (shard.hand + 1) % shard.slots.size();
  }
  Slot& victim = shard.slots[shard.hand];
  shard.index.erase(victim.node->pointer().id);
  shard.index.emplace(id, shard.hand);
  victim = {std::move(node), true};
  shard.hand = (shard.hand + 1) % shard.slots.size();
}

void NodeCache::erase(NodeId id) {
  Shard& shard = shard_of(id);
  MutexLock lock(shard.mutex);
  const auto found = shard.index.find(id);
  if (found == shard.index.end()) return;
  const std::size_t at = found->second;
  shard.index.erase(found);
  if (at + 1 != shard.slots.size()) {
    shard.slots[at] = std::move(shard.slots.back());
    shard.index[shard.slots[at].node->pointer().id] = at;
  }
  shard.slots.pop_back();
  if (shard.hand >= shard.slots.size()) shard.hand = 0;
}

}  // namespace cowfs
