// Reads all file data that a checkpoint refers to and holds it against its checksums.
//
// Each block is read once, however many files have it. Blocks without a checksum are read all the
// same: what the host cannot give is damage, too.
#pragma once

#include <functional>
#include <vector>

#include "lib/storage/storage.h"
#include "lib/store/store_truth.h"

namespace cowfs {

struct Scrub {
  std::vector<BlockRange> damaged;  // in order, neighbours joined; at most kKept of them
  std::uint64_t damaged_blocks = 0;
  std::uint64_t blocks = 0;    // read
  std::uint64_t verified = 0;  // of these, with a checksum
  static constexpr std::size_t kKept = 100'000;
  bool cut_off = false;  // some are not in `damaged`

  /// The parts of a range that are damaged.
  std::vector<BlockRange> damaged_parts(const BlockRange& range) const;
};

/// `progress` is told how many blocks were read.
Result<Scrub> scrub_data(Storage& storage, NodeSpace& space, const StoreFacts& facts,
                         const std::function<void(std::uint64_t blocks)>& progress);

/// Finds, without reading what is there, blocks that the host's files have no more: those past a
/// file's end whose checksum is not that of zeros. `objects`: where the files' sizes are asked.
Result<Scrub> scrub_ends(Storage& objects, NodeSpace& space, const StoreFacts& facts);

}  // namespace cowfs
