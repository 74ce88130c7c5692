#include "lib/store/block_counts.h"

#include <algorithm>

#include "lib/base/check.h"

namespace cowfs {
namespace {

struct Delta {
  BlockRange range;
  std::int64_t delta;
};

// The sum of all changes as disjoint runs in order, those that cancel out left away.
template <typename Changes>
std::vector<Delta> sum_up(const Changes& changes) {
  struct Step {
    ObjectNumber object;
    std::uint64_t block;
    std::int64_t delta;  // from this block on
  };
  std::vector<Step> steps;
  steps.reserve(2 * changes.size());
  for (const auto& change : changes) {
    const BlockRange& range = change.range;
    steps.push_back({range.object, range.first, change.delta});
    steps.push_back({range.object, range.first + range.count, -change.delta});
  }
  std::ranges::sort(steps, {}, [](const Step& step) { return std::pair(step.object, step.block); });
  std::vector<Delta> sums;
  std::int64_t level = 0;
  for (auto it = steps.begin(); it != steps.end(); ++it) {
    level += it->delta;
    const auto next = std::next(it);
    if (level == 0 || next == steps.end()) continue;
    const auto [object, first, unused] = *it;
    const std::uint64_t count = next->block - first;
    if (count == 0) continue;  // more begins or ends at this block
    const bool continues = !sums.empty() && sums.back().delta == level &&
                           sums.back().range.object == object &&
                           sums.back().range.first + sums.back().range.count == first;
    if (continues) sums.back().range.count += count;
    else sums.push_back({{object, first, count}, level});
  }
  return sums;
}

// The stored runs that overlap a range, in order.
Result<std::vector<BlockCountRun>> overlapping(const Tree& tree, const BlockRange& range) {
  std::vector<BlockCountRun> runs;
  const std::uint64_t end = range.first + range.count;
  COWFS_ASSIGN(const auto before,
               tree.find_at_or_below(block_count_key(range.object, range.first)));
  if (before) {
    const auto run = decode_block_count(before->key, before->value);
    if (run && run->range.object == range.object && run->range.first < range.first &&
        run->range.first + run->range.count > range.first) {
      runs.push_back(*run);
    }
  }
  bool sound = true;
  COWFS_TRY(tree.scan(block_count_key(range.object, range.first),
                      [&](std::string_view key, std::string_view value) {
                        if (kind_of(key) != KeyKind::kBlockCount) return false;
                        const auto run = decode_block_count(key, value);
                        sound = run.has_value();
                        if (!sound || run->range.object != range.object || run->range.first >= end)
                          return false;
                        runs.push_back(*run);
                        return true;
                      }));
  if (!sound) return fail(ErrorCode::kCorrupted, "a run of block reference counts makes no sense");
  return runs;
}

Result<void> store_run(Tree& tree, const BlockRange& range, std::uint64_t references) {
  if (range.count == 0 || references < 2) return {};
  return tree.put(block_count_key(range.object, range.first),
                  encode_block_count({range, references}));
}

class RunChange {
 public:
  RunChange(Tree& tree, const Delta& delta,
            const std::function<Result<void>(const BlockRange&)>& dead)
      : tree_(tree), delta_(delta), dead_(dead) {}

  // Rewrites the stored runs under the range with the delta added; parts that stick out on either
  // side keep their count.
  Result<void> apply() {
    const BlockRange& range = delta_.range;
    const std::uint64_t end = range.first + range.count;
    COWFS_ASSIGN(const auto runs, overlapping(tree_, range));
    for (const auto& run : runs)
      COWFS_TRY(tree_.erase(block_count_key(range.object, run.range.first)));
    std::uint64_t at = range.first;
    for (const auto& run : runs) {
      const std::uint64_t run_end = run.range.first + run.range.count;
      if (run.range.first < range.first) {
        COWFS_TRY(store_run(tree_, {range.object, run.range.first, range.first - run.range.first},
                            run.references));
      }
      const std::uint64_t from = std::max(run.range.first, range.first);
      const std::uint64_t to = std::min(run_end, end);
      COWFS_TRY(emit(at, from, 1));
      COWFS_TRY(emit(from, to, run.references));
      at = to;
      if (run_end > end)
        COWFS_TRY(store_run(tree_, {range.object, end, run_end - end}, run.references));
    }
    COWFS_TRY(emit(at, end, 1));
    return flush();
  }

 private:
  Result<void> emit(std::uint64_t from, std::uint64_t to, std::uint64_t base) {
    if (from >= to) return {};
    const std::int64_t count = static_cast<std::int64_t>(base) + delta_.delta;
    if (count < 0) {
      return fail(ErrorCode::kCorrupted, "object " + std::to_string(raw(delta_.range.object)) +
                                             ": block " + std::to_string(from) +
                                             " has fewer references than it loses");
    }
    const auto references = static_cast<std::uint64_t>(count);
    if (pending_.count > 0 && references == pending_references_ &&
        pending_.first + pending_.count == from) {
      pending_.count += to - from;
      return {};
    }
    COWFS_TRY(flush());
    pending_ = {delta_.range.object, from, to - from};
    pending_references_ = references;
    return {};
  }

  Result<void> flush() {
    if (pending_.count == 0) return {};
    const BlockRange range = pending_;
    pending_.count = 0;
    return pending_references_ == 0 ? dead_(range) : store_run(tree_, range, pending_references_);
  }

  Tree& tree_;
  const Delta& delta_;
  const std::function<Result<void>(const BlockRange&)>& dead_;
  BlockRange pending_;
  std::uint64_t pending_references_ = 0;
};

}  // namespace

Result<void> BlockCounts::apply(Tree& store_tree,
                                const std::function<Result<void>(const BlockRange&)>& dead) {
  const auto changes = std::exchange(changes_, {});
  for (const Delta& delta : sum_up(changes)) COWFS_TRY(RunChange(store_tree, delta, dead).apply());
  return {};
}

Result<std::uint64_t> BlockCounts::stored(const Tree& store_tree, ObjectNumber object,
                                          std::uint64_t block) {
  COWFS_ASSIGN(const auto runs, overlapping(store_tree, {object, block, 1}));
  return runs.empty() ? 1 : runs.front().references;
}

}  // namespace cowfs
