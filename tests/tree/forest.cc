#include "tests/tree/forest.h"

#include <gtest/gtest.h>

#include "tests/tree/recount.h"

namespace cowfs {
namespace {

std::string value_of(std::uint64_t thing, std::size_t size) {
  std::string value = ByteWriter().le(thing).take();
  value.resize(size, static_cast<char>('a' + thing % 26));
  return value;
}

std::optional<std::string> find(const Items& items, const std::string& key) {
  const auto found = items.find(key);
  if (found == items.end()) return std::nullopt;
  return found->second;
}

}  // namespace

unsigned Forest::height(std::size_t tree) {
  return space.peek(trees_[tree].root.root)->level() + 1;
}

std::set<NodeId> Forest::nodes(std::size_t tree) {
  std::set<NodeId> ids;
  std::vector<NodePointer> pending{trees_[tree].root.root};
  while (!pending.empty()) {
    const NodeRef node = space.peek(pending.back());
    ids.insert(pending.back().id);
    pending.pop_back();
    for (std::size_t slot = 0; !node->is_leaf() && slot < node->count(); ++slot)
      pending.push_back(node->child(slot));
  }
  return ids;
}

std::size_t Forest::create() {
  auto root = Tree::create(space, Generation{0});
  EXPECT_TRUE(root);
  trees_.push_back({*root, {}});
  return trees_.size() - 1;
}

std::size_t Forest::fork(std::size_t tree) {
  Grown child{space.fork(trees_[tree].root), trees_[tree].items};
  trees_.push_back(std::move(child));
  return trees_.size() - 1;
}

void Forest::drop(std::size_t tree) {
  space.drop(trees_[tree].root);
  std::swap(trees_[tree], trees_.back());
  trees_.pop_back();
}

void Forest::drop_all() {
  while (!trees_.empty()) drop(0);
}

Result<void> Forest::put(std::size_t tree, const std::string& key, std::size_t value_size,
                         Finger* finger) {
  const std::uint64_t thing = value_size < 8 ? 0 : space.new_thing();
  const std::string value = value_of(thing, value_size);
  auto done = view(tree).put(key, value, finger);
  auto& items = trees_[tree].items;
  const std::string unneeded = done ? std::exchange(items[key], value) : value;
  if (const auto dropped = MemoryNodeSpace::thing_of(unneeded)) space.drop_thing(dropped);
  return done;
}

Result<void> Forest::erase(std::size_t tree, const std::string& key, Finger* finger) {
  COWFS_TRY(view(tree).erase(key, finger));
  auto& items = trees_[tree].items;
  if (const auto found = items.find(key); found != items.end()) {
    if (const auto thing = MemoryNodeSpace::thing_of(found->second)) space.drop_thing(thing);
    items.erase(found);
  }
  return {};
}

std::vector<Change> Forest::diff(std::size_t before, std::size_t after) {
  std::vector<Change> changes;
  const auto done =
      diff_trees(space, root(before).root, root(after).root, [&](const TreeDifference& difference) {
        changes.push_back({std::string(difference.key), {}, {}});
        if (difference.before) changes.back().before = *difference.before;
        if (difference.after) changes.back().after = *difference.after;
        return true;
      });
  EXPECT_TRUE(done);
  return changes;
}

std::vector<Change> Forest::naive_diff(std::size_t before, std::size_t after) const {
  Items keys = items(before);
  keys.insert(items(after).begin(), items(after).end());
  std::vector<Change> changes;
  for (const auto& [key, value] : keys) {
    Change change{key, find(items(before), key), find(items(after), key)};
    if (change.before != change.after) changes.push_back(std::move(change));
  }
  return changes;
}

std::string Forest::check_items(std::size_t tree) {
  auto expected = items(tree).begin();
  std::string fault;
  const auto done = view(tree).scan("", [&](std::string_view key, std::string_view value) {
    if (expected == items(tree).end() || key != expected->first || value != expected->second) {
      fault = "tree " + std::to_string(tree) + " differs at item " +
              std::to_string(std::distance(items(tree).begin(), expected));
      return false;
    }
    ++expected;
    return true;
  });
  if (!done) return done.error().text;
  if (fault.empty() && expected != items(tree).end())
    fault = "tree " + std::to_string(tree) + " ends early";
  return fault;
}

std::string Forest::check() {
  std::vector<TreeRoot> roots;
  for (std::size_t tree = 0; tree < size(); ++tree) {
    if (std::string fault = check_items(tree); !fault.empty()) return fault;
    roots.push_back(root(tree));
  }
  return recount(space, roots);
}

std::string numbered_key(std::uint64_t number, std::size_t size) {
  std::string key = ByteWriter().be(number).take();
  key.resize(size, '.');
  return key;
}

}  // namespace cowfs
