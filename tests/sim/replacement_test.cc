// Which page each policy gives up: the reference strings of the textbooks, victim by victim
// (tests/sim/data/replacement_*.trace), and Belady's anomaly.
#include <gtest/gtest.h>

#include <filesystem>
#include <string>

#include "lib/sim/runner.h"
#include "tests/support/files.h"

namespace cowfs::sim {
namespace {

/// The page faults of each trace; all its expectations hold.
std::uint64_t faults_of(const std::string& name) {
  const auto trace =
      parse_trace(contents(std::string(COWFS_TEST_DATA_DIR) + "/replacement_" + name + ".trace"));
  EXPECT_TRUE(trace) << name << ":" << trace.error().text;
  std::uint64_t faults = 0;
  const auto failures = run_trace(*trace, [&faults](const Statement&, const Session& session) {
    faults = session.machine().counters().missing_faults;
  });
  for (const TraceFailure& failure : failures)
    ADD_FAILURE() << name << ":" << failure.line << ":" << failure.column << ": " << failure.text;
  return faults;
}

TEST(Replacement, EachPolicyGivesUpThePageThatTheTextbookSays) {
  EXPECT_EQ(faults_of("reference_string_fifo_3"), 15U);
  EXPECT_EQ(faults_of("reference_string_lru_3"), 12U);
  EXPECT_EQ(faults_of("reference_string_clock_3"), 14U);
}

TEST(Replacement, WithMoreFramesFifoCanFaultMoreOften) {
  EXPECT_EQ(faults_of("belady_fifo_3"), 9U);
  EXPECT_EQ(faults_of("belady_fifo_4"), 10U);
  EXPECT_EQ(faults_of("belady_clock_3"), 9U);
  EXPECT_EQ(faults_of("belady_clock_4"), 10U);
}

TEST(Replacement, WithMoreFramesLeastRecentlyUsedFaultsLess) {
  EXPECT_EQ(faults_of("belady_lru_3"), 10U);
  EXPECT_EQ(faults_of("belady_lru_4"), 8U);
}

}  // namespace
}  // namespace cowfs::sim
