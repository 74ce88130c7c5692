// Tree nodes straight from a storage, for looking only: no store is open, nothing is trusted but
// the array.
//
// Every page is validated (checksum, its own id and generation, all that one node can show). Locks:
// none of its own but the cache's.
#pragma once

#include "lib/storage/storage.h"
#include "lib/store/node_cache.h"
#include "lib/tree/node_space.h"

namespace cowfs {

class NodeReader final : public NodeSpace {
 public:
  /// Nodes of `segments` segments; more are damage. `storage` outlives this.
  NodeReader(Storage& storage, std::uint64_t segments,
             std::size_t cache_bytes = std::size_t{64} << 20)
      : storage_(storage), segments_(segments), cache_(cache_bytes) {}

  Result<NodeRef> load(NodePointer pointer) override;

  // Nothing is changed through this space.
  Result<NodeRef> allocate(unsigned level) override;
  Generation fresh_after() const override { return Generation{~std::uint64_t{0}}; }
  Result<bool> shared(NodeId) override { return true; }
  void add_reference(NodeId) override {}
  void drop_shared_reference(NodeId) override {}
  void free(NodePointer) override {}
  void leaf_copied(const Node&) override {}

 private:
  Storage& storage_;
  const std::uint64_t segments_;
  NodeCache cache_;
};

}  // namespace cowfs
