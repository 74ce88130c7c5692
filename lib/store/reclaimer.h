// Gives back what nobody wants any more, in the background, in small steps that go on after a
// restart.
//
// Two lists in the store's tree say what is left to do:
//   dropped nodes   one reference to this node is to be dropped; if it was the last, the same goes for its children (or, of a leaf, the blocks
//                   that its extents refer to). A deleted volume begins as one such item: its root.
//   pending frees   blocks or whole objects without a reference, with the first checkpoint that does not refer to them. Once the one
//                   after it is durable, and no reader is left from before, they are punched or removed.
//
// Steps hold the tree lock for a bounded number of items; host calls are made without it.
#pragma once

#include <atomic>
#include <cstdint>
#include <set>
#include <thread>
#include <vector>

#include "lib/base/error.h"
#include "lib/base/mutex.h"
#include "lib/store/records.h"
#include "lib/tree/tree.h"

namespace cowfs {

class StoreCore;

class Reclaimer {
 public:
  explicit Reclaimer(StoreCore& core) : core_(core) {}
  ~Reclaimer() { stop(); }

  void start();
  void stop();
  /// There may be something to do.
  void wake();

  /// Begins the reclaim of a deleted volume that nobody pins: from now on its tree is gone. Tree
  /// lock exclusive.
  Result<void> begin_volume(VolumeId id);

  /// Does everything that is possible now, with the checkpoints that it waits for. Holding nothing.
  Result<void> run_to_end();

  /// Goes on, with the checkpoints that it waits for, until some space has come back; false where
  /// none waits to. Holding nothing.
  Result<bool> give_some_back();
  /// Counts up whenever space came back.
  std::uint64_t given_back() const { return given_back_; }

  /// Items of both lists; tree lock shared.
  Result<std::uint64_t> pending() const;

 private:
  /// Drops some nodes; false where there was nothing to drop.
  Result<bool> drop_some_nodes();
  Result<void> drop_references(Tree& store_tree, NodePointer pointer, std::uint64_t references);
  Result<void> drop_node(Tree& store_tree, NodePointer pointer);
  /// Frees some pending runs that may go; false where there were none.
  Result<bool> free_some();
  struct Batch {
    std::vector<PendingFree> items;
    std::vector<PendingFree> punches;
    std::set<ObjectNumber> removals;
  };
  Result<Batch> next_batch();
  Result<void> give_back(const Batch& batch);
  Result<void> forget_checksums(const BlockRange& range);
  Result<void> forget_batch(const Batch& batch);
  /// Neither items nor what becomes one with a checkpoint; tree lock shared.
  bool waits_for_nothing(std::uint64_t pending_items) const;
  bool stopping() const;
  void loop(const std::stop_token& stop);

  StoreCore& core_;
  std::atomic<std::uint64_t> given_back_ = 0;
  mutable Mutex mutex_;  // leaf
  Condition changed_;
  bool work_ COWFS_GUARDED_BY(mutex_) = true;
  bool stopping_ COWFS_GUARDED_BY(mutex_) = false;
  Mutex running_;  // rank before the tree lock: one reclaimer at a time
  std::jthread thread_;
};

}  // namespace cowfs
