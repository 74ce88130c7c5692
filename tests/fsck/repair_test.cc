// repair_store: whatever was hit, the store opens afterwards, counts are right, a second check is
// clean, and everything that the report does not name is as it was.
#include <gmock/gmock.h>

#include <algorithm>
#include <cstdlib>

#include "lib/store/node_array.h"
#include "lib/store/node_reader.h"
#include "lib/store/store_survey.h"
#include "lib/store/superblock.h"
#include "tests/fsck/damaged_store.h"
#include "tests/fsck/mending.h"
#include "tests/support/result_matchers.h"
#include "tests/support/sanitized.h"

namespace cowfs {
namespace {

using testing::IsEmpty;

int rounds(int usual) {
  if (kSanitized) return std::max(2, usual / 4);
  return std::getenv("COWFS_LONG") == nullptr ? usual : 20 * usual;
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

// Whichever it is: one that takes no more blocks, an open pack, a file's own.
TEST(Repair, AMissingObjectCostsItsDataAndIsMendedAtOnce) {
  for (const Ending ending : {Ending::kClosed, Ending::kKilled}) {
    TestStore store = make_test_store(ending);
    const auto objects = store.storage->list(ArrayKind::kObject);
    ASSERT_THAT(objects, IsOk());
    for (const std::uint64_t object : *objects) {
      SCOPED_TRACE("object " + std::to_string(object));
      TestStore hit{copy_of(*store.storage), store.contents};
      ASSERT_THAT(hit.storage->remove({ArrayKind::kObject, object}), IsOk());
      Outcome outcome;
      mend(*hit.storage, outcome);
      if (HasFatalFailure()) return;
      ASSERT_FALSE(outcome.given_up) << text_of(outcome.found);
    }
  }
}

class RandomDamage : public testing::TestWithParam<Ending> {};

TEST_P(RandomDamage, OfNodesCostsOnlyWhatIsReported) {
  TestStore store = make_test_store(GetParam());
  for (int round = 0; round < rounds(15); ++round) {
    SCOPED_TRACE("round " + std::to_string(round));
    std::mt19937_64 random(static_cast<std::uint64_t>(round));
    TestStore hit{copy_of(*store.storage), store.contents};
    const auto segments = hit.storage->list(ArrayKind::kNodes);
    const std::uint64_t used = 400 * kNodeSize;  // most nodes lie in front
    for (std::uint64_t i = 0; i <= random() % 3; ++i) {
      damage(*hit.storage, {ArrayKind::kNodes, segments->front()}, random() % used,
             1 + random() % 64, random);
    }
    Outcome outcome;
    mend(*hit.storage, outcome);
    if (HasFatalFailure()) return;
    ASSERT_FALSE(outcome.given_up) << text_of(outcome.found);
    expect_only_reported_losses(hit, outcome);
    expect_only_losses_reported(hit, outcome);
    if (HasFailure()) return;
  }
}

TEST_P(RandomDamage, OfManyNodesLeavesAStoreThatCanBeUsed) {
  TestStore store = make_test_store(GetParam());
  int given_up = 0;
  for (int round = 0; round < rounds(8); ++round) {
    SCOPED_TRACE("round " + std::to_string(round));
    std::mt19937_64 random(static_cast<std::uint64_t>(1000 + round));
    TestStore hit{copy_of(*store.storage), store.contents};
    for (int i = 0; i < 60; ++i)
      damage(*hit.storage, {ArrayKind::kNodes, 0}, random() % (400 * kNodeSize), 8, random);
    Outcome outcome;
    mend(*hit.storage, outcome);
    if (HasFailure()) return;
    given_up += outcome.given_up ? 1 : 0;
  }
  EXPECT_LE(given_up, rounds(8) / 2);
}

TEST_P(RandomDamage, OfTheSuperblockCostsNothing) {
  TestStore store = make_test_store(GetParam());
  for (const unsigned slot : {0u, 1u}) {
    std::mt19937_64 random(slot);
    TestStore hit{copy_of(*store.storage), store.contents};
    damage(*hit.storage, {ArrayKind::kSuperblock, 0},
           slot * kSuperblockSlotDistance + 8 + random() % 200, 3, random);
    Outcome outcome;
    mend(*hit.storage, outcome);
    EXPECT_THAT(differences(hit.contents, outcome.contents), IsEmpty()) << text_of(outcome.found);
  }
}

TEST_P(RandomDamage, ALostSlotOfTheSuperblockCostsNothing) {
  TestStore store = make_test_store(GetParam());
  for (const unsigned slot : {0u, 1u}) {
    SCOPED_TRACE(slot);
    TestStore hit{copy_of(*store.storage), store.contents};
    const std::string zeros(kSuperblockSize, '\0');
    ASSERT_THAT(hit.storage->write({ArrayKind::kSuperblock, 0}, slot * kSuperblockSlotDistance,
                                   std::as_bytes(std::span(zeros))),
                IsOk());
    Outcome outcome;
    mend(*hit.storage, outcome);
    EXPECT_FALSE(outcome.found.clean());
    EXPECT_EQ(read_superblocks(*hit.storage)->valid.size(), kSuperblockSlots);
    EXPECT_THAT(differences(hit.contents, outcome.contents), IsEmpty()) << text_of(outcome.found);
  }
}

TEST_P(RandomDamage, OfAnInnerNodeCostsNothing) {
  TestStore store = make_test_store(GetParam());
  const Superblock newest = read_superblocks(*store.storage)->valid.front();
  NodeReader nodes(*store.storage, newest.node_segments);
  const auto survey = StoreSurvey::make(nodes, *store.storage, newest);
  ASSERT_THAT(survey, IsOk());
  std::vector<NodeId> inner;
  survey->volume_nodes().tally().for_each([&](NodeId id, const NodeTally::Entry& entry) {
    if (entry.level > 0) inner.push_back(id);
  });
  ASSERT_GE(inner.size(), 3u);
  std::mt19937_64 random(5);
  for (const NodeId id : inner) {
    SCOPED_TRACE(raw(id));
    TestStore hit{copy_of(*store.storage), store.contents};
    damage(*hit.storage, {ArrayKind::kNodes, 0}, raw(id) * kNodeSize + 60, 8, random);
    Outcome outcome;
    mend(*hit.storage, outcome);
    EXPECT_GT(outcome.found.count(), 0u);
    EXPECT_EQ(outcome.found.count(Severity::kLoss), 0u) << text_of(outcome.found);
    EXPECT_THAT(differences(hit.contents, outcome.contents), IsEmpty()) << text_of(outcome.found);
    if (HasFailure()) return;
  }
}

TEST_P(RandomDamage, OfAnyNodeOfTheStoresOwnTreeCostsNothing) {
  TestStore store = make_test_store(GetParam());
  const Superblock newest = read_superblocks(*store.storage)->valid.front();
  NodeReader nodes(*store.storage, newest.node_segments);
  const auto survey = StoreSurvey::make(nodes, *store.storage, newest);
  ASSERT_THAT(survey, IsOk());
  std::mt19937_64 random(6);
  survey->store_nodes().tally().for_each([&](NodeId id, const NodeTally::Entry&) {
    SCOPED_TRACE(raw(id));
    TestStore hit{copy_of(*store.storage), store.contents};
    damage(*hit.storage, {ArrayKind::kNodes, 0}, raw(id) * kNodeSize + 60, 8, random);
    Outcome outcome;
    mend(*hit.storage, outcome);
    EXPECT_GT(outcome.found.count(), 0u);
    EXPECT_THAT(differences(hit.contents, outcome.contents), IsEmpty()) << text_of(outcome.found);
  });
}

TEST_P(RandomDamage, OfTheJournalKeepsTheCheckpoint) {
  TestStore store = make_test_store(GetParam());
  for (int round = 0; round < rounds(4); ++round) {
    SCOPED_TRACE("round " + std::to_string(round));
    std::mt19937_64 random(static_cast<std::uint64_t>(round));
    TestStore hit{copy_of(*store.storage), store.contents};
    const auto segments = hit.storage->list(ArrayKind::kJournal);
    for (const std::uint64_t segment : *segments) {
      damage(*hit.storage, {ArrayKind::kJournal, segment}, random() % 100'000, 20, random);
    }
    Outcome outcome;
    mend(*hit.storage, outcome);
    if (HasFailure()) return;
    // What the checkpoint has is never lost with the journal.
    EXPECT_TRUE(outcome.contents.at("before") == store.contents.at("before"));
  }
}

// Nothing is lost, and the store cannot be opened without it.
TEST(Repair, MakesAMissingLastSegmentAnew) {
  for (const Ending ending : {Ending::kClosed, Ending::kKilled}) {
    TestStore store = make_test_store(ending);
    const std::uint64_t last = read_superblocks(*store.storage)->valid.front().node_segments - 1;
    ASSERT_GT(last, 0u);
    ASSERT_LT(raw(nodes_in_use(*store.storage).back()), last * kNodesPerSegment);
    ASSERT_THAT(store.storage->remove({ArrayKind::kNodes, last}), IsOk());
    Outcome outcome;
    mend(*store.storage, outcome);
    EXPECT_EQ(outcome.found.count(), 1u) << text_of(outcome.found);
    EXPECT_EQ(outcome.found.count(Severity::kLoss), 0u) << text_of(outcome.found);
    EXPECT_THAT(differences(store.contents, outcome.contents), IsEmpty());
    const auto size = store.storage->size({ArrayKind::kNodes, last});
    ASSERT_THAT(size, IsOk());
    EXPECT_EQ(*size, kSegmentBytes);
  }
}

// A segment in which no node lies.
TEST(Repair, MakesAMissingSegmentWithoutNodesAnew) {
  for (const bool is_last : {false, true}) {
    SCOPED_TRACE(is_last);
    TestStore store = make_test_store(Ending::kClosed);
    Superblock newest = read_superblocks(*store.storage)->valid.front();
    const std::uint64_t missing = newest.node_segments;
    newest.node_segments += is_last ? 1 : 2;
    ASSERT_THAT(write_superblock(*store.storage, newest), IsOk());
    if (!is_last) {
      ASSERT_THAT(store.storage->create({ArrayKind::kNodes, missing + 1}), IsOk());
    }
    Outcome outcome;
    mend(*store.storage, outcome);
    EXPECT_EQ(outcome.found.count(), 1u) << text_of(outcome.found);
    EXPECT_EQ(outcome.found.count(Severity::kLoss), 0u) << text_of(outcome.found);
    EXPECT_THAT(differences(store.contents, outcome.contents), IsEmpty());
    if (is_last) continue;
    const auto size = store.storage->size({ArrayKind::kNodes, missing});
    ASSERT_THAT(size, IsOk());
    EXPECT_EQ(*size, kSegmentBytes);
  }
}

// A power cut in the middle of a repair: whatever of it is there, the next one finishes it.
TEST(Repair, CanBeCutOffAnywhere) {
  TestStore store = make_test_store(Ending::kClosed);
  std::mt19937_64 random(8);
  for (int i = 0; i < 3; ++i)
    damage(*store.storage, {ArrayKind::kNodes, 0},
           (40 + 7 * static_cast<std::uint64_t>(i)) * kNodeSize, 8, random);
  const auto whole = copy_of(*store.storage);
  Outcome expected;
  mend(*whole, expected);
  const auto cut_off = copy_of(*store.storage);
  cut_off->start_recording();
  ASSERT_THAT(repair_store(*cut_off), IsOk());
  const std::size_t calls = cut_off->call_count();
  for (int i = 0; i < rounds(15); ++i) {
    const std::size_t cut = random() % (calls + 1);
    SCOPED_TRACE("cut after " + std::to_string(cut) + " of " + std::to_string(calls));
    const auto image = cut_off->crash_image(cut, CrashChoice::from_seed(random()));
    Outcome outcome;
    mend(*image, outcome);
    EXPECT_THAT(differences(expected.contents, outcome.contents), IsEmpty())
        << text_of(outcome.found);
    if (HasFailure()) return;
  }
}

INSTANTIATE_TEST_SUITE_P(Stores, RandomDamage, testing::Values(Ending::kClosed, Ending::kKilled),
                         [](const auto& param) {
                           return param.param == Ending::kClosed ? "Closed" : "Killed";
                         });

}  // namespace
}  // namespace cowfs
