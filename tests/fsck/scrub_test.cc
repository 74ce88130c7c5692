// Scrubbing: every damaged block of data is told for every file that has it, and nothing else is.
#include <gmock/gmock.h>

#include "lib/store/node_reader.h"
#include "lib/store/store_survey.h"
#include "lib/store/superblock.h"
#include "tests/fsck/damaged_store.h"
#include "tests/support/result_matchers.h"

namespace cowfs {
namespace {

FsckReport scrub(MemoryStorage& storage) {
  const auto report = check_store(storage, {.scrub = true});
  EXPECT_THAT(report, IsOk());
  return report.value_or(FsckReport{});
}

/// Blocks that extents of volumes refer to.
std::vector<BlockCountRun> blocks_in_use(MemoryStorage& storage) {
  const Superblock newest = read_superblocks(storage)->valid.front();
  NodeReader nodes(storage, newest.node_segments);
  return StoreSurvey::make(nodes, storage, newest)->facts().runs;
}

TEST(Scrub, FindsNothingInAWholeStore) {
  for (const Ending ending : {Ending::kClosed, Ending::kKilled}) {
    TestStore store = make_test_store(ending);
    const FsckReport report = scrub(*store.storage);
    EXPECT_TRUE(report.problems.clean()) << text_of(report.problems);
    EXPECT_TRUE(report.damaged_data.clean()) << text_of(report.damaged_data);
    EXPECT_GT(report.scrubbed_blocks, 1000u);
  }
}

// A file that reading tells to be damaged is one that a scrub has told, and the reverse.
TEST(Scrub, TellsTheFilesThatCannotBeRead) {
  for (const Ending ending : {Ending::kClosed, Ending::kKilled}) {
    TestStore store = make_test_store(ending);
    const auto runs = blocks_in_use(*store.storage);
    std::mt19937_64 random(4);
    for (int i = 0; i < 12; ++i) {
      const BlockRange range = runs[random() % runs.size()].range;
      const std::uint64_t block = range.first + random() % range.count;
      damage(*store.storage, {ArrayKind::kObject, raw(range.object)},
             block * kBlockSize + random() % kBlockSize, 1, random);
    }
    const FsckReport report = scrub(*store.storage);
    EXPECT_TRUE(report.problems.clean()) << text_of(report.problems);
    std::set<std::string> told;
    for (const Problem& problem : report.damaged_data.kept())
      told.insert(problem.volume + ":" + problem.path);
    std::set<std::string> unreadable;
    const Contents found = read_all(*store.storage);
    for (const auto& [volume, files] : found) {
      for (const auto& [path, bytes] : files) {
        if (bytes.starts_with("!")) unreadable.insert(volume + ":" + path);
      }
    }
    EXPECT_GE(unreadable.size(), 4u);
    // Of several names the first is told.
    for (const std::string& path : told) EXPECT_TRUE(unreadable.contains(path)) << path;
    for (const std::string& path : unreadable) {
      const bool second_name =
          path.ends_with(".link") && told.contains(path.substr(0, path.size() - 5));
      const bool has_link = told.contains(path + ".link");
      EXPECT_TRUE(told.contains(path) || second_name || has_link) << path;
    }
  }
}

TEST(Scrub, TellsAMissingEndOfAnObjectWithoutReadingAll) {
  for (const Ending ending : {Ending::kClosed, Ending::kKilled}) {
    TestStore store = make_test_store(ending);
    const BlockRange range = blocks_in_use(*store.storage).front().range;
    ASSERT_THAT(store.storage->resize({ArrayKind::kObject, raw(range.object)},
                                      range.first * kBlockSize + 100),
                IsOk());
    const auto quick = check_store(*store.storage);
    ASSERT_THAT(quick, IsOk());
    EXPECT_FALSE(quick->damaged_data.clean());
    // A scrub reads the same, and nothing else is damaged.
    EXPECT_EQ(text_of(quick->damaged_data), text_of(scrub(*store.storage).damaged_data));
  }
}

TEST(Scrub, TakesBlocksPastTheEndForZeros) {
  for (const Ending ending : {Ending::kClosed, Ending::kKilled}) {
    TestStore store = make_test_store(ending);
    const auto report = check_store(*store.storage);
    ASSERT_THAT(report, IsOk());
    EXPECT_TRUE(report->damaged_data.clean()) << text_of(report->damaged_data);
    EXPECT_EQ(report->scrubbed_blocks, 0u);
  }
}

TEST(Scrub, DoesNotComplainOfWhatNobodyRefersTo) {
  TestStore store = make_test_store(Ending::kClosed);
  std::mt19937_64 random(9);
  const auto runs = blocks_in_use(*store.storage);
  const BlockRange last = runs.back().range;
  damage(*store.storage, {ArrayKind::kObject, raw(last.object)},
         (last.first + last.count) * kBlockSize + 10, 5, random);
  EXPECT_TRUE(scrub(*store.storage).damaged_data.clean());
}

}  // namespace
}  // namespace cowfs
