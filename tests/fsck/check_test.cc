// check_store: quiet about what is whole, loud about what is not, and changes nothing.
#include <gmock/gmock.h>

#include "lib/store/store.h"
#include "lib/store/store_check.h"
#include "lib/store/superblock.h"
#include "tests/fsck/damaged_store.h"
#include "tests/support/result_matchers.h"
#include "tests/support/sanitized.h"

namespace cowfs {
namespace {

using testing::Contains;
using testing::Field;
using testing::IsEmpty;

FsckReport check(MemoryStorage& storage) {
  const auto report = check_store(storage);
  EXPECT_THAT(report, IsOk());
  return report.value_or(FsckReport{});
}

MATCHER_P(HasCode, code, "") { return arg.code == code; }

TEST(Check, FindsNothingInAClosedStore) {
  TestStore store = make_test_store(Ending::kClosed);
  const FsckReport report = check(*store.storage);
  EXPECT_TRUE(report.problems.clean()) << text_of(report.problems);
  EXPECT_TRUE(report.was_clean);
  EXPECT_EQ(report.volumes, 4u);
  EXPECT_GT(report.inodes, 500u);
}

TEST(Check, FindsNothingInAStoreWhoseProcessWasKilled) {
  TestStore store = make_test_store(Ending::kKilled);
  const FsckReport report = check(*store.storage);
  EXPECT_TRUE(report.problems.clean()) << text_of(report.problems);
  EXPECT_FALSE(report.was_clean);
  EXPECT_GT(report.journal_records, 0u);
  EXPECT_EQ(report.volumes, 4u);
}

TEST(Check, ChangesNothing) {
  for (const Ending ending : {Ending::kClosed, Ending::kKilled}) {
    TestStore store = make_test_store(ending);
    const ArraySet before = store.storage->content();
    check(*store.storage);
    const ArraySet after = store.storage->content();
    ASSERT_EQ(before.size(), after.size());
    for (const auto& [name, array] : before)
      EXPECT_TRUE(*array == *after.at(name)) << to_string(name);
  }
}

TEST(Check, FindsWhatWasKilledAtAnyCheckpoint) {
  for (std::uint64_t seed = 1; seed <= 4; ++seed) {
    TestStore store = make_test_store(Ending::kKilled, seed);
    const FsckReport report = check(*store.storage);
    EXPECT_TRUE(report.problems.clean()) << text_of(report.problems);
    EXPECT_THAT(differences(store.contents, read_all(*store.storage)), IsEmpty());
  }
}

// Each of them by itself, at another byte each: the check that comes first in every check.
TEST(Check, NoticesEveryDamagedNodeInUse) {
  const TestStore store = make_test_store(Ending::kClosed);
  const Superblock newest = read_superblocks(*store.storage)->valid.front();
  const std::vector<NodeId> nodes = nodes_in_use(*store.storage);
  ASSERT_GT(nodes.size(), 50u);
  std::mt19937_64 random(3);
  std::size_t at = kSanitized ? 3 : 0;
  for (; at < nodes.size(); at += kSanitized ? 8 : 1) {
    auto storage = copy_of(*store.storage);
    const std::uint64_t byte = random() % kNodeSize;
    damage(*storage, {ArrayKind::kNodes, 0}, raw(nodes[at]) * kNodeSize + byte, 1, random);
    const auto check = check_structures(*storage, newest);
    ASSERT_THAT(check, IsOk());
    ASSERT_THAT(check->problems.kept(), Contains(HasCode("node-damaged")))
        << "byte " << byte << " of node " << raw(nodes[at]);
  }
}

TEST(Check, TellsADamagedRoot) {
  TestStore store = make_test_store(Ending::kClosed);
  std::mt19937_64 random(3);
  damage(*store.storage, {ArrayKind::kNodes, 0},
         raw(read_superblocks(*store.storage)->valid.front().root.id) * kNodeSize + 100, 1, random);
  EXPECT_THAT(check(*store.storage).problems.kept(), Contains(HasCode("node-damaged")));
}

TEST(Check, NoticesADamagedSlotOfTheSuperblock) {
  for (const unsigned slot : {0u, 1u}) {
    TestStore store = make_test_store(Ending::kClosed);
    std::mt19937_64 random(slot);
    damage(*store.storage, {ArrayKind::kSuperblock, 0}, slot * kSuperblockSlotDistance + 90, 4,
           random);
    const FsckReport report = check(*store.storage);
    EXPECT_THAT(report.problems.kept(), Contains(HasCode("superblock")));
    EXPECT_EQ(report.problems.count(Severity::kLoss), 0u) << text_of(report.problems);
  }
}

TEST(Check, NoticesALostSlotOfTheSuperblock) {
  for (const unsigned slot : {0u, 1u}) {
    TestStore store = make_test_store(Ending::kClosed);
    const std::string zeros(kSuperblockSize, '\0');
    ASSERT_THAT(store.storage->write({ArrayKind::kSuperblock, 0}, slot * kSuperblockSlotDistance,
                                     std::as_bytes(std::span(zeros))),
                IsOk());
    const FsckReport report = check(*store.storage);
    EXPECT_THAT(report.problems.kept(), Contains(HasCode("superblock")));
    EXPECT_EQ(report.problems.count(), 1u) << text_of(report.problems);
    EXPECT_EQ(report.problems.count(Severity::kLoss), 0u) << text_of(report.problems);
    EXPECT_FALSE(glance_at_store(*store.storage)->clean);
  }
}

TEST(Check, NoticesASuperblockThatIsTooShortForItsSecondSlot) {
  TestStore store = make_test_store(Ending::kClosed);
  ASSERT_THAT(store.storage->resize({ArrayKind::kSuperblock, 0}, kSuperblockSlotDistance), IsOk());
  EXPECT_THAT(check(*store.storage).problems.kept(), Contains(HasCode("superblock")));
}

TEST(Check, FindsNothingInANewStore) {
  MemoryStorage storage;
  ASSERT_THAT(Store::format(storage, {}), IsOk());
  const auto slots = read_superblocks(storage);
  ASSERT_THAT(slots, IsOk());
  EXPECT_FALSE(slots->damaged);
  EXPECT_TRUE(glance_at_store(storage)->clean);
}

TEST(Check, SaysThatThereIsNoStore) {
  MemoryStorage empty;
  EXPECT_FALSE(check_store(empty).has_value());
  TestStore store = make_test_store(Ending::kClosed);
  std::mt19937_64 random(1);
  damage(*store.storage, {ArrayKind::kSuperblock, 0}, 20, 1, random);
  damage(*store.storage, {ArrayKind::kSuperblock, 0}, kSuperblockSlotDistance + 20, 1, random);
  EXPECT_THAT(check_store(*store.storage), FailsWith(ErrorCode::kCorrupted));
}

TEST(Check, NoticesAMissingObject) {
  TestStore store = make_test_store(Ending::kClosed);
  const auto objects = store.storage->list(ArrayKind::kObject);
  ASSERT_THAT(store.storage->remove({ArrayKind::kObject, objects->front()}), IsOk());
  const FsckReport report = check(*store.storage);
  EXPECT_THAT(report.problems.kept(), Contains(HasCode("object-missing")).Times(1));
  EXPECT_THAT(report.problems.kept(),
              Contains(AllOf(HasCode("extent"), Field(&Problem::path, testing::Not("")))));
}

TEST(Check, NoticesAnObjectFileOfNobody) {
  TestStore store = make_test_store(Ending::kClosed);
  ASSERT_THAT(store.storage->create({ArrayKind::kObject, 3'000'000'000}), IsOk());
  EXPECT_THAT(check(*store.storage).problems.kept(), Contains(HasCode("object-leak")));
}

}  // namespace
}  // namespace cowfs
