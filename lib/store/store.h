// A store: volumes by name, transactions on their trees, data in objects, checkpoints; everything
// that survives.
//
// How it works. Trees live in a node array; changes are made in memory and become durable at a
// checkpoint, which writes the new nodes and switches between two superblock slots. Data blocks lie
// in objects, are written outside of the tree lock, and are given back by a background thread once
// no state that recovery could reach, and no reader, wants them.
//
// How to use it:
//   read:   ReadView view(store); view.get(...), view.scan(...)
//   change: Operation operation(store);              // keeps forks out for the time of the whole operation
//           (allocate blocks, write data)
//           UpdateView view(store, operation);       // exclusive; check what must hold, build a Transaction,
//           view.commit(std::move(transaction));     // all or nothing
//
// Locks, in the order in which they are taken: the fork gate (Operation), inode locks (lib/volume),
// the tree lock (ReadView, UpdateView), then the store's inner ones. docs/locks.md has them all.
// Every call here may be made from any thread, holding nothing that ranks lower unless it says
// otherwise.
//
// Not here: what files and directories are (lib/volume).
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "lib/base/error.h"
#include "lib/base/ids.h"
#include "lib/base/request_context.h"
#include "lib/base/time.h"
#include "lib/journal/record.h"
#include "lib/storage/storage.h"
#include "lib/store/checksum_item.h"
#include "lib/store/extent.h"
#include "lib/store/omit.h"
#include "lib/store/transaction.h"
#include "lib/tree/diff.h"
#include "lib/tree/tree.h"

namespace cowfs {

class StoreCore;  // lib/store/store_core.h: what is behind this interface

struct StoreOptions {
  bool read_only = false;  // nothing is written to the store, recovery included
  std::size_t node_cache_bytes = std::size_t{64} << 20;
  std::chrono::milliseconds commit_interval{5000};  // between background checkpoints
  // false: no threads; checkpoints on checkpoint() only, reclaim on reclaim_now() (tests)
  bool background = true;
  // called, from any thread, when work fails that nobody waits for, when the store takes no more
  // changes, and when it opens though a slot of the superblock is damaged: the lines that the daemon
  // logs
  std::function<void(const Error&)> on_background_error;
  // the most that the journal takes on the host; at least four segments
  std::uint64_t journal_bytes = kDefaultJournalBytes;
  std::uint64_t journal_segment_bytes = kDefaultSegmentBytes;  // tests have smaller ones
  Omit omit = Omit::kNothing;                                  // for tests of the tests
  // of the host's space, kept back from data; default: 1/50 of it, 16 MiB to 256 MiB
  std::optional<std::uint64_t> reserve_bytes;
};

struct FormatOptions {
  bool data_checksums = true;           // of every block of file data
  std::optional<std::uint64_t> seed{};  // of the store's id and hash seed; random where absent
};

enum class VolumeKind { kSnapshot, kFork };  // read-only, writable

struct VolumeInfo {
  VolumeId id{};
  VolumeId parent{};
  std::string name;  // empty: deleted, waiting for its last open file or being reclaimed
  bool read_only = false;
  Timestamp created;
  // forked while files were unlinked but open; to be erased from it in the background
  bool has_orphans = false;
};

struct StoreSpace {
  std::uint64_t total_blocks = 0;
  std::uint64_t free_blocks = 0;  // the host's, less the reserve
  std::uint64_t live_blocks = 0;  // distinct blocks that extents of any volume refer to
};

struct StoreCounters {  // for tests and reports
  std::uint64_t checkpoints = 0;
  std::chrono::microseconds longest_stall{
      0};                           // the longest time for which a checkpoint kept changes out
  std::uint64_t journal_bytes = 0;  // of segments that a superblock slot may need
  std::uint64_t replayed = 0;       // journal records that opening the store applied
  // of blocks that were being overwritten when the store was not closed
  std::uint64_t recomputed_checksums = 0;
  std::uint64_t live_nodes = 0;
  std::uint64_t dirty_nodes = 0;
  std::uint64_t pending_reclaim = 0;  // volumes and nodes waiting for the reclaim thread
};

/// Keeps forks out (and waits for one under way) while it lives: the change it covers is in the
/// fork whole or not at all. Not recursive: a thread holds one at most. Data reads need none.
class Operation {
 public:
  explicit Operation(class Store& store);
  ~Operation();
  Operation(const Operation&) = delete;
  Operation& operator=(const Operation&) = delete;

 private:
  StoreCore& core_;
};

/// While it lives, blocks freed after it began keep their bytes. Begin one before looking up the
/// extents of a data read.
class EpochGuard {
 public:
  explicit EpochGuard(class Store& store);
  ~EpochGuard();
  EpochGuard(const EpochGuard&) = delete;
  EpochGuard& operator=(const EpochGuard&) = delete;

 private:
  StoreCore& core_;
  std::uint64_t epoch_;
};

/// Leave to overwrite blocks in place that are the caller's alone, where checksums are kept (else
/// add() says yes and nothing is done).
///     OverwriteGuard guard(store);
///     COWFS_ASSIGN(const bool here, guard.add(blocks));   // false: not here, not now: write to a new place
///     guard.writing(); ... Store::write_blocks ...; guard.written();
/// What was being written when the guard went away is not known, and is not verified until it is
/// written again. With an Operation, holding no view.
class OverwriteGuard {
 public:
  explicit OverwriteGuard(class Store& store);
  ~OverwriteGuard();
  OverwriteGuard(const OverwriteGuard&) = delete;
  OverwriteGuard& operator=(const OverwriteGuard&) = delete;

  /// Errors: those of the journal, which may have to be synced first.
  Result<bool> add(const BlockRange& blocks);
  void writing() { writing_ = true; }
  void written() { writing_ = false; }

 private:
  StoreCore& core_;
  std::vector<BlockRange> blocks_;
  bool writing_ = false;
};

/// Read access to the trees of all volumes. Errors: kStale for a volume that is gone.
class TreeView {
 public:
  Result<std::optional<std::string>> get(VolumeId volume, std::string_view key) const;
  /// As Tree::scan: visit(key, value) until false; the views die with the call, and `visit` must
  /// not call into the view. A finger is good for one volume, until the view changes or ends.
  Result<void> scan(VolumeId volume, std::string_view from, const Tree::Visit& visit,
                    Finger* finger = nullptr) const;
  Result<std::optional<Tree::Item>> find_at_or_below(VolumeId volume, std::string_view key) const;
  Result<void> diff(VolumeId before, VolumeId after,
                    const std::function<bool(const TreeDifference&)>& visit) const;
  Result<VolumeInfo> volume(VolumeId volume) const;
  /// The generation up to which the volume's extents may be shared: an extent with a birth above it
  /// is the volume's alone and may be written in place (by whoever holds its inode's lock and an
  /// Operation).
  Result<Generation> shared_at(VolumeId volume) const;

 protected:
  explicit TreeView(StoreCore& core) : core_(core) {}
  ~TreeView() = default;
  TreeView(const TreeView&) = delete;
  TreeView& operator=(const TreeView&) = delete;

  StoreCore& core_;
};

/// Holds the tree lock shared.
class ReadView : public TreeView {
 public:
  explicit ReadView(Store& store);
  ~ReadView();
};

/// Holds the tree lock exclusively. Needs an Operation (so a fork cannot come between its commits
/// and the data they refer to).
class UpdateView : public TreeView {
 public:
  UpdateView(Store& store, const Operation& operation);
  ~UpdateView();

  /// Applies a transaction, all or nothing. At most kMaxTransactionBytes. Errors: kReadOnly (a
  /// read-only volume or store), kStale (a deleted volume), kNoSpace, kIo, kCorrupted.
  Result<void> commit(const Transaction& transaction);
  /// The sequence of the last commit's journal record, for Store::sync_records(); 0 before the
  /// first.
  std::uint64_t sequence() const { return sequence_; }

 private:
  std::uint64_t sequence_ = 0;
};

class Store {
 public:
  /// Writes an empty store with the volume `main` (an empty tree) into a storage that has no
  /// superblock yet.
  static Result<void> format(Storage& storage, const FormatOptions& options = {});

  /// Opens at the newest valid checkpoint. kNotAStore: no superblock, a version or an incompatible
  /// feature that we do not know (the text says which); kCorrupted: both slots are damaged.
  static Result<std::unique_ptr<Store>> open(std::unique_ptr<Storage> storage,
                                             const StoreOptions& options = {});

  /// Ends the threads without a checkpoint where close() was not called.
  ~Store();
  Store(const Store&) = delete;
  Store& operator=(const Store&) = delete;

  /// Makes everything durable and ends the background threads. Nothing may be called afterwards but
  /// the destructor.
  Result<void> close();

  bool read_only() const;
  bool keeps_checksums() const;
  /// The seed of the hash of names; the same for the life of the store, so that cookies survive
  /// forks.
  std::uint64_t name_seed() const;
  /// 16 random bytes that name the store.
  std::string store_id() const;

  // Volumes.

  Result<VolumeInfo> find_volume(std::string_view name) const;
  Result<VolumeInfo> volume(VolumeId id) const;
  /// All volumes that have a name, by name.
  std::vector<VolumeInfo> list_volumes() const;
  /// A fork of `parent` as it is after all operations under way and before all later ones: O(1).
  /// The caller holds no Operation and no inode lock. Name: 1 to 255 bytes, no '/', no NUL, not "."
  /// ".." ".cowfs" (kInvalidArgument, kNameTooLong); kExists; kNoSpace when volume ids run out.
  /// `at_cut`, if given, runs at the instant of the cut, with operations excluded.
  Result<VolumeInfo> fork_volume(const RequestContext& context, VolumeId parent,
                                 std::string_view name, VolumeKind kind, bool has_orphans = false,
                                 const std::function<bool()>& at_cut = {});
  Result<void> rename_volume(const RequestContext& context, VolumeId id, std::string_view new_name);
  /// The volume loses its name at once; its tree and blocks are given back in the background once
  /// nobody pins it.
  Result<void> delete_volume(const RequestContext& context, VolumeId id);
  /// Clears VolumeInfo::has_orphans.
  Result<void> orphans_erased(VolumeId id);
  /// Keeps a volume's tree readable after delete_volume until the matching unpin (open files).
  /// kStale where it is gone already.
  Result<void> pin_volume(VolumeId id);
  void unpin_volume(VolumeId id);
  // Numbers.

  /// A new inode number, never used before in this store. kNoSpace when they run out.
  Result<InodeNumber> allocate_inode();

  // Data. Allocating and writing need an Operation, reading an EpochGuard. None of these may be
  // called while holding a view.

  /// Blocks in packs, `count` in all, in as few ranges as possible. They belong to the caller, who
  /// puts extents for them or gives them back with abandon(). kNoSpace leaves nothing allocated.
  /// `birth` for their extents: birth_generation().
  Result<std::vector<BlockRange>> allocate(std::uint64_t count);
  /// A new own object for one file's window; empty.
  Result<ObjectNumber> create_own_object(VolumeId volume, InodeNumber inode, std::uint32_t window);
  /// Takes blocks [first, first+count) of an own object for its file. kExists where `first` is
  /// below the highest block ever taken, or the object may no longer grow: use allocate() then.
  Result<BlockRange> extend_own_object(ObjectNumber object, std::uint64_t first,
                                       std::uint64_t count);
  /// No more blocks are taken from this own object from now on (it became shared).
  void freeze_own_object(ObjectNumber object);
  /// Gives blocks back that no transaction refers to.
  void abandon(const BlockRange& range);
  Generation birth_generation() const;

  /// Reads `out.size()` bytes of an object from byte `offset` on; any alignment. kCorrupted where a
  /// block does not match its checksum.
  Result<void> read_data(ObjectNumber object, std::uint64_t offset, MutableBytes out);
  /// Writes whole blocks: the one place through which file data goes. Blocks that a committed
  /// extent refers to: with an OverwriteGuard.
  Result<void> write_blocks(ObjectNumber object, std::uint64_t first_block, Bytes blocks);

  // Durability.

  /// Everything written and committed before this call is durable when it returns. Concurrent calls
  /// share one flush. After an error the store takes no more changes, and every later sync fails
  /// with kIo.
  Result<void> sync();
  /// Commits up to `sequence` (UpdateView::sequence()) are durable when it returns, with the new
  /// blocks that they refer to; concurrent calls share one flush. What was overwritten in place is
  /// not waited for: see sync_data().
  Result<void> sync_records(std::uint64_t sequence);
  /// Takes over the objects that a file overwrote and did not sync before it was forgotten;
  /// sync_left_behind() makes them durable, and everything committed so far.
  void leave_behind(ObjectNumber object);
  Result<void> sync_left_behind();
  /// What was written to this object before the call is durable when it returns.
  Result<void> sync_data(ObjectNumber object);
  /// The last commit so far.
  std::uint64_t last_sequence() const;
  /// Writes a checkpoint, which makes the journal before it superfluous. For tests; the background
  /// does it by itself.
  Result<void> checkpoint();

  /// Blocks that were released since the last checkpoint may still count as live.
  StoreSpace space() const;
  /// The same after counting what was released until now, where there is room for that. No view is
  /// held.
  StoreSpace space_now();
  StoreCounters counters() const;

  /// Why the store takes no more changes; empty where it does. on_background_error was told.
  std::string failure() const;

  /// Does all background work that is possible now, in this thread: reclaims deleted volumes and
  /// freed blocks, with the checkpoints that they wait for. For tests, and for `umount` that wants
  /// the space back.
  Result<void> reclaim_now();

  /// For who has met kNoSpace, holding nothing: gives back some of what was freed and still waits for
  /// checkpoints; false where nothing does, and on a host that fails.
  bool make_room();
  /// Counts up whenever freed space came back: who has met kNoSpace may try again if it did.
  std::uint64_t space_given_back() const;

  struct Held {
    std::uint64_t checkpoint = 0;
    std::string superblock;  // the bytes of its slot
  };
  /// Makes a checkpoint and keeps all nodes, blocks and objects that it refers to, until
  /// release_checkpoint(): for somebody who reads the store's arrays beside us. kReadOnly: a store
  /// that is open read-only makes none, and changes nothing anyway.
  Result<Held> hold_checkpoint();
  void release_checkpoint(std::uint64_t checkpoint);

  /// Counts references of nodes and blocks anew over all trees and compares them with what is kept;
  /// also live blocks and the node array's allocation. kCorrupted with what differs. Excludes all
  /// else meanwhile; for tests and fsck.
  Result<void> verify();

  /// The checksums that the store's tree has (with those of the last checkpoint at least), until
  /// `visit` returns false. `visit` must not call into the store.
  Result<void> visit_checksums(const std::function<bool(const ChecksumItem&)>& visit) const;

  /// References to one block, and whether any: for introspection and tests.
  Result<std::uint64_t> block_references(ObjectNumber object, std::uint64_t block) const;

 private:
  friend class Operation;
  friend class EpochGuard;
  friend class OverwriteGuard;
  friend class ReadView;
  friend class UpdateView;
  explicit Store(std::unique_ptr<StoreCore> core);

  std::unique_ptr<StoreCore> core_;
};

}  // namespace cowfs
