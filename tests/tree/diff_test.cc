#include "lib/tree/diff.h"

#include <gtest/gtest.h>

#include <random>

#include "tests/tree/forest.h"

namespace cowfs {
namespace {

class DiffTest : public testing::Test {
 protected:
  DiffTest() { forest_.create(); }

  void put_numbered(std::size_t tree, std::uint64_t first, std::uint64_t count,
                    std::size_t value_size = 100) {
    for (std::uint64_t i = first; i < first + count; ++i)
      ASSERT_TRUE(forest_.put(tree, numbered_key(i), value_size));
  }
  void expect_right(std::size_t a, std::size_t b) {
    EXPECT_EQ(forest_.diff(a, b), forest_.naive_diff(a, b));
    EXPECT_EQ(forest_.diff(b, a), forest_.naive_diff(b, a));
  }
  std::size_t loads_of_diff(std::size_t a, std::size_t b) {
    forest_.space.loads = 0;
    forest_.diff(a, b);
    return forest_.space.loads;
  }
  // Every node of one tree alone is loaded, and hardly any that both share.
  void expect_cheap(std::size_t a, std::size_t b) {
    const std::set<NodeId> of_a = forest_.nodes(a);
    const std::set<NodeId> of_b = forest_.nodes(b);
    std::size_t alone = of_a.size() + of_b.size();
    for (const NodeId id : of_a) alone -= of_b.contains(id) ? 2 : 0;
    const std::size_t slack = 2 * std::max(forest_.height(a), forest_.height(b));
    EXPECT_LE(loads_of_diff(a, b), alone + slack);
    EXPECT_LE(loads_of_diff(b, a), alone + slack);
  }

  Forest forest_;
  std::mt19937_64 random_{5};
};

TEST_F(DiffTest, ATreeDoesNotDifferFromItself) {
  put_numbered(0, 0, 5000);
  EXPECT_EQ(loads_of_diff(0, 0), 0u);
  EXPECT_EQ(loads_of_diff(0, forest_.fork(0)), 0u);
  EXPECT_TRUE(forest_.diff(0, 1).empty());
}

TEST_F(DiffTest, FindsEveryKindOfDifference) {
  put_numbered(0, 0, 3000);
  const std::size_t fork = forest_.fork(0);
  ASSERT_TRUE(forest_.put(fork, numbered_key(10), 55));
  ASSERT_TRUE(forest_.put(fork, numbered_key(9999), 55));
  ASSERT_TRUE(forest_.erase(fork, numbered_key(2000)));
  const auto changes = forest_.diff(0, fork);
  ASSERT_EQ(changes.size(), 3u);
  EXPECT_TRUE(changes[0].before && changes[0].after);
  EXPECT_TRUE(changes[1].before && !changes[1].after);
  EXPECT_TRUE(!changes[2].before && changes[2].after);
  expect_right(0, fork);
}

TEST_F(DiffTest, SaysNothingOfAValueWrittenAgain) {
  put_numbered(0, 0, 3000, 4);  // no things: equal sizes are equal values
  const std::size_t fork = forest_.fork(0);
  put_numbered(fork, 100, 500, 4);
  EXPECT_TRUE(forest_.diff(0, fork).empty());
}

TEST_F(DiffTest, StopsWhenTold) {
  put_numbered(0, 0, 1000);
  forest_.create();
  int seen = 0;
  ASSERT_TRUE(diff_trees(forest_.space, forest_.root(1).root, forest_.root(0).root,
                         [&](const TreeDifference&) { return ++seen < 5; }));
  EXPECT_EQ(seen, 5);
}

TEST_F(DiffTest, ComparesTreesThatShareNothingOrAreEmpty) {
  put_numbered(0, 0, 1000);
  forest_.create();
  expect_right(0, 1);
  put_numbered(1, 500, 20'000);
  expect_right(0, 1);
}

TEST_F(DiffTest, ComparesTreesOfDifferentHeights) {
  put_numbered(0, 10'000, 3000);
  const std::size_t fork = forest_.fork(0);
  put_numbered(fork, 0, 9000);
  put_numbered(fork, 20'000, 9000);
  EXPECT_NE(forest_.height(0), forest_.height(fork));
  expect_right(0, fork);
  // All that is shared lies in the middle: it is found although its depth differs.
  expect_cheap(0, fork);
}

TEST_F(DiffTest, CostsWhatDiffersNotWhatIsThere) {
  put_numbered(0, 0, 60'000);
  const unsigned height = forest_.height(0);
  const std::size_t all = forest_.space.node_count();
  for (const std::size_t changes : {1u, 10u, 100u}) {
    const std::size_t fork = forest_.fork(0);
    for (std::size_t i = 0; i < changes; ++i) {
      const std::string key = numbered_key(random_() % 60'000);
      const auto done = i % 3 == 0 ? forest_.erase(fork, key) : forest_.put(fork, key, 200);
      ASSERT_TRUE(done);
    }
    expect_right(0, fork);
    EXPECT_LE(loads_of_diff(0, fork), 2 * height * changes + 2);
    EXPECT_LT(loads_of_diff(0, fork), all / 2);
    expect_cheap(0, fork);
  }
}

TEST_F(DiffTest, CostsWhatDiffersAlsoWhereSubtreesComeAndGo) {
  put_numbered(0, 0, 60'000);
  for (const std::uint64_t first : {0u, 25'000u, 57'000u}) {
    const std::size_t fork = forest_.fork(0);
    for (std::uint64_t i = first; i < first + 3000; ++i)
      ASSERT_TRUE(forest_.erase(fork, numbered_key(i)));
    expect_right(0, fork);
    expect_cheap(0, fork);
  }
}

TEST_F(DiffTest, EqualsANaiveDiffOfRandomForks) {
  put_numbered(0, 0, 3000);
  for (int round = 0; round < 60; ++round) {
    const std::size_t fork = forest_.fork(random_() % forest_.size());
    const std::uint64_t first = random_() % 4000;
    const std::uint64_t width = 1 + random_() % 2000;
    for (std::size_t i = random_() % 500; i > 0; --i) {
      const std::string key = numbered_key(first + random_() % width);
      const auto done =
          round % 2 == 0 ? forest_.erase(fork, key) : forest_.put(fork, key, random_() % 300);
      ASSERT_TRUE(done);
    }
    if (random_() % 3 == 0) forest_.space.checkpoint();
    expect_right(random_() % forest_.size(), fork);
    if (forest_.size() > 8) forest_.drop(random_() % forest_.size());
  }
  EXPECT_EQ(forest_.check(), "");
}

TEST_F(DiffTest, ALoadThatFailsIsAnError) {
  put_numbered(0, 0, 5000);
  const std::size_t fork = forest_.fork(0);
  ASSERT_TRUE(forest_.put(fork, numbered_key(10), 55));
  forest_.space.checkpoint();
  forest_.space.deny_loads_but({});
  EXPECT_FALSE(diff_trees(forest_.space, forest_.root(0).root, forest_.root(fork).root,
                          [](const TreeDifference&) { return true; }));
}

}  // namespace
}  // namespace cowfs
