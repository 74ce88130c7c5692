// The test of the tests: each variant of the store that leaves out one sync or one care must be
// caught by the harness within its default seeds. A new care of the engine is a new row.
#include <gtest/gtest.h>

#include <iostream>
#include <vector>

#include "tests/crash/crash_history.h"
#include "tests/crash/run_size.h"

namespace cowfs {
namespace {

Weakness without_sync_of(const char* name, ArrayKind kind) {
  return {name, calls_of(StorageCallKind::kSync, kind), {}};
}

Weakness without_names_of(const char* name, ArrayKind kind) {
  return {name, calls_of(StorageCallKind::kSyncNames, kind), {}};
}

Weakness without(const char* name, Omit care) {
  return {name, {}, [care](StoreOptions& options) { options.omit = care; }};
}

std::vector<Weakness> weaknesses() {
  return {
      without_sync_of("objects_are_not_synced", ArrayKind::kObject),
      without_sync_of("nodes_are_not_synced", ArrayKind::kNodes),
      without_sync_of("the_superblock_is_not_synced", ArrayKind::kSuperblock),
      without_names_of("names_of_objects_are_not_synced", ArrayKind::kObject),
      without_sync_of("the_journal_is_not_synced", ArrayKind::kJournal),
      without_names_of("names_of_the_journal_are_not_synced", ArrayKind::kJournal),
      without("data_is_not_durable_before_a_mark", Omit::kDataBeforeMark),
      without("data_is_not_durable_before_a_fork", Omit::kAllDataBeforeFork),
      without("records_beyond_the_mark_are_replayed", Omit::kReplayLimit),
      without("journal_segments_are_recycled_early", Omit::kJournalHeld),
      without("the_journal_is_not_durable_before_the_slot", Omit::kJournalBeforeSlot),
      without("nodes_are_reused_early", Omit::kNodesHeld),
      without("nodes_of_the_other_slot_are_not_held", Omit::kOtherSlotHeld),
      without("packs_are_not_closed", Omit::kPacksClosed),
      without("overwritten_ranges_are_not_declared", Omit::kOverwritesDeclared),
      without("declarations_are_not_synced", Omit::kDeclarationSynced),
      without("declarations_are_not_carried_over_a_checkpoint", Omit::kDeclarationsCarried),
      without("recovered_data_is_not_synced", Omit::kRecoveredDataSynced),
      without_names_of("the_name_of_the_superblock_is_not_synced", ArrayKind::kSuperblock),
      without_names_of("names_of_node_segments_are_not_synced", ArrayKind::kNodes),
      {"trees_are_copied_file_by_file", {}, {}, true},
  };
}

// Two cares need more than one thread, or a write that was cut short: tests/store
// Store.BlocksOnTheirWay* and tests/volume SyncTest (zeros past the end) leave them out by
// themselves.
class Weakened : public ::testing::TestWithParam<Weakness> {};

TEST_P(Weakened, IsCaught) {
  if (kSanitized) GTEST_SKIP() << "the unsanitized run shows it";
  const RunSize size = run_size();
  std::uint64_t states = 0;
  for (std::uint64_t seed = size.first_seed; seed <= size.last_seed; ++seed) {
    const auto history = CrashHistory::record(seed, size.operations, GetParam());
    // A workload has kills of its own. Without the weakness every one of these seeds can be recorded
    // (crash_test.cc), so what stops one is the weakness.
    if (!history) {
      std::cout << "caught while seed " << seed << " was recorded: " << history.error().text
                << "\n";
      return;
    }
    const auto failure = (*history)->check_all(seed, size.choices, size.stride);
    states += (*history)->counts().states;
    if (!failure) continue;
    std::cout << "caught after " << states << " states by " << to_string(failure->crash) << ": "
              << failure->complaint.substr(0, 300) << "\n";
    return;
  }
  FAIL() << states << " states showed nothing wrong";
}

INSTANTIATE_TEST_SUITE_P(Variants, Weakened, ::testing::ValuesIn(weaknesses()),
                         [](const auto& row) { return row.param.name; });

}  // namespace
}  // namespace cowfs
