#include "lib/store/store.h"

#include "lib/base/check.h"
#include "lib/store/block_data.h"
#include "lib/store/store_core.h"

namespace cowfs {
namespace {

std::unexpected<Error> no_volume() { return fail(ErrorCode::kStale, "the volume is gone"); }

Result<VolumeState*> find_state(const StoreCore& core, VolumeId id) {
  VolumeState* state = core.volumes.find(id);
  if (state == nullptr) return no_volume();
  return state;
}

Result<VolumeState*> find_named(const StoreCore& core, VolumeId id) {
  COWFS_ASSIGN(VolumeState * state, find_state(core, id));
  if (state->deleted()) return no_volume();
  return state;
}

}  // namespace

// Operation, epoch and views.

Operation::Operation(Store& store) : core_(*store.core_) {
  // Before anything is held: where checkpoints fall behind, or node numbers wait for them, the
  // operation waits too.
  if (core_.dirty_nodes > kDirtyNodesForWaiting || core_.nodes_are_scarce)
    (void)core_.checkpointer.sync();
  // Segments of the journal are ready again when two checkpoints have passed them.
  for (int i = 0; i < 2 && core_.journal_is_scarce; ++i) (void)core_.checkpointer.force();
  core_.gate.enter();
}

Operation::~Operation() { core_.gate.leave(); }

EpochGuard::EpochGuard(Store& store) : core_(*store.core_), epoch_(core_.epochs.enter()) {}
EpochGuard::~EpochGuard() { core_.epochs.leave(epoch_); }

Result<bool> OverwriteGuard::add(const BlockRange& blocks) {
  if (!core_.checksums.enabled()) return true;
  COWFS_ASSIGN(const bool granted, core_.declared.begin(blocks));
  if (granted) blocks_.push_back(blocks);
  return granted;
}

OverwriteGuard::OverwriteGuard(Store& store) : core_(*store.core_) {}

OverwriteGuard::~OverwriteGuard() {
  for (const BlockRange& blocks : blocks_) {
    if (writing_) core_.checksums.forget(blocks);
    core_.declared.end(blocks);
  }
}

ReadView::ReadView(Store& store) COWFS_NO_THREAD_SAFETY_ANALYSIS : TreeView(*store.core_) {
  core_.tree_lock.lock_shared();
}
ReadView::~ReadView() COWFS_NO_THREAD_SAFETY_ANALYSIS { core_.tree_lock.unlock_shared(); }

UpdateView::UpdateView(Store& store, const Operation&) COWFS_NO_THREAD_SAFETY_ANALYSIS
    : TreeView(*store.core_) {
  core_.tree_lock.lock();
}
UpdateView::~UpdateView() COWFS_NO_THREAD_SAFETY_ANALYSIS { core_.tree_lock.unlock(); }

Result<std::optional<std::string>> TreeView::get(VolumeId volume, std::string_view key) const {
  COWFS_ASSIGN(VolumeState * state, find_state(core_, volume));
  return Tree(core_, state->record.root).get(key);
}

Result<void> TreeView::scan(VolumeId volume, std::string_view from, const Tree::Visit& visit,
                            Finger* finger) const {
  COWFS_ASSIGN(VolumeState * state, find_state(core_, volume));
  return Tree(core_, state->record.root).scan(from, visit, finger);
}

Result<std::optional<Tree::Item>> TreeView::find_at_or_below(VolumeId volume,
                                                             std::string_view key) const {
  COWFS_ASSIGN(VolumeState * state, find_state(core_, volume));
  return Tree(core_, state->record.root).find_at_or_below(key);
}

Result<void> TreeView::diff(VolumeId before, VolumeId after,
                            const std::function<bool(const TreeDifference&)>& visit) const {
  COWFS_ASSIGN(VolumeState * a, find_state(core_, before));
  COWFS_ASSIGN(VolumeState * b, find_state(core_, after));
  return diff_trees(core_, a->record.root.root, b->record.root.root, visit);
}

Result<VolumeInfo> TreeView::volume(VolumeId volume) const {
  COWFS_ASSIGN(VolumeState * state, find_state(core_, volume));
  return state->info();
}

Result<Generation> TreeView::shared_at(VolumeId volume) const {
  COWFS_ASSIGN(VolumeState * state, find_state(core_, volume));
  return state->record.root.shared_at;
}

// Commit.

namespace {

Result<void> check_targets(StoreCore& core, const Transaction& transaction) {
  COWFS_CHECK(transaction.size_bytes() <= 2 * kMaxTransactionBytes);
  COWFS_TRY(core.check_writable());
  for (const auto& change : transaction.changes()) {
    COWFS_ASSIGN(VolumeState * state, find_state(core, change.volume));
    // Only the erasing of orphans may touch a volume that is read-only or has lost its name.
    if (transaction.read_only_allowed()) continue;
    if (state->deleted()) return no_volume();
    if (state->record.read_only) return fail(ErrorCode::kReadOnly, "the volume is read-only");
  }
  return {};
}

// What the record of a transaction needs to be durable with it.
void note_needs(StoreCore& core, const Transaction& transaction,
                const std::vector<BlockRange>& taken) {
  for (const BlockRange& range : taken) core.group_commit.need(range.object);
  // Whoever syncs a copy syncs what its source overwrote in place before.
  for (const BlockRange& range : transaction.retained()) core.group_commit.need(range.object);
  if (transaction.overwrites_only() || core.omits(Omit::kClearedTailBeforeSize)) return;
  for (const ObjectNumber object : transaction.overwritten()) core.group_commit.need(object);
}

std::vector<BlockRange> blocks_taken_for(const StoreCore& core, const Transaction& transaction) {
  std::vector<BlockRange> taken;
  for (const auto& change : transaction.changes()) {
    if (!change.value || kind_of(change.key) != KeyKind::kExtent) continue;
    const auto extent = decode_extent(change.key, *change.value);
    COWFS_CHECK(extent.has_value());
    const auto parts = core.objects.in_flight_parts(extent->blocks);
    taken.insert(taken.end(), parts.begin(), parts.end());
  }
  return taken;
}

}  // namespace

namespace {

// in a record; fallocate takes more, and writes nothing
constexpr std::uint64_t kMostChecksumsOfARange = 16384;

Result<std::vector<TakenBlocks>> with_checksums(StoreCore& core,
                                                const std::vector<BlockRange>& taken) {
  std::vector<TakenBlocks> blocks;
  for (const BlockRange& range : taken) {
    blocks.push_back({range, {}});
    if (!core.checksums.enabled() || range.count > kMostChecksumsOfARange) continue;
    COWFS_ASSIGN(blocks.back().checksums, core.checksums.find(core.store_tree(), range));
  }
  return blocks;
}

}  // namespace

Result<void> UpdateView::commit(const Transaction& transaction) {
  if (transaction.empty()) return {};
  COWFS_TRY(check_targets(core_, transaction));
  COWFS_ASSIGN(const StoreCore::Prepared prepared, core_.prepare(transaction));
  const std::vector<BlockRange> taken = blocks_taken_for(core_, transaction);
  COWFS_ASSIGN(const std::vector<TakenBlocks> new_blocks, with_checksums(core_, taken));
  note_needs(core_, transaction, taken);
  COWFS_ASSIGN(sequence_,
               core_.log(RecordType::kTransaction, encode_transaction(transaction, new_blocks),
                         transaction.request_id(), transaction.only_frees()));
  auto applied = core_.apply(transaction, prepared, taken);
  if (applied) applied = core_.apply_some_checksums();
  if (!applied) core_.set_failed(applied.error());
  core_.dirty_nodes = core_.nodes.dirty_count();
  if (core_.dirty_nodes > kDirtyNodesForCheckpoint) core_.checkpointer.request();
  return applied;
}

// Store.

Store::Store(std::unique_ptr<StoreCore> core) : core_(std::move(core)) {}
Store::~Store() {
  core_->reclaimer.stop();
  core_->checkpointer.stop();
}

Result<void> Store::close() {
  core_->reclaimer.stop();
  core_->checkpointer.stop();
  if (core_->options.read_only) return {};
  return core_->checkpointer.force(true);
}

bool Store::read_only() const { return core_->options.read_only; }
bool Store::keeps_checksums() const { return core_->checksums.enabled(); }
std::uint64_t Store::name_seed() const { return core_->superblock.name_seed; }
std::string Store::store_id() const {
  const auto& id = core_->superblock.store_id;
  return {reinterpret_cast<const char*>(id.data()), id.size()};
}

Result<VolumeInfo> Store::find_volume(std::string_view name) const {
  SharedLock lock(core_->tree_lock);
  const VolumeState* state = core_->volumes.find(name);
  if (state == nullptr) return fail(ErrorCode::kNotFound, "there is no volume of this name");
  return state->info();
}

Result<VolumeInfo> Store::volume(VolumeId id) const {
  SharedLock lock(core_->tree_lock);
  COWFS_ASSIGN(VolumeState * state, find_state(*core_, id));
  return state->info();
}

std::vector<VolumeInfo> Store::list_volumes() const {
  SharedLock lock(core_->tree_lock);
  return core_->volumes.named();
}

Result<VolumeInfo> Store::fork_volume(const RequestContext& context, VolumeId parent,
                                      std::string_view name, VolumeKind kind, bool has_orphans,
                                      const std::function<bool()>& at_cut) {
  COWFS_TRY(check_volume_name(name));
  COWFS_TRY(core_->check_writable());
  ClosedGate cut(core_->gate);
  if (at_cut) has_orphans = at_cut() || has_orphans;
  ExclusiveLock lock(core_->tree_lock);
  COWFS_ASSIGN(VolumeState * from, find_named(*core_, parent));
  if (core_->volumes.find(name) != nullptr)
    return fail(ErrorCode::kExists, "there is a volume of this name already");
  if (core_->next_volume >= kVolumeLimit)
    return fail(ErrorCode::kNoSpace, "the store has run out of volume ids");
  COWFS_TRY(core_->nodes.ensure_free(kNodesKeptForDeletes));
  const LoggedVolume entry{.action = VolumeAction::kFork,
                           .id = VolumeId{core_->next_volume},
                           .parent = parent,
                           .read_only = kind == VolumeKind::kSnapshot,
                           .has_orphans = has_orphans,
                           .created = cowfs::now(),
                           .name = std::string(name)};
  core_->group_commit.need_everything();
  COWFS_TRY(core_->log(RecordType::kVolume, encode_logged_volume(entry), context.request_id));
  core_->apply_volume(*from, entry);
  return core_->volumes.find(entry.id)->info();
}

Result<void> Store::rename_volume(const RequestContext& context, VolumeId id,
                                  std::string_view new_name) {
  COWFS_TRY(check_volume_name(new_name));
  COWFS_TRY(core_->check_writable());
  ExclusiveLock lock(core_->tree_lock);
  COWFS_ASSIGN(VolumeState * state, find_named(*core_, id));
  if (state->record.name == new_name) return {};
  if (core_->volumes.find(new_name) != nullptr)
    return fail(ErrorCode::kExists, "there is a volume of this name already");
  const LoggedVolume entry{
      .action = VolumeAction::kRename, .id = id, .name = std::string(new_name)};
  COWFS_TRY(core_->log(RecordType::kVolume, encode_logged_volume(entry), context.request_id));
  core_->apply_volume(*state, entry);
  return {};
}

Result<void> Store::delete_volume(const RequestContext& context, VolumeId id) {
  COWFS_TRY(core_->check_writable());
  {
    ClosedGate cut(core_->gate);  // operations under way in this volume end before it is gone
    ExclusiveLock lock(core_->tree_lock);
    COWFS_ASSIGN(VolumeState * state, find_named(*core_, id));
    const LoggedVolume entry{.action = VolumeAction::kDelete, .id = id};
    COWFS_TRY(
        core_->log(RecordType::kVolume, encode_logged_volume(entry), context.request_id, true));
    core_->apply_volume(*state, entry);
    if (!core_->volumes.pinned(*state)) COWFS_TRY(core_->reclaimer.begin_volume(id));
  }
  core_->reclaimer.wake();
  return {};
}

Result<void> Store::orphans_erased(VolumeId id) {
  ExclusiveLock lock(core_->tree_lock);
  COWFS_ASSIGN(VolumeState * state, find_state(*core_, id));
  if (!state->record.has_orphans) return {};
  const LoggedVolume entry{.action = VolumeAction::kOrphansErased, .id = id};
  COWFS_TRY(core_->log(RecordType::kVolume, encode_logged_volume(entry), 0, true));
  core_->apply_volume(*state, entry);
  return {};
}

Result<void> Store::pin_volume(VolumeId id) {
  SharedLock lock(core_->tree_lock);
  COWFS_ASSIGN(VolumeState * state, find_state(*core_, id));
  core_->volumes.pin(*state);
  return {};
}

void Store::unpin_volume(VolumeId id) {
  ExclusiveLock lock(core_->tree_lock);
  VolumeState* state = core_->volumes.find(id);
  COWFS_CHECK(state != nullptr);
  core_->volumes.unpin(*state);
  if (!state->deleted() || core_->volumes.pinned(*state) || core_->options.read_only) return;
  auto begun = core_->reclaimer.begin_volume(id);
  if (!begun) core_->set_failed(begun.error());
  core_->reclaimer.wake();
}

Result<InodeNumber> Store::allocate_inode() {
  COWFS_TRY(core_->check_writable());
  std::uint64_t number = core_->next_inode.fetch_add(1);
  if (number >= core_->inode_limit || number >= kInodeLimit) {
    core_->checkpointer.request();
    return fail(ErrorCode::kNoSpace, "inode numbers have run out until the next checkpoint");
  }
  return InodeNumber{number};
}

// Data.

Result<std::vector<BlockRange>> Store::allocate(std::uint64_t count) {
  COWFS_TRY(core_->check_writable());
  return core_->objects.allocate(count, birth_generation());
}

Result<ObjectNumber> Store::create_own_object(VolumeId volume, InodeNumber inode,
                                              std::uint32_t window) {
  COWFS_TRY(core_->check_writable());
  return core_->objects.create_own(volume, inode, window, birth_generation());
}

Result<BlockRange> Store::extend_own_object(ObjectNumber object, std::uint64_t first,
                                            std::uint64_t count) {
  COWFS_TRY(core_->check_writable());
  return core_->objects.extend_own(
      object, first, count, [this](ObjectNumber wanted) -> Result<std::optional<ObjectRecord>> {
        SharedLock lock(core_->tree_lock);
        COWFS_ASSIGN(const auto value, core_->store_tree().get(object_key(wanted)));
        return value ? decode_object(*value) : std::nullopt;
      });
}

void Store::freeze_own_object(ObjectNumber object) { core_->objects.freeze_own(object); }
void Store::abandon(const BlockRange& range) { core_->objects.abandon(range); }
Generation Store::birth_generation() const { return Generation{core_->generation.load()}; }

Result<void> Store::read_data(ObjectNumber object, std::uint64_t offset, MutableBytes out) {
  return core_->checksums.enabled() ? read_verified(*core_, object, offset, out)
                                    : core_->objects.read(object, offset, out);
}

Result<void> Store::write_blocks(ObjectNumber object, std::uint64_t first_block, Bytes blocks) {
  COWFS_TRY(core_->check_writable());
  COWFS_TRY(core_->objects.write(object, first_block, blocks));
  core_->checksums.note(object, first_block, blocks);
  return {};
}

// Durability and reports.

Result<void> Store::sync() {
  if (core_->options.read_only) return {};
  return core_->group_commit.sync_everything();
}

Result<void> Store::sync_records(std::uint64_t sequence) {
  if (core_->options.read_only) return {};
  return core_->group_commit.sync_records(sequence);
}

void Store::leave_behind(ObjectNumber object) { core_->group_commit.need(object); }

Result<void> Store::sync_left_behind() {
  if (core_->options.read_only) return {};
  return core_->group_commit.sync_needed();
}

Result<void> Store::sync_data(ObjectNumber object) {
  if (core_->options.read_only) return {};
  return core_->group_commit.sync_object(object);
}

std::uint64_t Store::last_sequence() const { return core_->journal.last(); }

Result<void> Store::checkpoint() {
  if (core_->options.read_only) return {};
  return core_->checkpointer.sync();
}

Result<Store::Held> Store::hold_checkpoint() {
  // What is durable now is kept from here on, so that nothing of the next one can go before it is
  // noted.
  std::uint64_t first = 0;
  {
    SharedLock lock(core_->tree_lock);
    first = core_->superblock.checkpoint;
    core_->held.add(first);
  }
  auto made = core_->checkpointer.force();
  Held held;
  if (made) {
    SharedLock lock(core_->tree_lock);
    held = {core_->superblock.checkpoint, encode_superblock(core_->superblock)};
    core_->held.add(held.checkpoint);
  }
  core_->held.remove(first);
  if (!made) return fail(made.error());
  return held;
}

void Store::release_checkpoint(std::uint64_t checkpoint) {
  core_->held.remove(checkpoint);
  core_->reclaimer.wake();
}

StoreSpace Store::space() const {
  StoreSpace space;
  space.live_blocks = core_->objects.live_blocks();
  const auto host = core_->objects.host_space();
  if (!host) return space;
  const std::uint64_t reserve = core_->objects.reserve_bytes();
  space.free_blocks = host->free_bytes > reserve ? (host->free_bytes - reserve) / kBlockSize : 0;
  space.total_blocks = space.live_blocks + space.free_blocks;
  return space;
}

StoreSpace Store::space_now() {
  {
    ExclusiveLock lock(core_->tree_lock);
    // With nodes at hand, so that a full host does not break it off.
    const bool possible = core_->block_counts.pending() > 0 && core_->check_writable() &&
                          core_->nodes.ensure_free(kNodesPerSegment / 2);
    if (possible) (void)core_->apply_block_counts();  // the store remembers an error
  }
  return space();
}

std::string Store::failure() const { return core_->failed ? core_->failure_text() : ""; }

StoreCounters Store::counters() const {
  SharedLock lock(core_->tree_lock);
  const auto pending = core_->reclaimer.pending();
  return {.checkpoints = core_->checkpointer.count(),
          .longest_stall = core_->checkpointer.longest_stall(),
          .journal_bytes = core_->journal.live_bytes(),
          .replayed = core_->replayed,
          .recomputed_checksums = core_->recomputed,
          .live_nodes = core_->nodes.used_count(),
          .dirty_nodes = core_->nodes.dirty_count(),
          .pending_reclaim = pending.value_or(0)};
}

Result<void> Store::reclaim_now() { return core_->reclaimer.run_to_end(); }

bool Store::make_room() {
  if (!core_->check_writable()) return false;
  return core_->reclaimer.give_some_back().value_or(false);
}

std::uint64_t Store::space_given_back() const { return core_->reclaimer.given_back(); }

Result<void> Store::visit_checksums(const std::function<bool(const ChecksumItem&)>& visit) const {
  SharedLock lock(core_->tree_lock);
  bool sound = true;
  COWFS_TRY(core_->store_tree().scan(checksum_key({}, 0),
                                     [&](std::string_view key, std::string_view value) {
                                       if (kind_of(key) != KeyKind::kBlockChecksum) return false;
                                       const auto item = decode_checksums(key, value);
                                       sound = item.has_value();
                                       return sound && visit(*item);
                                     }));
  return sound ? Result<void>{}
               : fail(ErrorCode::kCorrupted, "an item of checksums makes no sense");
}

Result<std::uint64_t> Store::block_references(ObjectNumber object, std::uint64_t block) const {
  ExclusiveLock lock(core_->tree_lock);
  COWFS_TRY(core_->apply_block_counts());
  return BlockCounts::stored(core_->store_tree(), object, block);
}

}  // namespace cowfs
