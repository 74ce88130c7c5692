#include "lib/store/store.h"

#include "lib/base/check.h"
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
  // Before anything is held: where checkpoints fall behind, or node numbers wait for them, the operation waits too.
  if (core_.dirty_nodes > kDirtyNodesForWaiting || core_.nodes_are_scarce) (void)core_.checkpointer.sync();
  core_.gate.enter();
}

Operation::~Operation() { core_.gate.leave(); }

EpochGuard::EpochGuard(Store& store) : core_(*store.core_), epoch_(core_.epochs.enter()) {}
EpochGuard::~EpochGuard() { core_.epochs.leave(epoch_); }

ReadView::ReadView(Store& store) COWFS_NO_THREAD_SAFETY_ANALYSIS : TreeView(*store.core_) { core_.tree_lock.lock_shared(); }
ReadView::~ReadView() COWFS_NO_THREAD_SAFETY_ANALYSIS { core_.tree_lock.unlock_shared(); }

UpdateView::UpdateView(Store& store, const Operation&) COWFS_NO_THREAD_SAFETY_ANALYSIS : TreeView(*store.core_) {
  core_.tree_lock.lock();
}
UpdateView::~UpdateView() COWFS_NO_THREAD_SAFETY_ANALYSIS { core_.tree_lock.unlock(); }

Result<std::optional<std::string>> TreeView::get(VolumeId volume, std::string_view key) const {
  COWFS_ASSIGN(VolumeState * state, find_state(core_, volume));
  return Tree(core_, state->record.root).get(key);
}

Result<void> TreeView::scan(VolumeId volume, std::string_view from, const Tree::Visit& visit) const {
  COWFS_ASSIGN(VolumeState * state, find_state(core_, volume));
  return Tree(core_, state->record.root).scan(from, visit);
}

Result<std::optional<Tree::Item>> TreeView::find_at_or_below(VolumeId volume, std::string_view key) const {
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

// Everything that can fail is done here, before the first change.
Result<void> prepare(StoreCore& core, const Transaction& transaction, std::vector<NodeRef>& pins) {
  std::size_t added_bytes = 0;
  std::size_t height = 0;
  for (const auto& change : transaction.changes()) {
    VolumeState* state = core.volumes.find(change.volume);
    const std::size_t before = pins.size();
    COWFS_TRY(Tree(core, state->record.root).prepare(change.key, pins));
    height = std::max(height, pins.size() - before);
    if (change.value) added_bytes += change.key.size() + change.value->size();
  }
  // Each node on a path can be copied, with a neighbour to merge with; new items split nodes that are at least a quarter full.
  const std::size_t needed = 2 * pins.size() + added_bytes / (kNodeSize / 4) + 2 * height + 2;
  const std::size_t kept = transaction.only_frees() ? 0 : kNodesKeptForDeletes;
  auto enough = core.nodes.ensure_free(needed + kept);
  if (!enough) {
    core.nodes_are_scarce = true;
    core.checkpointer.request();
  }
  return enough;
}

Result<void> apply(StoreCore& core, const Transaction& transaction) {
  for (const auto& change : transaction.changes()) {
    VolumeState* state = core.volumes.find(change.volume);
    Tree tree(core, state->record.root);
    state->changed = true;
    if (!change.value) {
      COWFS_TRY(tree.erase(change.key));
      continue;
    }
    COWFS_TRY(tree.put(change.key, *change.value));
    if (kind_of(change.key) != KeyKind::kExtent) continue;
    const auto extent = decode_extent(change.key, *change.value);
    COWFS_CHECK(extent.has_value());
    core.objects.committed(extent->blocks);
  }
  for (const BlockRange& range : transaction.retained()) core.block_counts.add(range);
  for (const BlockRange& range : transaction.released()) core.block_counts.drop(range);
  return {};
}

}  // namespace

Result<void> UpdateView::commit(const Transaction& transaction) {
  if (transaction.empty()) return {};
  COWFS_TRY(check_targets(core_, transaction));
  std::vector<NodeRef> pins;
  COWFS_TRY(prepare(core_, transaction, pins));
  core_.changed = true;
  auto applied = apply(core_, transaction);
  if (applied && core_.block_counts.pending() > kBlockChangesForApply) applied = core_.apply_block_counts();
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
  return core_->checkpointer.sync(true);
}

bool Store::read_only() const { return core_->options.read_only; }
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

Result<VolumeInfo> Store::fork_volume(const RequestContext&, VolumeId parent, std::string_view name, VolumeKind kind,
                                      bool has_orphans, const std::function<bool()>& at_cut) {
  COWFS_TRY(check_volume_name(name));
  COWFS_TRY(core_->check_writable());
  ClosedGate cut(core_->gate);
  if (at_cut) has_orphans = at_cut() || has_orphans;
  ExclusiveLock lock(core_->tree_lock);
  COWFS_ASSIGN(VolumeState * from, find_named(*core_, parent));
  if (core_->volumes.find(name) != nullptr) return fail(ErrorCode::kExists, "there is a volume of this name already");
  if (core_->next_volume >= kVolumeLimit) return fail(ErrorCode::kNoSpace, "the store has run out of volume ids");
  COWFS_TRY(core_->nodes.ensure_free(kNodesKeptForDeletes));
  COWFS_ASSIGN(const Generation now, core_->fork_root(*from));
  VolumeRecord record;
  record.id = VolumeId{core_->next_volume++};
  record.parent = parent;
  record.root = {from->record.root.root, now};
  record.read_only = kind == VolumeKind::kSnapshot;
  record.has_orphans = has_orphans;
  record.created = cowfs::now();
  record.name = std::string(name);
  VolumeState& child = core_->volumes.add(std::move(record));
  child.changed = true;
  core_->changed = true;
  return child.info();
}

Result<void> Store::rename_volume(const RequestContext&, VolumeId id, std::string_view new_name) {
  COWFS_TRY(check_volume_name(new_name));
  COWFS_TRY(core_->check_writable());
  ExclusiveLock lock(core_->tree_lock);
  COWFS_ASSIGN(VolumeState * state, find_named(*core_, id));
  if (state->record.name == new_name) return {};
  if (core_->volumes.find(new_name) != nullptr) return fail(ErrorCode::kExists, "there is a volume of this name already");
  core_->volumes.rename(*state, std::string(new_name));
  core_->changed = true;
  return {};
}

Result<void> Store::delete_volume(const RequestContext&, VolumeId id) {
  COWFS_TRY(core_->check_writable());
  {
    ClosedGate cut(core_->gate);  // operations under way in this volume end before it is gone
    ExclusiveLock lock(core_->tree_lock);
    COWFS_ASSIGN(VolumeState * state, find_named(*core_, id));
    core_->volumes.remove_name(*state);
    core_->changed = true;
    if (!core_->volumes.pinned(*state)) COWFS_TRY(core_->reclaimer.begin_volume(id));
  }
  core_->reclaimer.wake();
  return {};
}

Result<void> Store::orphans_erased(VolumeId id) {
  ExclusiveLock lock(core_->tree_lock);
  COWFS_ASSIGN(VolumeState * state, find_state(*core_, id));
  state->changed = state->changed || state->record.has_orphans;
  state->record.has_orphans = false;
  core_->changed = true;
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

Result<ObjectNumber> Store::create_own_object(VolumeId volume, InodeNumber inode, std::uint32_t window) {
  COWFS_TRY(core_->check_writable());
  return core_->objects.create_own(volume, inode, window, birth_generation());
}

Result<BlockRange> Store::extend_own_object(ObjectNumber object, std::uint64_t first, std::uint64_t count) {
  COWFS_TRY(core_->check_writable());
  return core_->objects.extend_own(object, first, count, [this](ObjectNumber wanted) -> Result<std::optional<ObjectRecord>> {
    SharedLock lock(core_->tree_lock);
    COWFS_ASSIGN(const auto value, core_->store_tree().get(object_key(wanted)));
    return value ? decode_object(*value) : std::nullopt;
  });
}

void Store::freeze_own_object(ObjectNumber object) { core_->objects.freeze_own(object); }
void Store::abandon(const BlockRange& range) { core_->objects.abandon(range); }
Generation Store::birth_generation() const { return Generation{core_->generation.load()}; }

Result<void> Store::read_data(ObjectNumber object, std::uint64_t offset, MutableBytes out) {
  return core_->objects.read(object, offset, out);
}

Result<void> Store::write_blocks(ObjectNumber object, std::uint64_t first_block, Bytes blocks) {
  COWFS_TRY(core_->check_writable());
  return core_->objects.write(object, first_block, blocks);
}

// Durability and reports.

Result<void> Store::sync() {
  if (core_->options.read_only) return {};
  return core_->checkpointer.sync();
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

StoreCounters Store::counters() const {
  SharedLock lock(core_->tree_lock);
  const auto pending = core_->reclaimer.pending();
  return {core_->checkpointer.count(), core_->nodes.used_count(), core_->nodes.dirty_count(), pending.value_or(0)};
}

Result<void> Store::reclaim_now() { return core_->reclaimer.run_to_end(); }

Result<std::uint64_t> Store::block_references(ObjectNumber object, std::uint64_t block) const {
  ExclusiveLock lock(core_->tree_lock);
  COWFS_TRY(core_->apply_block_counts());
  return BlockCounts::stored(core_->store_tree(), object, block);
}

}  // namespace cowfs
