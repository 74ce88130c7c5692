// Writes checkpoints: the dirty nodes, then the superblock slot that makes them the state of the
// store.
//
//   take (tree lock exclusive, short): apply gathered counts, put changed records and bitmaps into the store's tree, freeze the dirty
//        nodes, begin a new generation.
//   write (no lock): sync the data objects that were written before and the journal (GroupCommit), write and sync the nodes, write
//        and sync the superblock.
//   settle (tree lock exclusive, short): frozen nodes are clean; nodes held for older checkpoints are free.
//
// Data comes before the metadata that refers to it: an object is dirty from before its write until
// a sync that began after it. A checkpoint that failed to be written leaves the last one in force;
// the next try writes everything again, to the same slot.
//
// Locks: `running_` (rank before the tree lock; one checkpoint at a time), `mutex_` (leaf). Callers
// of sync() hold no view.
#pragma once

#include <chrono>
#include <cstdint>
#include <thread>
#include <vector>

#include "lib/base/error.h"
#include "lib/base/mutex.h"
#include "lib/store/shared_runs.h"
#include "lib/store/superblock.h"
#include "lib/tree/tree.h"

namespace cowfs {

class StoreCore;

class Checkpointer {
 public:
  explicit Checkpointer(StoreCore& core) : core_(core) {}
  ~Checkpointer() { stop(); }

  void start(std::chrono::milliseconds interval);
  void stop();

  /// Asks for a checkpoint soon, without waiting.
  void request();
  /// Everything committed before the call is durable on return. Concurrent calls share checkpoints:
  /// each waits for one that is taken after its call began.
  Result<void> sync();
  /// A checkpoint even where nothing changed (opening); `clean`: nothing happens after it
  /// (closing).
  Result<void> force(bool clean = false);

  std::uint64_t count() const { return count_.load(); }
  /// The longest time for which one step of a checkpoint held the tree lock.
  std::chrono::microseconds longest_stall() const {
    return std::chrono::microseconds(longest_stall_.load());
  }

 private:
  struct Taken {
    Superblock superblock;
    std::vector<NodeRef> nodes;
  };

  Result<void> run(bool clean, bool forced) COWFS_REQUIRES(running_);
  Result<std::optional<Taken>> take(bool clean, bool forced) COWFS_REQUIRES(running_);
  Result<void> put_records(Superblock& superblock, bool checksums);
  Result<void> put_bitmaps();
  Result<void> write(const Taken& taken);
  void settle(const Superblock& superblock);
  void loop(const std::stop_token& stop, std::chrono::milliseconds interval);

  void note_stall(std::chrono::steady_clock::time_point begin);

  StoreCore& core_;
  std::atomic<std::uint64_t> count_{0};
  std::atomic<std::int64_t> longest_stall_{0};  // microseconds

  Mutex running_;  // held while a checkpoint is made
  bool changing_ COWFS_GUARDED_BY(running_) =
      false;  // the one being taken has begun to change the trees
  SharedRuns runs_;
  Mutex mutex_;  // leaf: guards what follows
  Condition changed_;
  bool requested_ COWFS_GUARDED_BY(mutex_) = false;
  bool stopping_ COWFS_GUARDED_BY(mutex_) = false;
  std::jthread thread_;
};

}  // namespace cowfs
