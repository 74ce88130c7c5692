#include "lib/store/node_reader.h"

#include "lib/store/node_array.h"

namespace cowfs {

Result<NodeRef> NodeReader::load(NodePointer pointer) {
  if (NodeRef cached = cache_.find(pointer)) return cached;
  const std::uint64_t segment = raw(pointer.id) / kNodesPerSegment;
  if (pointer.id == kNoNode || segment >= segments_) {
    return fail(ErrorCode::kCorrupted,
                "node " + std::to_string(raw(pointer.id)) + ": its number cannot exist");
  }
  auto node = std::make_shared<Node>();
  const std::uint64_t offset = raw(pointer.id) % kNodesPerSegment * kNodeSize;
  COWFS_TRY(storage_.read({ArrayKind::kNodes, segment}, offset, node->mutable_page()));
  COWFS_TRY(node->validate(pointer));
  cache_.insert(node);
  return node;
}

Result<NodeRef> NodeReader::allocate(unsigned) {
  return fail(ErrorCode::kReadOnly, "a tree that is only looked at cannot be changed");
}

}  // namespace cowfs
