// Where file data lies: objects on the host, blocks taken from them, blocks given back.
//
// Small and redirected data goes one after another into pack objects of 64 MiB; a file of more than
// 1 MiB has own objects, filled at equal offsets. No place is ever used for other data: a block
// number below an object's `end` was taken once and for all.
//
// Locks: `mutex_` (rank after the tree lock) guards everything in memory. Calls that say "tree
// exclusive" read or write the store's tree. None of them may be made while holding a view but
// those.
#pragma once

#include <array>
#include <atomic>
#include <functional>
#include <map>
#include <set>
#include <unordered_map>
#include <vector>

#include "lib/base/mutex.h"
#include "lib/storage/storage.h"
#include "lib/store/records.h"
#include "lib/store/store.h"
#include "lib/store/superblock.h"
#include "lib/tree/tree.h"

namespace cowfs {

inline constexpr std::uint64_t kPackBlocks = 16384;                  // 64 MiB
inline constexpr std::uint64_t kOwnObjectBlocks = kMaxExtentBlocks;  // 1 TiB

class ObjectSpace {
 public:
  /// Logs that an object was made, before anything refers to it.
  using LogCreation = std::function<Result<void>(ObjectNumber, const ObjectRecord&)>;
  ObjectSpace(Storage& storage, const StoreOptions& options, LogCreation log_creation);

  // Opening and checkpoint.
  void restore(const Superblock& superblock);
  /// This checkpoint is durable: numbers up to a step above it may be given out.
  void settle(const Superblock& superblock);
  /// After an unclean end own objects are cut to their known end before they grow again.
  void set_cut_on_growth() { cut_on_growth_ = true; }

  // Recovery, in this order (tree exclusive). Replay takes the blocks again that a journal says
  // were taken.
  /// Notes the blocks that were on their way to an extent when the checkpoint was taken.
  Result<void> load_in_flight(const Tree& store_tree);
  /// Does nothing where the checkpoint has the object already.
  Result<void> created_again(const Tree& store_tree, ObjectNumber object,
                             const ObjectRecord& record);
  /// What lies between an object's end and the range counts as on its way, too.
  Result<void> taken_again(const Tree& store_tree, const BlockRange& range);
  /// Blocks that never arrived are given back.
  Result<void> give_back_in_flight(const Tree& store_tree);
  /// Ends the packs that were open, cutting what lies past their end, and own objects that got no
  /// block.
  Result<void> close_packs(const Tree& store_tree);
  /// Removes object files with numbers from `first_unknown` on that no journal record made.
  Result<void> remove_unknown_objects(std::uint64_t first_unknown);

  // Taking and giving back; holding no view.
  Result<std::vector<BlockRange>> allocate(std::uint64_t count, Generation birth);
  Result<ObjectNumber> create_own(VolumeId volume, InodeNumber inode, std::uint32_t window,
                                  Generation birth);
  /// `load` fetches the record of an object that is not in memory (under the tree lock, shared).
  using LoadRecord = std::function<Result<std::optional<ObjectRecord>>(ObjectNumber)>;
  Result<BlockRange> extend_own(ObjectNumber object, std::uint64_t first, std::uint64_t count,
                                const LoadRecord& load);
  void freeze_own(ObjectNumber object);
  void abandon(const BlockRange& range);
  std::vector<BlockRange> take_abandoned();
  /// The parts of a range that are on their way to an extent.
  std::vector<BlockRange> in_flight_parts(const BlockRange& range) const;
  /// (tree exclusive) An extent that refers to these blocks is committed: those that were on their
  /// way are at home.
  void committed(const BlockRange& range);

  /// (tree exclusive) A run of blocks has no reference any more.
  Result<void> blocks_died(const Tree& store_tree, const BlockRange& range);
  /// (tree exclusive) Writes changed records, and what died as pending frees of checkpoint
  /// `superblock.checkpoint`, into the store's tree; and what belongs to the same instant into the
  /// superblock: next_object, object_limit, live_blocks, open_packs.
  Result<void> flush(Tree& store_tree, Superblock& superblock);
  bool anything_to_flush() const;
  /// (tree exclusive) The object is gone from the host: its record goes too.
  Result<void> object_removed(Tree& store_tree, ObjectNumber object);

  /// A flush begins: it may make durable what refers to blocks that were taken until now.
  void flush_begins() { ++flushes_; }
  /// Whether all of these blocks were taken since the last flush began.
  bool is_young(const BlockRange& range) const;

  // Data; holding no view.
  Result<void> read(ObjectNumber object, std::uint64_t offset, MutableBytes out);
  Result<void> write(ObjectNumber object, std::uint64_t first_block, Bytes blocks);
  /// Objects with writes that no sync has covered yet; they are no longer dirty.
  std::set<ObjectNumber> take_dirty();
  /// Those of `wanted` that are dirty.
  std::set<ObjectNumber> take_dirty(const std::set<ObjectNumber>& wanted);
  void mark_dirty(ObjectNumber object);
  /// Makes the data of these objects, and the names of all, durable.
  Result<void> sync(const std::set<ObjectNumber>& objects);
  /// Makes all data durable that was written to an object before the call.
  Result<void> sync_data(ObjectNumber object);

  std::uint64_t live_blocks() const { return live_blocks_.load(std::memory_order_relaxed); }
  Result<StorageSpace> host_space() const;
  std::uint64_t reserve_bytes() const { return reserve_bytes_; }

 private:
  struct State {
    ObjectRecord record;
    bool changed = false;
    bool cut = false;  // its end was made sure of in this session
    // the last flush that had begun when blocks were first taken after one,
    std::uint64_t flush = 0;
    std::uint64_t young_from = 0;  // and the first of those
  };
  using BlockPlace = std::pair<ObjectNumber, std::uint64_t>;
  struct OpenPack {
    ObjectNumber object = kNoObject;
  };

  Result<State*> state_of(const Tree& store_tree, ObjectNumber object) COWFS_REQUIRES(mutex_);
  Result<ObjectNumber> create_object(ObjectRecord record) COWFS_REQUIRES(mutex_);
  Result<void> take_space(std::uint64_t blocks) COWFS_REQUIRES(mutex_);
  Result<BlockRange> take_from_pack(OpenPack& pack, std::uint64_t count, Generation birth)
      COWFS_REQUIRES(mutex_);
  void count_taken(State& state, const BlockRange& range) COWFS_REQUIRES(mutex_);
  void arrived(const BlockRange& range) COWFS_REQUIRES(mutex_);
  Result<BlockRange> extend(ObjectNumber object, State& state, std::uint64_t first,
                            std::uint64_t count) COWFS_REQUIRES(mutex_);
  Result<void> flush_dead(Tree& store_tree, std::uint64_t checkpoint) COWFS_REQUIRES(mutex_);
  Result<void> flush_in_flight(Tree& store_tree) COWFS_REQUIRES(mutex_);
  void evict_states() COWFS_REQUIRES(mutex_);
  void seal(ObjectNumber object, State& state) COWFS_REQUIRES(mutex_);

  Storage& storage_;
  const LogCreation log_creation_;
  const Omit omit_;
  std::uint64_t reserve_bytes_;
  std::atomic<std::uint64_t> live_blocks_{0};
  std::atomic<bool> cut_on_growth_{false};
  std::atomic<std::uint64_t> flushes_{1};

  mutable Mutex mutex_;
  std::unordered_map<ObjectNumber, State> states_ COWFS_GUARDED_BY(mutex_);
  std::array<OpenPack, kOpenPackLimit> packs_ COWFS_GUARDED_BY(mutex_);
  // objects that replay made, packs that an earlier session left
  std::vector<ObjectNumber> left_open_ COWFS_GUARDED_BY(mutex_);
  std::uint64_t next_object_ COWFS_GUARDED_BY(mutex_) = 1;
  std::uint64_t object_limit_ COWFS_GUARDED_BY(mutex_) =
      1;  // numbers below may be given out before the next checkpoint
  std::uint64_t free_estimate_ COWFS_GUARDED_BY(mutex_) =
      0;  // blocks that may be taken before the host is asked again
  std::vector<BlockRange> dead_ COWFS_GUARDED_BY(mutex_);  // count 0: the whole object
  std::vector<BlockRange> abandoned_ COWFS_GUARDED_BY(mutex_);
  std::set<ObjectNumber> to_freeze_ COWFS_GUARDED_BY(mutex_);
  // taken, not yet in a committed extent: count
  std::map<BlockPlace, std::uint64_t> in_flight_ COWFS_GUARDED_BY(mutex_);
  // as the last checkpoint recorded it
  std::vector<PendingFree> in_flight_stored_ COWFS_GUARDED_BY(mutex_);
  std::uint64_t evictions_ COWFS_GUARDED_BY(mutex_) = 0;

  mutable Mutex dirty_mutex_;  // leaf
  // bytes since writeback was started
  std::unordered_map<ObjectNumber, std::uint64_t> dirty_ COWFS_GUARDED_BY(dirty_mutex_);
};

}  // namespace cowfs
