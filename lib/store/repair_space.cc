#include "lib/store/repair_space.h"

#include <algorithm>
#include <set>

#include "lib/store/node_array.h"

namespace cowfs {

Result<NodeRef> RepairSpace::load(NodePointer pointer) {
  const auto found = made_.find(pointer.id);
  if (found == made_.end()) return reader_.load(pointer);
  if (found->second->pointer() == pointer) return found->second;
  return fail(ErrorCode::kCorrupted, "another node is in its place");
}

Result<NodeRef> RepairSpace::allocate(unsigned level) { return allocate_as(level, generation_); }

Result<NodeRef> RepairSpace::allocate_as(unsigned level, Generation generation) {
  const NodeId id{next_number_++};
  auto node = std::make_shared<Node>(id, generation, level);
  made_[id] = node;
  return node;
}

Result<bool> RepairSpace::shared(NodeId id) {
  const std::uint64_t counted = counts_ == nullptr ? 0 : counts_->get(id).references;
  const auto change = changes_.find(id);
  const std::int64_t references = static_cast<std::int64_t>(std::max<std::uint64_t>(counted, 1)) +
                                  (change == changes_.end() ? 0 : change->second);
  return references >= 2;
}

void RepairSpace::use_counts(const NodeTally& counts) {
  counts_ = &counts;
  changes_.clear();
}

std::uint64_t RepairSpace::segment_count() const {
  return (next_number_ + kNodesInSegment - 1) / kNodesInSegment;
}

Result<void> RepairSpace::write(std::uint64_t segments) {
  COWFS_ASSIGN(const auto present, storage_.list(ArrayKind::kNodes));
  std::set<std::uint64_t> touched;
  for (std::uint64_t segment = 0; segment < segments; ++segment) {
    if (std::ranges::binary_search(present, segment)) continue;
    COWFS_TRY(storage_.create({ArrayKind::kNodes, segment}));
    touched.insert(segment);
  }
  for (const auto& [id, node] : made_) {
    Node page = *node;
    page.seal();
    const std::uint64_t segment = raw(id) / kNodesInSegment;
    COWFS_TRY(storage_.write({ArrayKind::kNodes, segment}, raw(id) % kNodesInSegment * kNodeSize,
                             page.page()));
    touched.insert(segment);
  }
  for (const std::uint64_t segment : touched) {
    COWFS_TRY(storage_.reserve({ArrayKind::kNodes, segment}, 0, kSegmentBytes));
    COWFS_TRY(storage_.sync({ArrayKind::kNodes, segment}));
  }
  return storage_.sync_names(ArrayKind::kNodes);
}

}  // namespace cowfs
