// Where blocks may be overwritten in place while checksums are kept: ranges of 1 MiB that were
// declared in the journal beforehand.
//
// A block that is overwritten in place differs from its checksum until the new one is durable too,
// which is when the next checkpoint is. A crash in between must not look like damage. So before the
// first byte a record says that checksums of this range do not count after a crash; opening the
// store after one computes them anew (open.cc). Decision 0008 has the reasons.
//
//   - The record is written before the bytes: that is enough for the death of the process.
//   - It is durable before the bytes, so that they cannot outlive it in a power cut. A sync costs
//     milliseconds: a block that was taken after the last flush began needs none, because nothing
//     durable refers to it yet and the mark that will vouch for it comes after the record; an
//     object in which several ranges were declared gets larger ones at once; and where the ranges
//     of one interval would come to more than a recovery can read in a few seconds, the answer is
//     no: the block goes to a new place.
//   - Ranges in use are declared again by each checkpoint, for whoever opens the store at it; the
//     others are let go.
//
// Locks: `mutex_`, between the tree lock and the object lock. begin() and end() from any thread
// that holds an Operation and no view.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "lib/base/error.h"
#include "lib/base/mutex.h"
#include "lib/store/extent.h"

namespace cowfs {

class StoreCore;

inline constexpr std::uint64_t kDeclaredBlocks = 256;  // of one range: 1 MiB
// ranges of one interval, unless their blocks are new
inline constexpr std::size_t kMostDeclared = 1024;

class DeclaredOverwrites {
 public:
  explicit DeclaredOverwrites(StoreCore& core) : core_(core) {}

  /// Whether `blocks` may be overwritten now; if so, end() follows when the bytes are written and
  /// their checksums noted. Errors: those of the journal.
  Result<bool> begin(const BlockRange& blocks);
  void end(const BlockRange& blocks);

  /// At a checkpoint, after the position in the journal from which it is recovered was taken:
  /// declares ranges in use again, all of them where `all`. Tree lock exclusive.
  Result<void> carry(bool all);

  /// Recovery: what a record declared (kCorrupted where it makes no sense), and all of that.
  Result<void> found(std::string_view record_body);
  std::vector<BlockRange> ranges() const;

 private:
  using Unit = std::pair<ObjectNumber, std::uint64_t>;  // object, first block / kDeclaredBlocks
  struct State {
    std::uint64_t sequence = 0;  // of its first record; later ones are made durable by checkpoints
    std::uint32_t users = 0;     // between begin() and end()
    bool touched = true;         // since the last checkpoint
  };

  std::vector<Unit> missing_units(const BlockRange& blocks) const COWFS_REQUIRES(mutex_);
  void widen(std::vector<Unit>& units, ObjectNumber object) COWFS_REQUIRES(mutex_);
  Result<std::uint64_t> declare(const std::vector<Unit>& units) COWFS_REQUIRES(mutex_);

  StoreCore& core_;
  mutable Mutex mutex_;
  std::map<Unit, State> units_ COWFS_GUARDED_BY(mutex_);
  // since the last checkpoint, by object; and ranges that were declared since then
  std::map<ObjectNumber, unsigned> syncs_ COWFS_GUARDED_BY(mutex_);
  std::size_t declared_ COWFS_GUARDED_BY(mutex_) = 0;
};

}  // namespace cowfs
