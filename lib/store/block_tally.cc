#include "lib/store/block_tally.h"

#include <algorithm>

namespace cowfs {
namespace {

struct Step {
  ObjectNumber object;
  std::uint64_t block;
  std::int64_t change;
};

}  // namespace

// Files that were written one after another lie in a row: most ranges go on where the last one
// ended, and one that does counts the same as both.
void BlockTally::add(const BlockRange& range) {
  if (!ranges_.empty()) {
    BlockRange& last = ranges_.back();
    if (last.object == range.object && last.first + last.count == range.first) {
      last.count += range.count;
      return;
    }
  }
  ranges_.push_back(range);
}

void append_run(std::vector<BlockCountRun>& runs, const BlockCountRun& run) {
  if (!runs.empty()) {
    BlockCountRun& last = runs.back();
    if (last.references == run.references && last.range.object == run.range.object &&
        last.range.first + last.range.count == run.range.first) {
      last.range.count += run.range.count;
      return;
    }
  }
  runs.push_back(run);
}

std::vector<BlockCountRun> BlockTally::take_runs() {
  std::vector<Step> steps;
  steps.reserve(2 * ranges_.size());
  for (const BlockRange& range : ranges_) {
    steps.push_back({range.object, range.first, +1});
    steps.push_back({range.object, range.first + range.count, -1});
  }
  ranges_ = {};
  std::ranges::sort(steps, {}, [](const Step& s) { return std::pair(s.object, s.block); });
  std::vector<BlockCountRun> runs;
  std::int64_t level = 0;
  for (std::size_t i = 0; i + 1 < steps.size(); ++i) {
    level += steps[i].change;
    const std::uint64_t count = steps[i + 1].block - steps[i].block;
    if (level == 0 || count == 0) continue;
    const BlockRange range{steps[i].object, steps[i].block, count};
    append_run(runs, {range, static_cast<std::uint64_t>(level)});
  }
  return runs;
}

}  // namespace cowfs
