// Random traces hold all invariants; each planted mistake breaks one; failing traces become small.
#include "lib/sim/fuzz.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <set>

#include "lib/sim/random.h"
#include "lib/sim/trace.h"

namespace cowfs::sim {
namespace {

std::uint64_t seeds() {
  if (std::getenv("COWFS_LONG") != nullptr) return 20000;
  return std::getenv("COWFS_OPS") != nullptr ? 60 : 2000;  // shorter with sanitizers
}

std::string shown(const Failure& failure) {
  return "seed " + std::to_string(failure.seed) + ": " + failure.violation.invariant + ": " +
         failure.violation.text + "\n" + to_text(make_trace(failure.settings, failure.operations));
}

TEST(Fuzz, RandomTracesHoldAllInvariants) {
  for (std::uint64_t seed = 1; seed <= seeds(); ++seed) {
    const auto failure = fuzz_seed(seed, SeededBug::kNone);
    ASSERT_FALSE(failure) << shown(*failure);
  }
}

class PlantedMistake : public testing::TestWithParam<int> {};

TEST_P(PlantedMistake, IsFoundByANamedInvariantWithin200Seeds) {
  const auto bug = static_cast<SeededBug>(GetParam());
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    const auto failure = fuzz_seed(seed, bug);
    if (!failure) continue;
    EXPECT_EQ(failure->violation.invariant[0], 'I');
    RecordProperty("seed", static_cast<int>(seed));
    RecordProperty("invariant", failure->violation.invariant);
    EXPECT_LE(failure->operations.size(), 12U) << shown(*failure);
    // The small trace as text fails in the same way.
    const auto trace = parse_trace(to_text(make_trace(failure->settings, failure->operations)));
    ASSERT_TRUE(trace) << trace.error().text;
    return;
  }
  FAIL() << seeded_bug_name(bug) << " was not found";
}

INSTANTIATE_TEST_SUITE_P(All, PlantedMistake, testing::Range(1, kSeededBugs + 1),
                         [](const auto& one) {
                           std::string name(seeded_bug_name(static_cast<SeededBug>(one.param)));
                           for (char& c : name) c = c == '-' ? '_' : c;
                           return name;
                         });

TEST(Fuzz, ShrinkingLeavesWhatFails) {
  std::vector<Operation> operations(40);
  for (std::size_t i = 0; i < operations.size(); ++i)
    operations[i].count = static_cast<std::uint32_t>(i);
  const auto small = shrink(operations, [](const std::vector<Operation>& some) {
    std::set<std::uint32_t> counts;
    for (const Operation& op : some) counts.insert(op.count);
    return counts.contains(7) && counts.contains(31);
  });
  ASSERT_EQ(small.size(), 2U);
  EXPECT_EQ(small[0].count, 7U);
  EXPECT_EQ(small[1].count, 31U);
}

TEST(Generator, SameSeedSameTrace) {
  const TraceWish wish = fuzz_wish(42);
  EXPECT_EQ(to_text(make_trace(wish.settings, generate(wish, 42))),
            to_text(make_trace(wish.settings, generate(wish, 42))));
}

TEST(Generator, NeighbouringSeedsDoNotGiveTheSameNumbersOneStepApart) {
  std::set<std::uint64_t> numbers;
  for (std::uint64_t seed = 1; seed <= 100; ++seed) {
    Random random(seed);
    for (int i = 0; i < 100; ++i) numbers.insert(random.next());
  }
  EXPECT_EQ(numbers.size(), 10000U);
}

TEST(Generator, FewSeedsHaveAllThatTracesForFilesMayContain) {
  std::set<Verb> verbs;
  for (std::uint64_t seed = 1; seed <= 6; ++seed) {
    for (const Operation& op : generate(common_wish(true), seed)) verbs.insert(op.verb);
  }
  for (const Verb verb : {Verb::kMap, Verb::kRead, Verb::kWrite, Verb::kFork, Verb::kExit,
                          Verb::kDontneed, Verb::kMsync, Verb::kRemount, Verb::kKill}) {
    EXPECT_TRUE(verbs.contains(verb)) << verb_name(verb);
  }
}

TEST(Generator, TracesAreReadBackAsTheyWereWritten) {
  for (std::uint64_t seed = 1; seed <= 50; ++seed) {
    const TraceWish wish = fuzz_wish(seed);
    const std::string text = to_text(make_trace(wish.settings, generate(wish, seed)));
    const auto trace = parse_trace(text);
    ASSERT_TRUE(trace) << trace.error().text << "\n" << text;
    std::vector<Operation> operations;
    for (const Statement& statement : trace->statements) operations.push_back(*statement.operation);
    EXPECT_EQ(to_text(make_trace(trace->settings, operations)), text);
  }
}

}  // namespace
}  // namespace cowfs::sim
