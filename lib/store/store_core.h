// The parts of an open store, and how they hang together. Private to lib/store.
//
//   StoreCore
//     storage        the host
//     gate           forks against operations                       rank 1
//     tree_lock      everything in memory that trees are made of    rank 3 (2: inode locks of lib/volume)
//       nodes, node_counts, block_counts, volumes, store_root, generation
//     objects        data; its own lock                             rank 4
//     journal        what was done since the last checkpoints       below all of these
//     epochs         readers of data                                leaf
//     group_commit   makes data and journal durable
//     checkpointer   writes checkpoints, in its thread or the caller's
//     reclaimer      gives back what nobody wants
//
// `failed` is set when the store in memory can no longer be trusted to become durable (a sync
// failed, a change broke off in the middle): from then on every change is refused, and what the
// last checkpoint holds stays as it is.
#pragma once

#include <atomic>
#include <map>
#include <memory>

#include "lib/base/mutex.h"
#include "lib/journal/journal.h"
#include "lib/store/block_checksums.h"
#include "lib/store/block_counts.h"
#include "lib/store/checkpointer.h"
#include "lib/store/declared_overwrites.h"
#include "lib/store/epochs.h"
#include "lib/store/fork_gate.h"
#include "lib/store/group_commit.h"
#include "lib/store/held_checkpoints.h"
#include "lib/store/log_entry.h"
#include "lib/store/node_array.h"
#include "lib/store/node_counts.h"
#include "lib/store/object_space.h"
#include "lib/store/reclaimer.h"
#include "lib/store/store.h"
#include "lib/store/superblock.h"
#include "lib/store/volume_table.h"

namespace cowfs {

inline constexpr std::size_t kDirtyNodesForCheckpoint = 8192;  // 32 MiB
// 96 MiB: operations wait for the checkpoint
inline constexpr std::size_t kDirtyNodesForWaiting = 24576;
// gathered at most before they are applied
inline constexpr std::size_t kBlockChangesForApply = 4096;
// noted at most before some are put into the tree
inline constexpr std::size_t kChecksumItemsForApply = 1024;
// free nodes that only deletes and checkpoints may use
inline constexpr std::size_t kNodesKeptForDeletes = 2 * kNodesPerSegment;

class StoreCore final : public NodeSpace {
 public:
  StoreCore(std::unique_ptr<Storage> the_storage, const StoreOptions& the_options);

  // NodeSpace.
  Result<NodeRef> load(NodePointer pointer) override { return nodes.load(pointer); }
  Result<NodeRef> allocate(unsigned level) override {
    return nodes.allocate(level, Generation{generation.load()});
  }
  Generation fresh_after() const override { return fresh_after_generation; }
  Result<bool> shared(NodeId id) override;
  void add_reference(NodeId id) override { node_counts.add(id); }
  void drop_shared_reference(NodeId id) override { node_counts.drop(id); }
  void free(NodePointer node) override { nodes.free(node, next_checkpoint()); }
  void leaf_copied(const Node& leaf) override;

  /// The number of the checkpoint that will be made next; tree lock.
  std::uint64_t next_checkpoint() const { return taken_checkpoint + 1; }
  Tree store_tree() { return Tree(*this, store_root); }

  /// Adds or drops what the extents of a leaf refer to.
  void count_leaf(const Node& leaf, bool add);

  /// Where the store can no longer be trusted: remembers the first reason.
  void set_failed(const Error& error);
  /// kReadOnly where changes are refused.
  Result<void> check_writable() const;
  std::string failure_text() const;
  bool omits(Omit care) const { return options.omit == care; }

  /// Appends a record to the journal, and remembers what its failure means.
  Result<std::uint64_t> append(const Journal::NewRecord& record);
  /// Appends the record of a change; the tree lock is held exclusively, but for objects. Comes
  /// before the change in memory: after an error there is none.
  Result<std::uint64_t> log(RecordType type, std::string_view body, std::uint64_t request_id = 0,
                            bool frees_space = false);

  /// The same for a declaration of DeclaredOverwrites; the tree lock need not be held.
  Result<std::uint64_t> log_declaration(std::string_view body);

  /// Applies gathered counts of blocks, with what was abandoned; tree lock exclusive. After an
  /// error the store takes no more changes.
  Result<void> apply_block_counts();

  /// Puts some of the noted checksums into the store's tree where many wait and there is room; tree
  /// lock exclusive.
  Result<void> apply_some_checksums();

  /// What prepare() found out: a transaction's changes by volume, those of one volume in the order
  /// of their keys and those of one key in their own (one descent of the tree serves all changes of
  /// a leaf), and the nodes that they need, held in memory.
  struct Prepared {
    std::map<VolumeId, std::vector<const Transaction::Change*>> changes;  // of the transaction
    std::vector<NodeRef> pins;
  };
  /// Loads and reserves all that apply() needs: everything that can fail is done here, before the
  /// first change. The transaction outlives the answer.
  Result<Prepared> prepare(const Transaction& transaction);
  /// What a transaction does in memory; also in replay. `taken`: the blocks that were on their way
  /// to its extents.
  Result<void> apply(const Transaction& transaction, const Prepared& prepared,
                     const std::vector<BlockRange>& taken);
  /// What is done to a volume (of a fork: the parent), in memory; also in replay.
  void apply_volume(VolumeState& volume, const LoggedVolume& entry);
  void fork(VolumeState& parent, const LoggedVolume& child);

  std::unique_ptr<Storage> storage;
  const StoreOptions options;

  ForkGate gate;
  mutable SharedMutex tree_lock;
  Epochs epochs;
  HeldCheckpoints held;

  // Guarded by tree_lock.
  Superblock superblock;  // of the last durable checkpoint, with what never changes
  NodeArray nodes;
  NodeCounts node_counts;
  BlockCounts block_counts;
  BlockChecksums checksums;  // has a lock of its own for what is not in the tree
  VolumeTable volumes;
  TreeRoot store_root;
  Generation fresh_after_generation{0};
  std::uint64_t taken_checkpoint = 0;  // the newest whose contents are fixed, durable or on its way
  std::uint32_t next_volume = 1;
  bool changed = false;  // anything at all since the last checkpoint was taken
  bool replaying = false;
  std::uint64_t replayed = 0;  // journal records applied when the store was opened
  // checksums that opening the store found outdated in ranges that were being overwritten
  std::uint64_t recomputed = 0;

  std::atomic<std::uint64_t> generation{1};
  std::atomic<std::uint64_t> next_inode{raw(kFirstFreeInode)};
  std::atomic<std::uint64_t> inode_limit{raw(kFirstFreeInode)};
  std::atomic<std::size_t> dirty_nodes{0};  // a copy, to be read without the lock
  std::atomic<bool> nodes_are_scarce{false};
  std::atomic<bool> journal_is_scarce{false};

  Journal journal;

  ObjectSpace objects;
  DeclaredOverwrites declared;

  std::atomic<bool> failed{false};
  mutable Mutex failure_mutex;  // leaf
  std::optional<Error> failure COWFS_GUARDED_BY(failure_mutex);

  GroupCommit group_commit;

  // Last, so that their threads end first.
  Checkpointer checkpointer;
  Reclaimer reclaimer;
};

}  // namespace cowfs
