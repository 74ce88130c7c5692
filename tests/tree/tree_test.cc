#include "lib/tree/tree.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "tests/tree/forest.h"

namespace cowfs {
namespace {

class TreeTest : public testing::Test {
 protected:
  TreeTest() { forest_.create(); }
  ~TreeTest() override {
    EXPECT_EQ(forest_.check(), "");
    forest_.drop_all();
    EXPECT_EQ(forest_.space.node_count(), 0u);
    EXPECT_TRUE(forest_.space.things().empty());
  }

  void put(const std::string& key, std::size_t value_size = 100) {
    const auto done = forest_.put(0, key, value_size);
    ASSERT_TRUE(done) << done.error().text;
  }
  void put_numbered(std::uint64_t first, std::uint64_t count, std::size_t value_size = 100) {
    for (std::uint64_t i = first; i < first + count; ++i) put(numbered_key(i), value_size);
  }
  void erase(const std::string& key, std::size_t tree = 0) {
    ASSERT_TRUE(forest_.erase(tree, key));
  }
  std::vector<std::string> keys(std::size_t tree = 0) {
    std::vector<std::string> keys;
    for (const auto& [key, value] : forest_.items(tree)) keys.push_back(key);
    return keys;
  }

  Forest forest_;
  MemoryNodeSpace& space_ = forest_.space;
  std::mt19937_64 random_{4};
};

TEST_F(TreeTest, AnEmptyTreeHoldsNothing) {
  const Tree tree = forest_.view(0);
  EXPECT_FALSE(tree.get("key")->has_value());
  EXPECT_FALSE(tree.find_at_or_below("key")->has_value());
  EXPECT_TRUE(tree.scan("", [](auto, auto) { return ADD_FAILURE(), true; }));
  erase("key");
}

TEST_F(TreeTest, GivesBackWhatWasPut) {
  put_numbered(0, 1000);
  put(numbered_key(500), 640);
  put(numbered_key(501), 0);
  for (const auto& [key, value] : forest_.items(0)) EXPECT_EQ(**forest_.view(0).get(key), value);
  EXPECT_FALSE(forest_.view(0).get(numbered_key(1000))->has_value());
  EXPECT_FALSE(forest_.view(0).get(numbered_key(7) + "x")->has_value());
}

TEST_F(TreeTest, KeepsTheLargestAndTheSmallestItems) {
  for (int i = 0; i < 200; ++i) put(numbered_key(random_(), kMaxKeySize), kMaxValueSize);
  for (int i = 0; i < 200; ++i) put(std::string(1, static_cast<char>(i)), 0);
  EXPECT_EQ(forest_.check(), "");
}

TEST_F(TreeTest, KeepsItemsOfVeryUnevenSizes) {
  for (int i = 0; i < 5000; ++i) {
    const std::size_t key_size =
        random_() % 4 == 0 ? kMaxKeySize - random_() % 3 : 8 + random_() % 8;
    const std::size_t value_size =
        random_() % 4 == 0 ? kMaxValueSize - random_() % 3 : random_() % 16;
    put(numbered_key(random_() % 3000, key_size), value_size);
  }
  EXPECT_EQ(forest_.check(), "");
}

TEST_F(TreeTest, ReplacesWhereTheLeafIsFull) {
  put_numbered(0, 37, 8);
  for (int round = 0; round < 3; ++round) {
    for (const std::string& key : keys()) put(key, round % 2 == 0 ? kMaxValueSize : 8);
    EXPECT_EQ(forest_.check(), "");
  }
}

TEST_F(TreeTest, ScansFromAnyKeyUntilToldToStop) {
  put_numbered(0, 2000, 60);
  for (const std::string& key : keys())
    if (random_() % 3 == 0) erase(key);
  for (int i = 0; i < 300; ++i) {
    const std::string from = numbered_key(random_() % 2100, 1 + random_() % 12);
    auto expected = forest_.items(0).lower_bound(from);
    int left = 50;
    ASSERT_TRUE(forest_.view(0).scan(from, [&](std::string_view key, std::string_view value) {
      EXPECT_EQ(key, expected->first);
      EXPECT_EQ(value, expected->second);
      ++expected;
      return --left > 0;
    }));
    if (left > 0) {
      EXPECT_EQ(expected, forest_.items(0).end());
    }
  }
}

TEST_F(TreeTest, FindsTheLastItemAtOrBelow) {
  put_numbered(100, 2000, 60);
  for (const std::string& key : keys())
    if (random_() % 3 == 0) erase(key);
  for (int i = 0; i < 3000; ++i) {
    const std::string key = numbered_key(random_() % 2300, 1 + random_() % 12);
    const auto found = forest_.view(0).find_at_or_below(key);
    ASSERT_TRUE(found);
    auto expected = forest_.items(0).upper_bound(key);
    ASSERT_EQ(found->has_value(), expected != forest_.items(0).begin());
    if (!found->has_value()) continue;
    --expected;
    EXPECT_EQ((*found)->key, expected->first);
    EXPECT_EQ((*found)->value, expected->second);
  }
}

TEST_F(TreeTest, FillsItsLeavesWhenKeysArriveInOrder) {
  put_numbered(0, 20'000, 92);  // 106 bytes an item, 38 a leaf
  EXPECT_LT(space_.node_count(), 20'000 / 38 + 20'000 / 37 / 50);
}

TEST_F(TreeTest, GrowsAndCollapsesToOneLeaf) {
  put_numbered(0, 30'000);
  EXPECT_EQ(forest_.height(0), 3u);
  std::vector<std::string> order = keys();
  std::ranges::shuffle(order, random_);
  for (const std::string& key : order) erase(key);
  EXPECT_EQ(forest_.height(0), 1u);
  EXPECT_EQ(space_.node_count(), 1u);
}

TEST_F(TreeTest, CollapsesWhenErasedInEitherOrder) {
  for (const bool upward : {true, false}) {
    put_numbered(0, 30'000);
    std::vector<std::string> order = keys();
    if (!upward) std::ranges::reverse(order);
    for (const std::string& key : order) erase(key);
    EXPECT_EQ(space_.node_count(), 1u);
  }
}

TEST_F(TreeTest, StaysSmallWhenMostItemsGo) {
  put_numbered(0, 30'000);
  const std::size_t full = space_.node_count();
  for (std::uint64_t i = 0; i < 30'000; ++i)
    if (i % 50 != 0) erase(numbered_key(i));
  EXPECT_LT(space_.node_count(), full / 10);
}

TEST_F(TreeTest, ErasingWhatIsNotThereCopiesNothing) {
  put_numbered(0, 5000);
  space_.checkpoint();
  space_.allocations = 0;
  erase(numbered_key(9999));
  EXPECT_EQ(space_.allocations, 0u);
}

TEST_F(TreeTest, SeparatorsAreShort) {
  // Inner nodes hold a byte or two of these keys, not all 280.
  for (int i = 0; i < 2000; ++i)
    put(ByteWriter().be(random_()).take() + std::string(272, 'x'), 200);
  EXPECT_EQ(forest_.height(0), 3u);
  const NodeRef root = space_.peek(forest_.root(0).root);
  for (std::size_t slot = 0; slot < root->count(); ++slot) EXPECT_LE(root->key(slot).size(), 4u);
}

TEST_F(TreeTest, CopiesAPathOnceACheckpoint) {
  put_numbered(0, 30'000);
  space_.checkpoint();
  space_.allocations = 0;
  for (int i = 0; i < 100; ++i) put(numbered_key(777), 100);
  EXPECT_EQ(space_.allocations, forest_.height(0));
  space_.checkpoint();
  put(numbered_key(777), 100);
  EXPECT_EQ(space_.allocations, 2 * forest_.height(0));
}

TEST_F(TreeTest, KeepsItsItemsThroughCheckpoints) {
  for (int round = 0; round < 20; ++round) {
    for (int i = 0; i < 500; ++i) put(numbered_key(random_() % 5000), random_() % 300);
    for (int i = 0; i < 400; ++i) erase(numbered_key(random_() % 5000));
    space_.checkpoint();
    ASSERT_EQ(forest_.check(), "");
  }
}

TEST_F(TreeTest, AForkKeepsItsItemsWhateverTheOtherDoes) {
  put_numbered(0, 5000);
  const std::size_t fork = forest_.fork(0);
  for (int i = 0; i < 3000; ++i) {
    put(numbered_key(random_() % 6000), random_() % 300);
    ASSERT_TRUE(forest_.erase(fork, numbered_key(random_() % 6000)));
  }
  EXPECT_NE(forest_.items(0), forest_.items(fork));
  EXPECT_EQ(forest_.check(), "");
}

TEST_F(TreeTest, AForkCopiesNothing) {
  put_numbered(0, 30'000);
  const std::size_t before = space_.node_count();
  space_.allocations = space_.loads = 0;
  forest_.fork(0);
  EXPECT_EQ(space_.node_count(), before);
  EXPECT_EQ(space_.allocations + space_.loads, 0u);
}

TEST_F(TreeTest, TheFirstWriteAfterAForkCopiesOnePath) {
  put_numbered(0, 30'000);
  for (const bool checkpointed : {false, true}) {
    forest_.fork(0);
    if (checkpointed) space_.checkpoint();
    space_.allocations = space_.loads = 0;
    put(numbered_key(12'345), 100);
    EXPECT_EQ(space_.allocations, forest_.height(0));
    EXPECT_LE(space_.loads, forest_.height(0));
    put(numbered_key(12'345), 100);
    EXPECT_EQ(space_.allocations, forest_.height(0));
  }
}

TEST_F(TreeTest, TheLastOwnerOfOldNodesTakesThemWithoutCopyingWhatTheyReferTo) {
  put_numbered(0, 5000);
  const std::size_t fork = forest_.fork(0);
  forest_.drop(fork);
  const auto things = space_.things();
  for (const std::string& key : keys()) put(key, 100);
  EXPECT_EQ(space_.things().size(), things.size());
  EXPECT_EQ(forest_.check(), "");
}

TEST_F(TreeTest, ForksCanBeDroppedInAnyOrder) {
  put_numbered(0, 2000);
  for (int i = 0; i < 12; ++i) {
    const std::size_t parent = random_() % forest_.size();
    const std::size_t fork = forest_.fork(parent);
    for (int j = 0; j < 300; ++j) {
      ASSERT_TRUE(forest_.put(fork, numbered_key(random_() % 3000), 50));
      ASSERT_TRUE(forest_.erase(parent, numbered_key(random_() % 3000)));
    }
  }
  while (forest_.size() > 1) {
    forest_.drop(random_() % forest_.size());
    ASSERT_EQ(forest_.check(), "");
  }
}

TEST_F(TreeTest, AHigherTreeThanTheFormatAllowsIsAnErrorNotACrash) {
  // A chain of sixteen nodes whose root is full: what a hostile store could hold.
  NodeRef child = *space_.allocate(0);
  for (unsigned level = 1; level < kMaxTreeHeight; ++level) {
    NodeRef parent = *space_.allocate(level);
    parent->insert(0, "", encode_pointer(child->pointer()));
    while (parent->fits(kMaxKeySize, kNodePointerSize)) {
      parent->insert(parent->count(), numbered_key(parent->count(), kMaxKeySize),
                     encode_pointer(child->pointer()));
    }
    child = parent;
  }
  TreeRoot root{child->pointer(), Generation{0}};
  Tree tree(space_, root);
  Result<void> done;
  for (int i = 0; done && i < 1000; ++i)
    done = tree.put(numbered_key(static_cast<std::uint64_t>(i), kMaxKeySize),
                    std::string(kMaxValueSize, 'v'));
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code, ErrorCode::kCorrupted);
  space_ = MemoryNodeSpace();
  forest_ = Forest();
}

TEST_F(TreeTest, NodesOfTheWrongLevelAreAnError) {
  put_numbered(0, 30'000);
  const NodeRef root = space_.peek(forest_.root(0).root);
  const NodePointer child = root->child(0);
  const NodePointer grandchild = space_.peek(child)->child(0);
  root->set_child(0, grandchild);
  const Tree tree = forest_.view(0);
  EXPECT_EQ(tree.get(numbered_key(0)).error().code, ErrorCode::kCorrupted);
  EXPECT_EQ(tree.find_at_or_below(numbered_key(0)).error().code, ErrorCode::kCorrupted);
  EXPECT_EQ(tree.scan("", [](auto, auto) { return true; }).error().code, ErrorCode::kCorrupted);
  EXPECT_EQ(forest_.view(0).put(numbered_key(0), "").error().code, ErrorCode::kCorrupted);
  std::vector<NodeRef> pins;
  EXPECT_EQ(forest_.view(0).prepare(numbered_key(0), pins).error().code, ErrorCode::kCorrupted);
  root->set_child(0, child);
}

}  // namespace
}  // namespace cowfs
