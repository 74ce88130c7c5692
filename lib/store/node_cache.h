// Clean nodes in memory, up to a bound: the cache that answers GETATTR and lookups without a call
// to the host.
//
// Sharded by node id, each shard with a lock of its own (rank: leaf) and a clock hand: a node that
// was used since the hand passed stays, and one that somebody holds.
#pragma once

#include <array>
#include <unordered_map>
#include <vector>

#include "lib/base/mutex.h"
#include "lib/tree/node.h"

namespace cowfs {

class NodeCache {
 public:
  explicit NodeCache(std::size_t limit_bytes);

  /// The cached node, or null. A node of another generation than the pointer's is none.
  NodeRef find(NodePointer pointer);
  void insert(NodeRef node);
  void erase(NodeId id);

 private:
  static constexpr std::size_t kShards = 16;
  struct Slot {
    NodeRef node;
    bool used = false;
  };
  struct Shard {
    Mutex mutex;
    std::unordered_map<NodeId, std::size_t> index COWFS_GUARDED_BY(mutex);
    std::vector<Slot> slots COWFS_GUARDED_BY(mutex);
    std::size_t hand COWFS_GUARDED_BY(mutex) = 0;
  };
  Shard& shard_of(NodeId id) { return shards_[raw(id) % kShards]; }

  const std::size_t slots_per_shard_;
  std::array<Shard, kShards> shards_;
};

}  // namespace cowfs
