// Counts references to blocks anew: ranges are added in any order, runs with their counts come out.
#pragma once

#include <vector>

#include "lib/store/records.h"

namespace cowfs {

class BlockTally {
 public:
  /// One more reference to each block of a range that decode_extent() let pass.
  void add(const BlockRange& range);

  /// Disjoint runs in order, with one reference or more; neighbours of the same count are one. Ends
  /// the counting.
  std::vector<BlockCountRun> take_runs();

 private:
  std::vector<BlockRange> ranges_;
};

/// Adds a run to others that lie before it, joined with the last one where that is possible.
void append_run(std::vector<BlockCountRun>& runs, const BlockCountRun& run);

}  // namespace cowfs
