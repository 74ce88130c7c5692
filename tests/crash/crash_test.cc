// Power cuts and kills at every host call of random workloads. README.md says how to replay a case.
#include <gtest/gtest.h>

#include <iostream>

#include "tests/crash/crash_history.h"
#include "tests/crash/run_size.h"
#include "tests/support/result_matchers.h"

namespace cowfs {
namespace {

void replay(const char* text) {
  const auto crash = parse_crash_case(text);
  ASSERT_TRUE(crash.has_value()) << "COWFS_CRASH_CASE=SEED:CUT:CHOICE[:CUT:CHOICE]";
  const auto history = CrashHistory::record(crash->seed, run_size().operations);
  ASSERT_THAT(history, IsOk());
  const auto wrong = (*history)->check(*crash);
  std::cout << (*history)->describe(*crash);
  EXPECT_FALSE(wrong.has_value()) << "COWFS_CRASH_CASE=" << text << ": " << *wrong;
}

TEST(Crash, EveryStateThatAHostMayShowIsOneThatWasPromised) {
  if (const char* text = std::getenv("COWFS_CRASH_CASE")) return replay(text);
  const RunSize size = run_size();
  CrashCounts sum;
  for (std::uint64_t seed = size.first_seed; seed <= size.last_seed; ++seed) {
    const auto history = CrashHistory::record(seed, size.operations);
    ASSERT_THAT(history, IsOk()) << "seed " << seed;
    const auto failure = (*history)->check_all(seed, size.choices, size.stride);
    ASSERT_FALSE(failure.has_value())
        << "COWFS_CRASH_CASE=" << to_string(failure->crash) << ": " << failure->complaint;
    const CrashCounts& counts = (*history)->counts();
    sum.states += counts.states;
    sum.opened += counts.opened;
    sum.seconds += counts.seconds;
    sum.older_slots += counts.older_slots;
    sum.operations += counts.operations;
    sum.calls += counts.calls;
  }
  std::cout << sum.states << " crash states (" << sum.seconds << " of a second crash, "
            << sum.older_slots << " with the older slot alone; " << sum.opened
            << " images opened) of " << sum.operations << " operations with " << sum.calls
            << " host calls\n";
  if (!kSanitized && size.first_seed != size.last_seed) {
    EXPECT_GE(sum.states, 100'000u);
  }
}

}  // namespace
}  // namespace cowfs
