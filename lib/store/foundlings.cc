#include "lib/store/foundlings.h"

#include <algorithm>

#include "lib/store/node_array.h"

namespace cowfs {
namespace {

/// The node that lies in a place, whichever it is.
NodeRef node_in_place(Storage& storage, NodeId id) {
  auto node = std::make_shared<Node>();
  const ArrayName segment{ArrayKind::kNodes, raw(id) / kNodesPerSegment};
  const std::uint64_t offset = raw(id) % kNodesPerSegment * kNodeSize;
  if (!storage.read(segment, offset, node->mutable_page())) return nullptr;
  if (node->pointer().id != id || !node->validate(node->pointer())) return nullptr;
  return node;
}

bool is_of_store(const Node& leaf) {
  return leaf.count() > 0 && ByteReader(leaf.key(0)).be<std::uint64_t>() == kStoreKeyInode;
}

bool is_used(const std::map<std::uint64_t, std::string>& bitmaps, std::uint64_t id) {
  const auto bits = bitmaps.find(id / kNodesPerSegment);
  const std::uint64_t bit = id % kNodesPerSegment;
  return bits != bitmaps.end() &&
         (static_cast<unsigned char>(bits->second[bit / 8]) >> (bit % 8) & 1) != 0;
}

/// Whether a key may come back from an older version: what is made anew anyway may not.
bool is_worth_salvaging(std::string_view key) {
  switch (kind_of(key)) {
    case KeyKind::kVolume:
    case KeyKind::kObject:
    case KeyKind::kPendingFree:
    case KeyKind::kBlockChecksum: return true;
    default: return false;
  }
}

}  // namespace

Foundlings::Foundlings(NodeSpace& space, Storage& storage, const StoreSurvey& survey)
    : space_(space) {
  const bool any_inner = std::ranges::any_of(
      survey.lost(), [](const auto& lost) { return !lost.of_store && !lost.dropped; });
  if (any_inner) find_candidates(storage, survey);
}

void Foundlings::find_candidates(Storage& storage, const StoreSurvey& survey) {
  const StoreItems& items = survey.facts().items;
  std::map<NodeId, std::uint64_t> kept(items.node_counts.begin(), items.node_counts.end());
  std::set<NodeId> lost_ids;
  for (const auto& lost : survey.lost()) lost_ids.insert(lost.node.pointer.id);
  for (const auto& [segment, bits] : items.bitmaps) {
    for (std::uint64_t i = 0; i < kNodesPerSegment; ++i) {
      const NodeId id{segment * kNodesPerSegment + i};
      if (!is_used(items.bitmaps, raw(id)) || survey.store_nodes().tally().get(id).references > 0)
        continue;
      const auto count = kept.find(id);
      const std::uint64_t expected = count == kept.end() ? 1 : count->second;
      const std::uint64_t counted = survey.volume_nodes().tally().get(id).references;
      if (lost_ids.contains(id)) continue;  // known to be lost in its place
      if (expected > counted) add_candidate(storage, id, expected - counted, counted > 0);
    }
  }
}

void Foundlings::add_candidate(Storage& storage, NodeId id, std::uint64_t missing, bool reached) {
  const NodeRef node = node_in_place(storage, id);
  if (node == nullptr) ++unreadable_;
  if (node == nullptr || node->count() == 0 || (node->is_leaf() && is_of_store(*node))) return;
  candidates_[id] = {
      {node->pointer(), node->level(), std::string(node->key(0)), last_key_below(*node)},
      missing,
      reached};
}

std::string Foundlings::last_key_below(const Node& node) {
  std::string last(node.key(node.count() - 1));
  auto at = std::make_shared<Node>(node);
  while (!at->is_leaf() && at->count() > 0) {
    const auto child = space_.load(at->child(at->count() - 1));
    if (!child || (*child)->level() + 1 != at->level() || (*child)->count() == 0) break;
    at = *child;
    last = std::string(at->key(at->count() - 1));
  }
  return last;
}

std::vector<Foundling> Foundlings::take_children(const LostNode& lost, unsigned level) {
  std::vector<Candidate*> fitting;
  for (auto& [id, candidate] : candidates_) {
    const Foundling& node = candidate.node;
    const bool fits = candidate.missing > 0 && node.level < level &&
                      node.pointer.generation <= lost.pointer.generation &&
                      node.first >= lost.from && (!lost.to || node.last < *lost.to);
    if (fits) fitting.push_back(&candidate);
  }
  // The highest first: what lies below it comes with it. Of the same level the youngest.
  std::ranges::sort(fitting, [](const Candidate* a, const Candidate* b) {
    return std::pair(b->node.level, b->node.pointer.generation) <
           std::pair(a->node.level, a->node.pointer.generation);
  });
  std::map<std::string, Foundling> chosen;  // by first key
  for (Candidate* candidate : fitting) {
    if (candidate->missing == 0) continue;
    const Foundling& node = candidate->node;
    const auto after = chosen.upper_bound(node.last);
    const bool overlaps = after != chosen.begin() && std::prev(after)->second.last >= node.first;
    if (overlaps) continue;
    chosen.emplace(node.first, node);
    --candidate->missing;
    if (!candidate->reached) reach(node);
  }
  std::vector<Foundling> children;
  children.reserve(chosen.size());
  for (auto& [first, node] : chosen) children.push_back(std::move(node));
  return children;
}

// What lies below a node that was found is led to again.
void Foundlings::reach(const Foundling& node) {
  std::vector<NodePointer> pending{node.pointer};
  while (!pending.empty()) {
    const NodePointer pointer = pending.back();
    pending.pop_back();
    const auto known = candidates_.find(pointer.id);
    if (known != candidates_.end()) {
      if (known->second.reached) continue;
      known->second.reached = true;
    }
    const auto loaded = space_.load(pointer);
    if (!loaded || (*loaded)->is_leaf()) continue;
    for (std::size_t slot = 0; slot < (*loaded)->count(); ++slot) {
      const NodePointer child = (*loaded)->child(slot);
      const auto found = candidates_.find(child.id);
      if (found == candidates_.end() || found->second.node.pointer != child) continue;
      if (found->second.missing > 0) --found->second.missing;
      pending.push_back(child);
    }
  }
}

std::vector<std::pair<std::string, std::string>> salvage_store_items(Storage& storage,
                                                                     const LostNode& lost,
                                                                     std::uint64_t segments,
                                                                     Generation limit) {
  std::vector<NodeRef> leaves;
  const auto present = storage.list(ArrayKind::kNodes).value_or(std::vector<std::uint64_t>{});
  for (const std::uint64_t segment : present) {
    if (segment >= segments) break;
    for (std::uint64_t i = 0; i < kNodesPerSegment; ++i) {
      NodeRef node = node_in_place(storage, NodeId{segment * kNodesPerSegment + i});
      const bool fits = node != nullptr && node->is_leaf() && is_of_store(*node) &&
                        node->pointer().generation <= limit;
      if (fits) leaves.push_back(std::move(node));
    }
  }
  std::ranges::sort(leaves, std::greater{}, [](const NodeRef& node) {
    return std::pair(node->pointer().generation, node->pointer().id);
  });
  std::map<std::string, std::string> items;
  std::vector<std::pair<std::string, std::string>>
      covered;  // by younger leaves: first and last key
  for (const NodeRef& leaf : leaves) {
    for (std::size_t slot = 0; slot < leaf->count(); ++slot) {
      const std::string key(leaf->key(slot));
      const bool within = key >= lost.from && (!lost.to || key < *lost.to);
      const bool old = std::ranges::any_of(
          covered, [&](const auto& range) { return range.first <= key && key <= range.second; });
      if (within && !old && is_worth_salvaging(key)) items.emplace(key, leaf->value(slot));
    }
    covered.emplace_back(leaf->key(0), leaf->key(leaf->count() - 1));
  }
  return {items.begin(), items.end()};
}

}  // namespace cowfs
