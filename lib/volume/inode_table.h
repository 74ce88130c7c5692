// What is known in memory of a volume's inodes: lookup counts, open files, inode locks, orphans.
//
// An inode is held while it is open or while the kernel has been told of it (its lookup count is
// not 0). An orphan is an inode that has an orphan item in the tree: unlinked while held, made
// without a name, or too big to be erased in one transaction. An orphan is either kept (somebody
// holds it) or being erased; it turns from one to the other only here, under its shard's lock, so
// that exactly one thread erases it.
//
// How unlinking and opening exclude each other: the last unlink of an inode asks add_orphan() while
// it holds the tree lock exclusively; open() is called with the tree lock held at least shared,
// after the inode was found to exist. remember() needs no lock: it comes before the reply to the
// lookup that found the name, and the kernel keeps other changes of that name out until then.
//
// Locks: one per shard, a leaf (taken under the tree lock too), and the lock of the pin count,
// which ranks above the store's own and is never taken while the tree lock is held.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <unordered_map>
#include <vector>

#include "lib/base/error.h"
#include "lib/base/ids.h"
#include "lib/base/mutex.h"
#include "lib/volume/lookup_counts.h"
#include "lib/volume/open_state.h"

namespace cowfs {

class InodeTable;
class Store;

/// Keeps an inode's OpenState in place while it lives.
class InodeHandle {
 public:
  InodeHandle(InodeHandle&& other) noexcept;
  InodeHandle& operator=(InodeHandle&& other) = delete;
  InodeHandle(const InodeHandle&) = delete;
  InodeHandle& operator=(const InodeHandle&) = delete;
  ~InodeHandle();

  OpenState& operator*() const { return *state_; }
  OpenState* operator->() const { return state_; }

 private:
  friend class InodeTable;
  InodeHandle(InodeTable& table, InodeNumber inode, OpenState& state)
      : table_(&table), inode_(inode), state_(&state) {}

  InodeTable* table_;
  InodeNumber inode_;
  OpenState* state_;
};

class InodeTable {
 public:
  InodeTable(Store& store, VolumeId volume) : store_(store), volume_(volume) {}
  ~InodeTable() { release_volume(); }
  InodeTable(const InodeTable&) = delete;
  InodeTable& operator=(const InodeTable&) = delete;

  // Lookup counts.

  void remember(InodeNumber inode);
  /// Returns whether the inode is an orphan that nobody holds any more: the caller erases it,
  /// nobody else will.
  bool forget(InodeNumber inode, std::uint64_t count);
  bool is_held(InodeNumber inode);
  std::size_t remembered_inodes();
  /// What the lookup counts take.
  std::size_t memory_bytes();

  // Open files.

  /// Keeps the volume readable after its deletion: one for each open file, taken before open() and
  /// without the tree lock. kStale where the volume is gone. The store is asked for the first one
  /// only and keeps the volume until release_volume(), so that opening and closing costs nothing
  /// there.
  Result<void> pin();
  void unpin();
  /// The volume was deleted: the store may have it as soon as no file is open. Without the tree
  /// lock.
  void release_volume();
  /// Counts one more open file. `nameless`: the inode's link count is 0; then only a kept orphan
  /// can be opened (kStale).
  Result<void> open(InodeNumber inode, bool writable, bool nameless);
  /// The reverse; returns what forget() returns. unpin() follows.
  bool close(InodeNumber inode, bool writable);
  /// The inode's lock and state, made where there is none yet.
  InodeHandle lock_handle(InodeNumber inode);
  std::vector<InodeNumber> open_writers();

  // Orphans.

  /// Notes an inode that gets an orphan item, under the exclusive tree lock. Returns whether it is
  /// kept because somebody holds it; else the caller erases it.
  bool add_orphan(InodeNumber inode);
  /// Notes one that is made to be held: make_unnamed() opens it next.
  void add_kept_orphan(InodeNumber inode);
  /// Its orphan item is gone: it was erased, or has a name again, or the transaction failed.
  void drop_orphan(InodeNumber inode);
  bool is_kept_orphan(InodeNumber inode);
  /// Inodes with an orphan item.
  std::uint64_t orphans() const { return orphans_.load(); }

 private:
  friend class InodeHandle;

  struct Entry {
    OpenState state;
    std::uint32_t opens = 0;
    std::uint32_t writers = 0;  // of the opens
    std::uint32_t handles = 0;
  };
  struct alignas(64) Shard {
    Mutex mutex;
    LookupCounts lookups COWFS_GUARDED_BY(mutex);
    std::unordered_map<InodeNumber, Entry> entries COWFS_GUARDED_BY(mutex);
    std::unordered_map<InodeNumber, bool> orphans COWFS_GUARDED_BY(mutex);  // true: kept
    bool held(InodeNumber inode) const COWFS_REQUIRES(mutex);
    /// Turns a kept orphan that nobody holds into one that is being erased; whether it did.
    bool let_go(InodeNumber inode) COWFS_REQUIRES(mutex);
    void drop_unused(InodeNumber inode, Store& store) COWFS_REQUIRES(mutex);
  };

  Shard& shard_of(InodeNumber inode) { return shards_[raw(inode) % kShards]; }
  void release_handle(InodeNumber inode);
  void unpin_at_store() COWFS_REQUIRES(pin_mutex_);

  static constexpr std::size_t kShards = 16;

  Store& store_;
  const VolumeId volume_;
  std::array<Shard, kShards> shards_;
  std::atomic<std::uint64_t> orphans_ = 0;
  Mutex pin_mutex_;
  std::uint64_t pins_ COWFS_GUARDED_BY(pin_mutex_) = 0;
  bool pinned_ COWFS_GUARDED_BY(pin_mutex_) = false;  // at the store
  bool released_ COWFS_GUARDED_BY(pin_mutex_) = false;
};

}  // namespace cowfs
