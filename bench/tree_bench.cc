// How fast the tree itself is: everything in memory, one thread, a million items.
//
//   bench_tree [--benchmark_filter=REGEX]
//
// Keys look like a store's: inode (8 bytes), kind (1), offset (8); values are 40 bytes.
#include <benchmark/benchmark.h>

#include <cstdlib>
#include <memory>
#include <random>
#include <vector>

#include "lib/base/check.h"
#include "lib/tree/diff.h"
#include "lib/tree/tree.h"

namespace {

using namespace cowfs;

// Nodes by number in a vector: as close to no cost as a NodeSpace can come.
class VectorSpace final : public NodeSpace {
 public:
  Result<NodeRef> load(NodePointer pointer) override { return nodes_[raw(pointer.id)].node; }
  Result<NodeRef> allocate(unsigned level) override {
    const NodeId id{nodes_.size()};
    nodes_.push_back({std::make_shared<Node>(id, generation_, level), 1});
    return nodes_.back().node;
  }
  Generation fresh_after() const override { return fresh_after_; }
  Result<bool> shared(NodeId id) override { return nodes_[raw(id)].references > 1; }
  void add_reference(NodeId id) override { ++nodes_[raw(id)].references; }
  void drop_shared_reference(NodeId id) override { --nodes_[raw(id)].references; }
  void free(NodePointer pointer) override { nodes_[raw(pointer.id)].node.reset(); }
  void leaf_copied(const Node& leaf) override { benchmark::DoNotOptimize(leaf.count()); }

  void checkpoint() {
    fresh_after_ = generation_;
    generation_ = next(generation_);
  }
  TreeRoot fork(TreeRoot& parent) {
    add_reference(parent.root.id);
    parent.shared_at = generation_;
    generation_ = next(generation_);
    return parent;
  }

 private:
  struct Entry {
    NodeRef node;
    std::uint64_t references;
  };
  std::vector<Entry> nodes_{1};
  Generation generation_{1};
  Generation fresh_after_{0};
};

constexpr std::uint64_t kItems = 1'000'000;
const std::string kValue(40, 'v');

std::string key_of(std::uint64_t number) {
  return ByteWriter().be(number / 16 + 16).be(std::uint8_t{5}).be((number % 16) << 20).take();
}

struct Filled {
  Filled() {
    root = *Tree::create(space, Generation{0});
    Tree tree(space, root);
    for (std::uint64_t i = 0; i < kItems; ++i) COWFS_CHECK(tree.put(key_of(i), kValue));
  }
  VectorSpace space;
  TreeRoot root;
};

// Precomputed, so that making keys is not measured.
std::vector<std::string> random_keys() {
  std::mt19937_64 random(1);
  std::vector<std::string> keys;
  for (int i = 0; i < 1 << 16; ++i) keys.push_back(key_of(random() % kItems));
  return keys;
}

void get_random(benchmark::State& state) {
  Filled filled;
  const Tree tree(filled.space, filled.root);
  const auto keys = random_keys();
  std::size_t i = 0;
  for (auto _ : state) benchmark::DoNotOptimize(tree.get(keys[i++ % keys.size()]));
}
BENCHMARK(get_random);

void put_over_random(benchmark::State& state) {
  Filled filled;
  Tree tree(filled.space, filled.root);
  const auto keys = random_keys();
  std::size_t i = 0;
  for (auto _ : state) COWFS_CHECK(tree.put(keys[i++ % keys.size()], kValue));
}
BENCHMARK(put_over_random);

void put_sequential(benchmark::State& state) {
  Filled filled;
  Tree tree(filled.space, filled.root);
  std::uint64_t number = kItems;
  for (auto _ : state) COWFS_CHECK(tree.put(key_of(number++), kValue));
}
BENCHMARK(put_sequential)->Iterations(kItems);

// Puts and erases new keys between the others: splits and merges are part of it.
void put_then_erase_random(benchmark::State& state) {
  Filled filled;
  Tree tree(filled.space, filled.root);
  const auto keys = random_keys();
  std::size_t i = 0;
  for (auto _ : state) {
    COWFS_CHECK(tree.put(keys[i % keys.size()] + "x", kValue));
    COWFS_CHECK(tree.erase(keys[(i / 2) % keys.size()] + "x"));
    ++i;
  }
}
BENCHMARK(put_then_erase_random);

void first_put_after_fork(benchmark::State& state) {
  Filled filled;
  Tree tree(filled.space, filled.root);
  const auto keys = random_keys();
  std::size_t i = 0;
  for (auto _ : state) {
    filled.space.fork(filled.root);
    COWFS_CHECK(tree.put(keys[i++ % keys.size()], kValue));
  }
}
BENCHMARK(first_put_after_fork)->Iterations(10'000);

void first_put_after_checkpoint(benchmark::State& state) {
  Filled filled;
  Tree tree(filled.space, filled.root);
  const auto keys = random_keys();
  std::size_t i = 0;
  for (auto _ : state) {
    filled.space.checkpoint();
    COWFS_CHECK(tree.put(keys[i++ % keys.size()], kValue));
  }
}
BENCHMARK(first_put_after_checkpoint)->Iterations(100'000);

void scan_item(benchmark::State& state) {
  Filled filled;
  const Tree tree(filled.space, filled.root);
  for (auto _ : state) {
    COWFS_CHECK(tree.scan("", [&](std::string_view, std::string_view value) {
      benchmark::DoNotOptimize(value.data());
      return true;
    }));
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(kItems) * state.iterations());
}
BENCHMARK(scan_item)->Unit(benchmark::kMillisecond);

void diff_of_one_change(benchmark::State& state) {
  Filled filled;
  const TreeRoot before = filled.space.fork(filled.root);
  COWFS_CHECK(Tree(filled.space, filled.root).put(key_of(kItems / 2), std::string(40, 'w')));
  for (auto _ : state) {
    std::size_t found = 0;
    COWFS_CHECK(diff_trees(filled.space, before.root, filled.root.root,
                           [&](const TreeDifference&) { return ++found > 0; }));
    COWFS_CHECK(found == 1);
  }
}
BENCHMARK(diff_of_one_change);

}  // namespace

BENCHMARK_MAIN();
