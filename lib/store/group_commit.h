// Makes what was logged durable: data first, then a mark that vouches for it, then the journal.
// Concurrent callers share one flush.
//
// Which data a flush waits for:
//  1. objects that got new blocks, have blocks that a copy began to share, or lost a tail, in a
//     record that is not durable yet: the record refers to them;
//  2. everything written so far, in place too, where the record of a fork is among them (a snapshot
//     holds those bytes) or the caller asks;
//  3. not what other files overwrote in place: they are the same file with other bytes, and their
//     own fsync makes them durable.
//
// After an error the host may have dropped what it was given: the store takes no more changes, and
// every later sync fails, too.
//
// Locks: `running_` (as the checkpointer's: before the tree lock; not held by who holds that),
// `mutex_` (leaf).
#pragma once

#include <cstdint>
#include <set>

#include "lib/base/error.h"
#include "lib/base/ids.h"
#include "lib/base/mutex.h"
#include "lib/store/shared_runs.h"

namespace cowfs {

class StoreCore;

class GroupCommit {
 public:
  explicit GroupCommit(StoreCore& core) : core_(core) {}

  // Called before the record is appended (under the tree lock).
  void need(ObjectNumber object);
  void need_everything();

  /// Called after a record was appended.
  void note_logged(std::uint64_t sequence);

  /// Records up to `sequence` are durable on return, with the data that they refer to.
  Result<void> sync_records(std::uint64_t sequence);
  /// All records so far, and all objects that need() named so far, are durable on return.
  Result<void> sync_needed();
  /// All that was written and logged before the call is durable on return.
  Result<void> sync_everything();
  /// What was written to one object before the call is durable on return.
  Result<void> sync_object(ObjectNumber object);

  /// Whether sync_records(sequence) would have nothing to do.
  bool is_durable(std::uint64_t sequence) const;

 private:
  Result<void> flush(bool everything) COWFS_REQUIRES(running_);
  Result<void> write_mark(std::uint64_t sequence) COWFS_REQUIRES(running_);
  Result<void> check() const;

  StoreCore& core_;
  Mutex running_;    // one flush at a time; those who wait for it share the next one
  SharedRuns runs_;  // flushes of everything
  mutable Mutex mutex_;
  std::set<ObjectNumber> needed_ COWFS_GUARDED_BY(mutex_);
  bool everything_needed_ COWFS_GUARDED_BY(mutex_) = false;
  std::uint64_t logged_ COWFS_GUARDED_BY(mutex_) = 0;   // the last record that is no mark
  std::uint64_t durable_ COWFS_GUARDED_BY(mutex_) = 0;  // records up to here are, with their data
};

}  // namespace cowfs
