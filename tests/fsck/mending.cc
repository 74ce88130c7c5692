#include "tests/fsck/mending.h"

#include <algorithm>

#include "tests/support/result_matchers.h"

namespace cowfs {
namespace {

/// Whether a loss was reported for a path, or for a directory that it lay in.
bool is_reported(const Outcome& outcome, const std::string& path) {
  for (const ProblemList* list : {&outcome.found, &outcome.mended}) {
    for (const Problem& problem : list->kept()) {
      const std::string place = problem.volume + ":" + problem.path;
      // With its names goes what lay in the root directory and in the same node as they.
      if (problem.code == "root" && path.starts_with(problem.volume + ":")) return true;
      if (problem.path != "" && (path == place || path.starts_with(place + "/"))) return true;
    }
  }
  return false;
}

/// Owner, permissions and times of an inode are lost, which Contents does not have.
bool has_lost_attributes(const ProblemList& list, const Problem& problem) {
  return std::ranges::any_of(list.kept(), [&](const Problem& other) {
    return other.code == "inode" && other.severity == Severity::kLoss &&
           other.volume == problem.volume && other.inode == problem.inode;
  });
}

std::string text_of(const Outcome& outcome) {
  return "found:\n" + text_of(outcome.found) + "mended:\n" + text_of(outcome.mended);
}

}  // namespace

void mend(MemoryStorage& storage, Outcome& outcome) {
  const auto report = check_store(storage);
  ASSERT_THAT(report, IsOk());
  outcome.found = report->problems;
  if (!outcome.found.clean()) {
    const ArraySet before = storage.content();
    const auto mended = repair_store(storage);
    if (!mended && mended.error().code == ErrorCode::kCorrupted) {
      outcome.given_up = true;
      for (const auto& [name, array] : storage.content())
        EXPECT_TRUE(*array == *before.at(name)) << to_string(name);
      return;
    }
    ASSERT_THAT(mended, IsOk()) << text_of(outcome.found);
    outcome.mended = *mended;
  }
  const auto again = check_store(storage);
  ASSERT_THAT(again, IsOk());
  EXPECT_TRUE(again->problems.clean()) << "found at first:\n"
                                       << text_of(outcome.found) << "mended:\n"
                                       << text_of(outcome.mended) << "left:\n"
                                       << text_of(again->problems);
  outcome.contents = read_all(storage);
  const auto last = check_store(storage);
  ASSERT_THAT(last, IsOk());
  EXPECT_TRUE(last->problems.clean()) << "after use:\n" << text_of(last->problems);
}

void expect_only_reported_losses(const TestStore& store, const Outcome& outcome) {
  for (const std::string& path : differences(store.contents, outcome.contents)) {
    EXPECT_TRUE(is_reported(outcome, path)) << path << "\n" << text_of(outcome);
  }
}

void expect_only_losses_reported(const TestStore& store, const Outcome& outcome) {
  const std::set<std::string> changed = differences(store.contents, outcome.contents);
  for (const ProblemList* list : {&outcome.found, &outcome.mended}) {
    for (const Problem& problem : list->kept()) {
      // "#42": an inode that has no name.
      const bool named = !problem.path.empty() && !problem.path.starts_with('#');
      if (problem.severity != Severity::kLoss || !named) continue;
      if (has_lost_attributes(*list, problem)) continue;
      const std::string place = problem.volume + ":" + problem.path;
      EXPECT_TRUE(std::ranges::any_of(
          changed,
          [&](const std::string& path) { return path == place || path.starts_with(place + "/"); }))
          << place << " is as it was\n"
          << text_of(outcome);
    }
  }
}

}  // namespace cowfs
