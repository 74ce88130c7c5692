#include "lib/store/node_array.h"

#include <algorithm>
#include <cstring>

#include "lib/base/check.h"

namespace cowfs {
namespace {

ArrayName segment_name(std::uint64_t segment) { return {ArrayKind::kNodes, segment}; }

constexpr std::size_t kWriteRun = 256;  // nodes in one host write: 1 MiB

}  // namespace

void NodeArray::set_segment_count(std::uint64_t segments) {
  segments_.resize(segments);
  free_count_ = segments * kNodesPerSegment;
  if (segments > 0) {  // number 0 means "none" and is never given out
    segments_[0].held.set(0);
    --segments_[0].free;
    --free_count_;
  }
}

bool NodeArray::load_bitmap(std::uint64_t segment, std::string_view bits) {
  if (segment >= segments_.size() || bits.size() != kSegmentBitmapSize) return false;
  Segment& s = segments_[segment];
  for (std::size_t i = 0; i < kNodesPerSegment; ++i) {
    if ((static_cast<unsigned char>(bits[i / 8]) >> (i % 8) & 1) == 0 || s.used.test(i) ||
        s.held.test(i))
      continue;
    s.used.set(i);
    ++used_count_;
    --s.free;
    --free_count_;
  }
  return true;
}

bool NodeArray::hold_bitmap(std::uint64_t segment, std::string_view bits,
                            std::uint64_t checkpoint) {
  if (segment >= segments_.size() || bits.size() != kSegmentBitmapSize) return false;
  Segment& s = segments_[segment];
  for (std::size_t i = 0; i < kNodesPerSegment; ++i) {
    if ((static_cast<unsigned char>(bits[i / 8]) >> (i % 8) & 1) == 0 || s.used.test(i) ||
        s.held.test(i))
      continue;
    s.held.set(i);
    --s.free;
    --free_count_;
    held_[checkpoint].push_back(NodeId{segment * kNodesPerSegment + i});
  }
  return true;
}

Result<NodeRef> NodeArray::load(NodePointer pointer) {
  if (use_demanded_ &&
      !is_used(pointer.id)) {  // two pointers lead to it, and it was freed by way of one
    return fail(ErrorCode::kCorrupted,
                "a pointer to node " + std::to_string(raw(pointer.id)) + ", which is not in use");
  }
  if (const auto found = dirty_.find(pointer.id);
      found != dirty_.end() && found->second->pointer() == pointer)
    return found->second;
  if (const auto found = frozen_.find(pointer.id);
      found != frozen_.end() && found->second->pointer() == pointer) {
    return found->second;
  }
  if (NodeRef cached = cache_.find(pointer)) return cached;
  const std::uint64_t segment = raw(pointer.id) / kNodesPerSegment;
  if (pointer.id == kNoNode || segment >= segments_.size()) {
    return fail(ErrorCode::kCorrupted,
                "a pointer to node " + std::to_string(raw(pointer.id)) + ", which cannot exist");
  }
  auto node = std::make_shared<Node>();
  COWFS_TRY(storage_.read(segment_name(segment), raw(pointer.id) % kNodesPerSegment * kNodeSize,
                          node->mutable_page()));
  COWFS_TRY(node->validate(pointer));
  cache_.insert(node);
  return node;
}

NodeId NodeArray::take_free() {
  for (std::uint64_t tried = 0; tried < segments_.size();
       ++tried, cursor_ = (cursor_ + 1) % segments_.size()) {
    Segment& s = segments_[cursor_];
    if (s.free == 0) continue;
    // libstdc++: the lowest bit that is set
    const std::size_t bit = (~(s.used | s.held))._Find_first();
    if (bit < kNodesPerSegment) return NodeId{cursor_ * kNodesPerSegment + bit};
  }
  return kNoNode;
}

Result<NodeRef> NodeArray::allocate(unsigned level, Generation generation) {
  if (free_count_ == 0) COWFS_TRY(ensure_free(1));
  const NodeId id = take_free();
  COWFS_CHECK(id != kNoNode);
  Segment& s = segment_of(id);
  s.used.set(raw(id) % kNodesPerSegment);
  --s.free;
  --free_count_;
  ++used_count_;
  changed_.insert(raw(id) / kNodesPerSegment);
  cache_.erase(id);
  auto node = std::make_shared<Node>(id, generation, level);
  dirty_[id] = node;
  return node;
}

Result<void> NodeArray::ensure_free(std::size_t count) {
  while (free_count_ < count) COWFS_TRY(add_segment());
  return {};
}

Result<void> NodeArray::add_segment() {
  if (!in_memory_) {
    const ArrayName name = segment_name(segments_.size());
    auto created = storage_.create(name);
    // One left behind by a crash is ours to use: nothing refers to it.
    if (!created && created.error().code != ErrorCode::kExists) return created;
    COWFS_TRY(storage_.reserve(name, 0, kSegmentBytes));
  }
  segments_.emplace_back();
  free_count_ += kNodesPerSegment;
  if (segments_.size() == 1) {
    segments_[0].held.set(0);
    --segments_[0].free;
    --free_count_;
  }
  changed_.insert(segments_.size() - 1);
  return {};
}

void NodeArray::free(NodePointer node, std::uint64_t checkpoint) {
  Segment& s = segment_of(node.id);
  const std::size_t bit = raw(node.id) % kNodesPerSegment;
  COWFS_CHECK(s.used.test(bit));
  s.used.reset(bit);
  s.held.set(bit);
  --used_count_;
  changed_.insert(raw(node.id) / kNodesPerSegment);
  cache_.erase(node.id);
  // A node that no checkpoint ever took can be used again at once.
  if (dirty_.erase(node.id) > 0) release(node.id);
  else held_[checkpoint].push_back(node.id);
}

void NodeArray::release(NodeId id) {
  Segment& s = segment_of(id);
  s.held.reset(raw(id) % kNodesPerSegment);
  ++s.free;
  ++free_count_;
}

bool NodeArray::is_used(NodeId id) const {
  const std::uint64_t segment = raw(id) / kNodesPerSegment;
  return segment < segments_.size() && segments_[segment].used.test(raw(id) % kNodesPerSegment);
}

std::string NodeArray::bitmap(std::uint64_t segment) const {
  std::string bits(kSegmentBitmapSize, '\0');
  for (std::size_t i = 0; i < kNodesPerSegment; ++i) {
    if (segments_[segment].used.test(i))
      bits[i / 8] = static_cast<char>(static_cast<unsigned char>(bits[i / 8]) | 1u << (i % 8));
  }
  return bits;
}

std::vector<NodeRef> NodeArray::freeze() {
  for (auto& [id, node] : dirty_) frozen_[id] = std::move(node);
  dirty_.clear();
  std::vector<NodeRef> nodes;
  nodes.reserve(frozen_.size());
  for (const auto& [id, node] : frozen_) nodes.push_back(node);
  return nodes;
}

Result<void> NodeArray::write_frozen(std::vector<NodeRef> nodes) {
  std::ranges::sort(nodes, {}, [](const NodeRef& node) { return raw(node->pointer().id); });
  std::set<std::uint64_t> touched;
  std::vector<Node> pages;  // sealed copies: readers may be using the nodes themselves
  pages.reserve(kWriteRun);
  for (std::size_t begin = 0; begin < nodes.size();) {
    const std::uint64_t first = raw(nodes[begin]->pointer().id);
    std::size_t end = begin;
    pages.clear();
    while (end < nodes.size() && pages.size() < kWriteRun &&
           raw(nodes[end]->pointer().id) == first + (end - begin) &&
           (first + (end - begin)) / kNodesPerSegment == first / kNodesPerSegment) {
      pages.push_back(*nodes[end++]);
      pages.back().seal();
    }
    static_assert(sizeof(Node) == kNodeSize);
    const Bytes run(reinterpret_cast<const std::byte*>(pages.data()), pages.size() * kNodeSize);
    COWFS_TRY(storage_.write(segment_name(first / kNodesPerSegment),
                             first % kNodesPerSegment * kNodeSize, run));
    touched.insert(first / kNodesPerSegment);
    begin = end;
  }
  for (const std::uint64_t segment : touched) COWFS_TRY(storage_.sync(segment_name(segment)));
  return storage_.sync_names(ArrayKind::kNodes);
}

void NodeArray::thaw(std::uint64_t durable, bool omit_holding) {
  for (auto& [id, node] : frozen_) {
    if (is_used(id) && !dirty_.contains(id)) cache_.insert(std::move(node));
  }
  frozen_.clear();
  // What checkpoint k is the first not to refer to is free once k + 1 is durable: then both slots
  // are at k or later.
  while (!held_.empty() && held_.begin()->first + (omit_holding ? 0 : 1) <= durable) {
    for (const NodeId id : held_.begin()->second) release(id);
    held_.erase(held_.begin());
  }
}

}  // namespace cowfs
