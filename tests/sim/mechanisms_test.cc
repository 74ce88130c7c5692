// The mechanisms and claims of docs/simulator.md, by their ids: each has traces
// (tests/sim/data/ID_*.trace) that hold, a test of its own here, or a line in the documentation
// that says why not.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <iterator>
#include <string>
#include <vector>

#include "lib/sim/generator.h"
#include "lib/sim/runner.h"
#include "lib/sim/session.h"
#include "tests/support/files.h"
#include "tests/support/sanitized.h"

namespace cowfs::sim {
namespace {

/// All ids: 0a to 0l, 1a to 1z and 1A to 1C, 2a to 2i, 3a to 3h, 4a to 4l.
std::vector<std::string> ids() {
  std::vector<std::string> out;
  const auto add = [&](char group, char first, char last) {
    for (char c = first; c <= last; ++c) out.push_back({group, c});
  };
  add('0', 'a', 'l');
  add('1', 'a', 'z');
  add('1', 'A', 'C');
  add('2', 'a', 'i');
  add('3', 'a', 'h');
  add('4', 'a', 'l');
  return out;
}

/// Have tests of their own below.
bool has_own_test(const std::string& id) { return id == "4g"; }

class Mechanism : public testing::TestWithParam<std::string> {};

TEST_P(Mechanism, HoldsInItsTraces) {
  int traces = 0;
  for (const auto& file : std::filesystem::directory_iterator(COWFS_TEST_DATA_DIR)) {
    const std::string name = file.path().filename();
    if (!name.starts_with(GetParam() + "_")) continue;
    ++traces;
    const auto trace = parse_trace(contents(file.path()));
    ASSERT_TRUE(trace) << name << ":" << trace.error().text;
    int expectations = 0;
    for (const Statement& statement : trace->statements)
      expectations += statement.expectation ? 1 : 0;
    EXPECT_GT(expectations, 0) << name;
    for (const TraceFailure& failure : run_trace(*trace)) {
      ADD_FAILURE() << name << ":" << failure.line << ":" << failure.column << ": " << failure.text;
    }
  }
  if (traces > 0 || has_own_test(GetParam())) return;
  const char* source = std::getenv("COWFS_SRC_DIR");
  if (source == nullptr) GTEST_SKIP() << "COWFS_SRC_DIR does not say where the documentation is";
  const std::string line = "| " + GetParam() + " | not tested:";
  EXPECT_NE(contents(std::string(source) + "/docs/simulator.md").find(line), std::string::npos)
      << GetParam() << " has no trace, and the documentation does not say why";
}

INSTANTIATE_TEST_SUITE_P(Row, Mechanism, testing::ValuesIn(ids()), [](const auto& one) {
  // Names of tests may not differ by case alone.
  const char letter = one.param[1];
  return one.param.substr(0, 1) + (letter < 'a' ? std::string("upper_") : std::string()) + letter;
});

std::uint32_t peak(TraceWish wish, std::uint64_t seed, bool full_copy) {
  wish.settings.full_copy_fork = full_copy;
  Session session(wish.settings);
  for (const Operation& op : generate(wish, seed)) {
    const auto violation = session.apply(op);
    EXPECT_FALSE(violation) << violation->text;
  }
  return session.machine().frames().peak();
}

TEST(Row4g, DeferringCopiesNeverNeedsMoreFrames) {
  TraceWish wish = common_wish(false);
  wish.settings.page_size = 16;
  wish.settings.frames = 200;
  std::uint32_t less = 0;
  for (std::uint64_t seed = 1; seed <= fewer_if_sanitized(std::uint64_t{200}); ++seed) {
    const std::uint32_t deferred = peak(wish, seed, false);
    const std::uint32_t at_once = peak(wish, seed, true);
    ASSERT_LE(deferred, at_once) << "seed " << seed;
    less += deferred < at_once ? 1 : 0;
  }
  EXPECT_GT(less, fewer_if_sanitized(50U));
}

}  // namespace
}  // namespace cowfs::sim
