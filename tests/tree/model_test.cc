// Random puts, erases, scans, forks, drops, checkpoints and diffs on many trees, against std::map.
//
// COWFS_SEED=n runs one seed instead of the built-in ones, COWFS_OPS=n sets how many operations
// each runs.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <random>

#include "tests/tree/forest.h"

namespace cowfs {
namespace {

constexpr std::size_t kTreesAtMost = 12;

std::uint64_t from_environment(const char* name, std::uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

class Model {
 public:
  explicit Model(std::uint64_t seed) : random_(seed) {
    // A universe of keys of all shapes, small enough that operations meet.
    for (int i = 0; i < 2500; ++i) keys_.push_back(new_key());
    forest_.create();
  }

  void step(std::uint64_t number) {
    // Growing and shrinking take turns, so that trees pass through all heights.
    const std::uint64_t put_percent = number % 8000 < 4000 ? 65 : 25;
    const std::uint64_t dice = random_() % 1000;
    if (dice < 4) fork();
    else if (dice < 7) drop();
    else if (dice < 11) forest_.space.checkpoint();
    else if (dice < 13) forest_.space.evict();
    else if (dice < 16) diff();
    else if (dice < 40) look();
    else if (dice < 44) erase_range();
    else if (dice < 50) change_many(put_percent);
    else if (dice < 54) scan_many();
    else change(random_() % 100 < put_percent);
    if (forest_.size() == 0) forest_.create();
  }

  std::string check() { return forest_.check(); }

  void finish() {
    forest_.drop_all();
    EXPECT_EQ(forest_.space.node_count(), 0u);
    EXPECT_TRUE(forest_.space.things().empty());
  }

 private:
  std::string new_key() {
    switch (random_() % 4) {
      case 0: return std::string(1 + random_() % 3, static_cast<char>(random_()));
      case 1:
        return ByteWriter()
            .be(random_() % 64)
            .le(static_cast<std::uint8_t>(random_() % 5))
            .be(random_() % 16)
            .take();
      case 2: return ByteWriter().be(random_()).take();
      default: {
        std::string key(1 + random_() % kMaxKeySize, static_cast<char>('a' + random_() % 3));
        key.back() = static_cast<char>(random_());
        return key;
      }
    }
  }

  std::size_t any_tree() { return random_() % forest_.size(); }
  const std::string& any_key() { return keys_[random_() % keys_.size()]; }

  std::size_t any_size() {
    if (random_() % 5 == 0) return random_() % (kMaxValueSize + 1);
    return random_() % 5 == 0 ? 0 : 8 + random_() % 120;
  }

  void change(bool is_put) {
    const std::size_t tree = any_tree();
    const auto done =
        is_put ? forest_.put(tree, any_key(), any_size()) : forest_.erase(tree, any_key());
    ASSERT_TRUE(done) << done.error().text;
  }

  void erase_range() {
    const std::size_t tree = any_tree();
    std::vector<std::string> doomed;
    auto item = forest_.items(tree).lower_bound(any_key());
    for (std::size_t left = random_() % 200; left > 0 && item != forest_.items(tree).end();
         --left, ++item) {
      doomed.push_back(item->first);
    }
    for (const std::string& key : doomed) ASSERT_TRUE(forest_.erase(tree, key));
  }

  /// What a transaction does: many keys in their order, now and then one of another place.
  void change_many(std::uint64_t put_percent) {
    const std::size_t tree = any_tree();
    std::vector<std::string> keys;
    for (std::uint64_t left = 1 + random_() % 200; left > 0; --left) keys.push_back(any_key());
    std::ranges::sort(keys);
    Finger finger;
    for (const std::string& key : keys) {
      const std::string& where = random_() % 20 == 0 ? any_key() : key;
      const auto done = random_() % 100 < put_percent
                            ? forest_.put(tree, where, any_size(), &finger)
                            : forest_.erase(tree, where, &finger);
      ASSERT_TRUE(done) << done.error().text;
    }
  }

  void scan_many() {
    const std::size_t tree = any_tree();
    const Items& items = forest_.items(tree);
    std::vector<std::string> keys;
    for (std::uint64_t left = 1 + random_() % 50; left > 0; --left) keys.push_back(any_key());
    if (random_() % 4 != 0) std::ranges::sort(keys);
    Finger finger;
    for (const std::string& key : keys) {
      auto expected = items.lower_bound(key);
      std::uint64_t left = random_() % 40;
      const auto done = forest_.view(tree).scan(
          key,
          [&](std::string_view found, std::string_view value) {
            EXPECT_TRUE(expected != items.end() && expected->first == found &&
                        expected->second == value);
            if (expected == items.end()) return false;
            ++expected;
            return left-- > 0;
          },
          &finger);
      ASSERT_TRUE(done) << done.error().text;
      ASSERT_TRUE(left + 1 == 0 || expected == items.end());
    }
  }

  void fork() {
    if (forest_.size() < kTreesAtMost) forest_.fork(any_tree());
    else if (random_() % 4 == 0) forest_.create();
  }

  void drop() {
    if (forest_.size() > 1 || random_() % 4 == 0) forest_.drop(any_tree());
  }

  void diff() {
    const std::size_t a = any_tree();
    const std::size_t b = any_tree();
    ASSERT_EQ(forest_.diff(a, b), forest_.naive_diff(a, b));
  }

  void look() {
    const std::size_t tree = any_tree();
    const std::string& key = any_key();
    const auto got = forest_.view(tree).get(key);
    const auto below = forest_.view(tree).find_at_or_below(key);
    ASSERT_TRUE(got && below);
    const Items& items = forest_.items(tree);
    const auto after = items.upper_bound(key);
    ASSERT_EQ(below->has_value(), after != items.begin());
    if (*below) {
      ASSERT_EQ((*below)->key, std::prev(after)->first);
    }
    ASSERT_EQ(got->has_value(), items.contains(key));
    if (*got) {
      ASSERT_EQ(**got, items.at(key));
    }
  }

  std::mt19937_64 random_;
  std::vector<std::string> keys_;
  Forest forest_;
};

class TreeModel : public testing::TestWithParam<std::uint64_t> {};

TEST_P(TreeModel, HoldsWhatMapsHold) {
  const std::uint64_t seed = from_environment("COWFS_SEED", GetParam());
  const std::uint64_t operations = from_environment("COWFS_OPS", 24'000);
  std::printf("seed %llu, %llu operations\n", static_cast<unsigned long long>(seed),
              static_cast<unsigned long long>(operations));
  SCOPED_TRACE("replay with COWFS_SEED=" + std::to_string(seed) +
               " COWFS_OPS=" + std::to_string(operations));
  Model model(seed);
  for (std::uint64_t i = 0; i < operations && !testing::Test::HasFailure(); ++i) {
    model.step(i);
    if (i % 2000 == 1999) {
      ASSERT_EQ(model.check(), "") << "after operation " << i;
    }
  }
  ASSERT_EQ(model.check(), "");
  model.finish();
}

INSTANTIATE_TEST_SUITE_P(Seeds, TreeModel,
                         testing::Range(std::uint64_t{1}, std::getenv("COWFS_SEED")
                                                              ? std::uint64_t{2}
                                                              : std::uint64_t{13}));

}  // namespace
}  // namespace cowfs
