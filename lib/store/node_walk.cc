#include "lib/store/node_walk.h"

#include <algorithm>

#include "lib/base/xxh3.h"

namespace cowfs {

NodeTally::Entry& NodeTally::operator[](NodeId id) {
  auto& page = pages_[raw(id) / kInPage];
  if (page == nullptr) page = std::make_unique<Page>();
  return (*page)[raw(id) % kInPage];
}

NodeTally::Entry NodeTally::get(NodeId id) const {
  const auto found = pages_.find(raw(id) / kInPage);
  return found == pages_.end() ? Entry{} : (*found->second)[raw(id) % kInPage];
}

void NodeTally::for_each(const std::function<void(NodeId, const Entry&)>& visit) const {
  std::vector<std::uint64_t> numbers;
  numbers.reserve(pages_.size());
  for (const auto& [number, page] : pages_) numbers.push_back(number);
  std::ranges::sort(numbers);
  for (const std::uint64_t number : numbers) {
    const Page& page = *pages_.at(number);
    for (std::size_t i = 0; i < kInPage; ++i) {
      if (page[i].references > 0) visit(NodeId{number * kInPage + i}, page[i]);
    }
  }
}

void NodeWalk::walk(NodePointer root, const VisitLeaf& visit) {
  stack_.push_back({root, kUnknownLevel, "", std::nullopt, 1});
  run(visit);
}

void NodeWalk::walk_part(NodePointer node, std::uint64_t references, const VisitLeaf& visit) {
  if (references == 0) return;
  stack_.push_back({node, kUnknownLevel, std::nullopt, std::nullopt, references});
  run(visit);
}

void NodeWalk::run(const VisitLeaf& visit) {
  while (!stack_.empty()) {
    Step step = std::move(stack_.back());
    stack_.pop_back();
    enter(std::move(step), visit);
  }
}

void NodeWalk::enter(Step step, const VisitLeaf& visit) {
  const NodeId id = step.pointer.id;
  const NodeTally::Entry known = tally_.get(id);
  if (known.references > 0) {
    const bool same = known.generation == step.pointer.generation &&
                      (step.level == kUnknownLevel || step.level == known.level);
    if (!same) return lose(std::move(step), "another node is in its place");
    if (kind_ == Kind::kTree) return lose(std::move(step), "the tree leads to it twice");
    return meet_again(std::move(step), tally_[id]);
  }
  if (forbidden_ != nullptr && forbidden_->get(step.pointer.id).references > 0) {
    return lose(std::move(step), "it belongs to the store's own tree");
  }
  if (lost_.contains({step.pointer.id, step.pointer.generation, step.level, 0})) return;
  const auto node = space_.load(step.pointer);
  if (!node) return lose(std::move(step), node.error().text);
  if (step.level != kUnknownLevel && (*node)->level() != step.level)
    return lose(std::move(step), "it is of a wrong level");
  if (const char* fault = fault_of(step, **node))
    return lose(std::move(step), fault, Fault::kOfPlace);
  tally_[step.pointer.id] = {step.pointer.generation, step.references, (*node)->level(),
                             step.low ? bounds_of(*step.low, step.high) : 0};
  tally_.count_one();
  newest_ = std::max(newest_, step.pointer.generation);
  if ((*node)->is_leaf()) visit(**node);
  else push_children(step, **node);
}

// Trees that share a node mostly have the same bounds for it; else its keys are looked at again.
void NodeWalk::meet_again(Step step, NodeTally::Entry& known) {
  if (step.low && bounds_of(*step.low, step.high) != known.bounds) {
    const auto node = space_.load(step.pointer);
    if (!node) return lose(std::move(step), node.error().text);
    if (const char* fault = fault_of(step, **node))
      return lose(std::move(step), fault, Fault::kOfPlace);
  }
  known.references += step.references;
}

std::uint32_t NodeWalk::bounds_of(std::string_view low, const std::optional<std::string>& high) {
  const std::uint64_t seed = high ? XXH3_64bits(high->data(), high->size()) : 1;
  const auto hash = static_cast<std::uint32_t>(XXH3_64bits_withSeed(low.data(), low.size(), seed));
  return hash == 0 ? 1 : hash;
}

std::optional<NodeWalk::LostKey> NodeWalk::find_lost(NodePointer pointer, unsigned level,
                                                     std::string_view low,
                                                     const std::optional<std::string>& high) const {
  for (const std::uint32_t bounds : {std::uint32_t{0}, bounds_of(low, high)}) {
    const LostKey key{pointer.id, pointer.generation, level, bounds};
    if (lost_.contains(key)) return key;
  }
  return std::nullopt;
}

void NodeWalk::push_children(const Step& step, const Node& node) {
  for (std::size_t slot = node.count(); slot-- > 0;) {
    auto high =
        slot + 1 < node.count() ? std::optional(std::string(node.key(slot + 1))) : step.high;
    stack_.push_back(
        {node.child(slot), node.level() - 1, std::string(node.key(slot)), std::move(high), 1});
  }
}

void NodeWalk::lose(Step step, std::string why, Fault fault) {
  LostNode lost;
  lost.pointer = step.pointer;
  lost.level = step.level;
  lost.from = step.low.value_or("");
  if (fault == Fault::kOfPlace) lost.bounds = bounds_of(lost.from, step.high);
  lost.to = std::move(step.high);
  lost.why = std::move(why);
  if (lost_.insert(key_of_lost(lost)).second && on_lost_) on_lost_(lost);
}

const char* NodeWalk::fault_of(const Step& step, const Node& node) {
  if (node.count() == 0) return nullptr;
  const std::string_view first = node.key(0);
  if (step.low && (first < *step.low || (!node.is_leaf() && first != *step.low))) {
    return "it begins elsewhere than its parent says";
  }
  if (step.high && node.key(node.count() - 1) >= *step.high) return "it reaches too far";
  return nullptr;
}

}  // namespace cowfs
