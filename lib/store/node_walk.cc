#include "lib/store/node_walk.h"

#include <algorithm>

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
  stack_.push_back({root, kAnyLevel, "", std::nullopt, 1});
  run(visit);
}

void NodeWalk::walk_part(NodePointer node, std::uint64_t references, const VisitLeaf& visit) {
  if (references == 0) return;
  stack_.push_back({node, kAnyLevel, std::nullopt, std::nullopt, references});
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
  const NodeTally::Entry known = tally_.get(step.pointer.id);
  if (known.references > 0) {
    const bool same = known.generation == step.pointer.generation &&
                      (step.level == kAnyLevel || step.level == known.level);
    if (!same) return lose(std::move(step), "another node is in its place");
    if (kind_ == Kind::kTree) return lose(std::move(step), "the tree leads to it twice");
    tally_[step.pointer.id].references += step.references;
    return;
  }
  if (forbidden_ != nullptr && forbidden_->get(step.pointer.id).references > 0) {
    return lose(std::move(step), "it belongs to the store's own tree");
  }
  if (lost_.contains({step.pointer.id, step.pointer.generation, step.level})) return;
  const auto node = space_.load(step.pointer);
  if (!node) return lose(std::move(step), node.error().text);
  if (const char* fault = fault_of(step, **node)) return lose(std::move(step), fault);
  tally_[step.pointer.id] = {step.pointer.generation, step.references, (*node)->level()};
  tally_.count_one();
  newest_ = std::max(newest_, step.pointer.generation);
  if ((*node)->is_leaf()) visit(**node);
  else push_children(step, **node);
}

void NodeWalk::push_children(const Step& step, const Node& node) {
  for (std::size_t slot = node.count(); slot-- > 0;) {
    auto high =
        slot + 1 < node.count() ? std::optional(std::string(node.key(slot + 1))) : step.high;
    stack_.push_back(
        {node.child(slot), node.level() - 1, std::string(node.key(slot)), std::move(high), 1});
  }
}

void NodeWalk::lose(Step step, std::string why) {
  const unsigned level = step.level == kAnyLevel ? 0 : step.level;
  if (!lost_.insert({step.pointer.id, step.pointer.generation, level}).second) return;
  if (!on_lost_) return;
  on_lost_({step.pointer, level, step.low.value_or(""), std::move(step.high), std::move(why)});
}

const char* NodeWalk::fault_of(const Step& step, const Node& node) {
  if (step.level != kAnyLevel && node.level() != step.level) return "it is of a wrong level";
  if (node.count() == 0) return nullptr;
  const std::string_view first = node.key(0);
  if (step.low && (first < *step.low || (!node.is_leaf() && first != *step.low))) {
    return "it begins elsewhere than its parent says";
  }
  if (step.high && node.key(node.count() - 1) >= *step.high) return "it reaches too far";
  return nullptr;
}

}  // namespace cowfs
