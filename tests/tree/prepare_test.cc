// What Tree::prepare promises: after it a change needs no load and no more nodes than it said. And
// what a change that was not prepared leaves behind when it fails.
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "tests/tree/forest.h"

namespace cowfs {
namespace {

struct Op {
  std::string key;
  std::optional<std::size_t> value_size;  // none: an erase
};

class Prepared : public testing::TestWithParam<int> {
 protected:
  Prepared() {
    forest_.create();
    for (int i = 0; i < 4000; ++i) EXPECT_TRUE(forest_.put(0, random_key(), random_() % 400));
  }

  // A third of the keys differ only behind 180 equal bytes, so that inner nodes are soon full too.
  std::string random_key() {
    const std::uint64_t number = random_() % 4000;
    if (number % 3 == 0) return std::string(180, 'k') + numbered_key(number);
    return numbered_key(number, 8 + number % 20);
  }
  Op random_op(unsigned erase_percent) {
    if (random_() % 100 < erase_percent) return {random_key(), std::nullopt};
    return {random_key(), random_() % 4 == 0 ? kMaxValueSize : random_() % 200};
  }
  Result<void> apply(const Op& op, Finger* finger = nullptr) {
    return op.value_size ? forest_.put(0, op.key, *op.value_size, finger)
                         : forest_.erase(0, op.key, finger);
  }
  void unsettle() {
    if (random_() % 2 == 0) forest_.fork(0);
    if (random_() % 2 == 0) space_.checkpoint();
    if (forest_.size() > 4) forest_.drop(1 + random_() % (forest_.size() - 1));
  }

  Forest forest_;
  MemoryNodeSpace& space_ = forest_.space;
  std::mt19937_64 random_{static_cast<std::uint64_t>(GetParam())};
};

TEST_P(Prepared, ChangesNeedNoLoadAndNoMoreNodesThanPromised) {
  for (int round = 0; round < 200; ++round) {
    unsettle();
    std::vector<Op> ops;
    std::vector<NodeRef> pins;
    std::size_t promised = 0;
    const unsigned erase_percent = round % 100 < 50 ? 90 : 20;
    for (std::size_t i = 1 + random_() % (round % 3 == 0 ? 1 : 60); i > 0; --i)
      ops.push_back(random_op(erase_percent));
    const bool in_order = random_() % 2 == 0;  // as the changes of a transaction
    if (in_order) std::ranges::stable_sort(ops, {}, &Op::key);
    Finger preparing;
    Finger changing;
    for (const Op& op : ops) {
      const auto nodes = forest_.view(0).prepare(op.key, pins, in_order ? &preparing : nullptr);
      ASSERT_TRUE(nodes);
      promised += *nodes;
    }
    space_.deny_loads_but(pins);
    space_.limit_allocations(promised);
    for (const Op& op : ops) {
      const auto done = apply(op, in_order ? &changing : nullptr);
      ASSERT_TRUE(done) << done.error().text;
    }
    space_.allow_loads();
    space_.limit_allocations(std::nullopt);
    if (round % 20 == 0) {
      ASSERT_EQ(forest_.check(), "");
    }
  }
  EXPECT_EQ(forest_.check(), "");
}

TEST_P(Prepared, NeighbouringKeysAreChangedWithoutALoadEvenWhereLeavesGo) {
  // Whole leaves are erased and keys that lay in them put again: their range must not pass to a
  // node that nobody pinned.
  for (int round = 0; round < 200; ++round) {
    unsettle();
    std::vector<std::string> keys;
    for (auto item = forest_.items(0).lower_bound(random_key());
         item != forest_.items(0).end() && keys.size() < 60; ++item) {
      keys.push_back(item->first);
    }
    std::vector<NodeRef> pins;
    for (const std::string& key : keys) ASSERT_TRUE(forest_.view(0).prepare(key, pins));
    space_.deny_loads_but(pins);
    for (const std::string& key : keys) ASSERT_TRUE(forest_.erase(0, key));
    for (const std::string& key : keys) ASSERT_TRUE(forest_.put(0, key, 300));
    space_.allow_loads();
  }
  EXPECT_EQ(forest_.check(), "");
}

TEST_P(Prepared, AChangeThatFailsChangesNoItem) {
  int failed = 0;
  for (int round = 0; round < 1500; ++round) {
    if (round % 10 == 0) unsettle();
    if (random_() % 2 == 0) {
      space_.limit_allocations(random_() % 6);
    } else {
      std::vector<NodeRef> pins;
      ASSERT_TRUE(forest_.view(0).prepare(random_key(), pins));
      pins.resize(random_() % (pins.size() + 1));
      space_.deny_loads_but(pins);
    }
    if (!apply(random_op(50))) ++failed;
    space_.allow_loads();
    space_.limit_allocations(std::nullopt);
    if (round % 100 == 0) {
      ASSERT_EQ(forest_.check(), "") << "round " << round;
    }
  }
  EXPECT_GT(failed, 100);
  EXPECT_EQ(forest_.check(), "");
}

TEST(Unprepared, ASplitThatCannotGrowItsParentLosesNothing) {
  Forest forest;
  forest.create();
  std::mt19937_64 random(6);
  int failed = 0;
  for (int i = 0; i < 1500; ++i) {
    const std::string key = std::string(250, 'k') + numbered_key(random() % 10'000);
    forest.space.limit_allocations(1);  // enough for the leaf, not for its parent
    if (const auto done = forest.put(0, key, 200); !done) {
      ++failed;
      ASSERT_EQ(done.error().code, ErrorCode::kNoSpace);
      ASSERT_EQ(forest.check(), "") << "put " << i;
      forest.space.limit_allocations(std::nullopt);
      ASSERT_TRUE(forest.put(0, key, 200));
    }
  }
  EXPECT_GT(failed, 10);
  EXPECT_EQ(forest.check(), "");
}

INSTANTIATE_TEST_SUITE_P(Seeds, Prepared, testing::Range(1, 5));

}  // namespace
}  // namespace cowfs
