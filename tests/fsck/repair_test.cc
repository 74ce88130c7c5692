// repair_store: whatever was hit, the store opens afterwards, counts are right, a second check is clean, and everything that the
// report does not name is as it was.
#include <gmock/gmock.h>

#include <cstdlib>

#include "lib/store/superblock.h"
#include "tests/fsck/damaged_store.h"
#include "tests/support/result_matchers.h"

namespace cowfs {
namespace {

using testing::IsEmpty;

int rounds(int usual) { return std::getenv("COWFS_LONG") == nullptr ? usual : 20 * usual; }

struct Outcome {
  ProblemList found;
  ProblemList mended;
  Contents contents;
};

/// Checks, repairs, checks again, opens and reads.
void mend(MemoryStorage& storage, Outcome& outcome) {
  const auto report = check_store(storage);
  ASSERT_THAT(report, IsOk());
  outcome.found = report->problems;
  if (!outcome.found.clean()) {
    const auto mended = repair_store(storage);
    ASSERT_THAT(mended, IsOk()) << text_of(outcome.found);
    outcome.mended = *mended;
  }
  const auto again = check_store(storage);
  ASSERT_THAT(again, IsOk());
  EXPECT_TRUE(again->problems.clean()) << "found at first:\n" << text_of(outcome.found) << "mended:\n" << text_of(outcome.mended) << "left:\n" << text_of(again->problems);
  outcome.contents = read_all(storage);
  const auto last = check_store(storage);
  ASSERT_THAT(last, IsOk());
  EXPECT_TRUE(last->problems.clean()) << "after use:\n" << text_of(last->problems);
}

/// Whether a loss was reported for a path, or for a directory that it lay in.
bool is_reported(const Outcome& outcome, const std::string& path) {
  for (const ProblemList* list : {&outcome.found, &outcome.mended}) {
    for (const Problem& problem : list->kept()) {
      const std::string place = problem.volume + ":" + problem.path;
      if (problem.path != "" && (path == place || path.starts_with(place + "/"))) return true;
    }
  }
  return false;
}

void expect_only_reported_losses(const TestStore& store, const Outcome& outcome) {
  for (const std::string& path : differences(store.contents, outcome.contents)) {
    EXPECT_TRUE(is_reported(outcome, path)) << path << "\nfound:\n" << text_of(outcome.found) << "mended:\n" << text_of(outcome.mended);
  }
}

TEST(Repair, LeavesAWholeStoreAsItIs) {
  for (const Ending ending : {Ending::kClosed, Ending::kKilled}) {
    TestStore store = make_test_store(ending);
    ASSERT_THAT(repair_store(*store.storage), IsOk());
    Outcome outcome;
    mend(*store.storage, outcome);
    EXPECT_TRUE(outcome.found.clean()) << text_of(outcome.found);
    EXPECT_THAT(differences(store.contents, outcome.contents), IsEmpty());
  }
}

class RandomDamage : public testing::TestWithParam<Ending> {};

TEST_P(RandomDamage, OfNodesCostsOnlyWhatIsReported) {
  TestStore store = make_test_store(GetParam());
  for (int round = 0; round < rounds(40); ++round) {
    SCOPED_TRACE("round " + std::to_string(round));
    std::mt19937_64 random(static_cast<std::uint64_t>(round));
    TestStore hit{copy_of(*store.storage), store.contents};
    const auto segments = hit.storage->list(ArrayKind::kNodes);
    const std::uint64_t used = 400 * kNodeSize;  // most nodes lie in front
    for (std::uint64_t i = 0; i <= random() % 3; ++i) {
      damage(*hit.storage, {ArrayKind::kNodes, segments->front()}, random() % used, 1 + random() % 64, random);
    }
    Outcome outcome;
    mend(*hit.storage, outcome);
    if (HasFatalFailure()) return;
    expect_only_reported_losses(hit, outcome);
    if (HasFailure()) return;
  }
}

TEST_P(RandomDamage, OfManyNodesLeavesAStoreThatCanBeUsed) {
  TestStore store = make_test_store(GetParam());
  for (int round = 0; round < rounds(10); ++round) {
    SCOPED_TRACE("round " + std::to_string(round));
    std::mt19937_64 random(static_cast<std::uint64_t>(1000 + round));
    TestStore hit{copy_of(*store.storage), store.contents};
    for (int i = 0; i < 60; ++i) damage(*hit.storage, {ArrayKind::kNodes, 0}, random() % (400 * kNodeSize), 8, random);
    Outcome outcome;
    mend(*hit.storage, outcome);
    if (HasFailure()) return;
  }
}

TEST_P(RandomDamage, OfTheSuperblockCostsNothing) {
  TestStore store = make_test_store(GetParam());
  for (const unsigned slot : {0u, 1u}) {
    std::mt19937_64 random(slot);
    TestStore hit{copy_of(*store.storage), store.contents};
    damage(*hit.storage, {ArrayKind::kSuperblock, 0}, slot * kSuperblockSlotDistance + 8 + random() % 200, 3, random);
    Outcome outcome;
    mend(*hit.storage, outcome);
    EXPECT_THAT(differences(hit.contents, outcome.contents), IsEmpty()) << text_of(outcome.found);
  }
}

INSTANTIATE_TEST_SUITE_P(Stores, RandomDamage, testing::Values(Ending::kClosed, Ending::kKilled),
                         [](const auto& param) { return param.param == Ending::kClosed ? "Closed" : "Killed"; });

}  // namespace
}  // namespace cowfs
