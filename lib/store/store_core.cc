#include "lib/store/store_core.h"

#include <algorithm>
#include <utility>

namespace cowfs {

StoreCore::StoreCore(std::unique_ptr<Storage> the_storage, const StoreOptions& the_options)
    : storage(std::move(the_storage)),
      options(the_options),
      nodes(*storage, options.node_cache_bytes, options.read_only),
      journal(*storage, options.journal_bytes, options.journal_segment_bytes),
      objects(*storage, options,
              [this](ObjectNumber object, const ObjectRecord& record) -> Result<void> {
                COWFS_TRY(log(RecordType::kObject, encode_logged_object({object, record})));
                return {};
              }),
      declared(*this),
      group_commit(*this),
      checkpointer(*this),
      reclaimer(*this) {}

Result<bool> StoreCore::shared(NodeId id) {
  COWFS_ASSIGN(const std::uint64_t references, node_counts.get(store_tree(), id));
  return references >= 2;
}

void StoreCore::leaf_copied(const Node& leaf) { count_leaf(leaf, true); }

void StoreCore::count_leaf(const Node& leaf, bool add) {
  for (std::size_t slot = 0; slot < leaf.count(); ++slot) {
    if (kind_of(leaf.key(slot)) != KeyKind::kExtent) continue;
    const auto extent = decode_extent(leaf.key(slot), leaf.value(slot));
    if (!extent) continue;  // a damaged extent refers to nothing that we could count
    if (add) block_counts.add(extent->blocks);
    else block_counts.drop(extent->blocks);
  }
}

void StoreCore::set_failed(const Error& error) {
  {
    MutexLock lock(failure_mutex);
    if (failure) return;
    failure = error;
  }
  failed = true;
  if (options.on_background_error)
    options.on_background_error({error.code, "the store takes no more changes: " + error.text});
}

Result<void> StoreCore::check_writable() const {
  if (options.read_only) return fail(ErrorCode::kReadOnly, "the store is mounted read-only");
  if (!failed) return {};
  return fail(ErrorCode::kReadOnly,
              "the store takes no more changes after an error: " + failure_text());
}

std::string StoreCore::failure_text() const {
  MutexLock lock(failure_mutex);
  return failure ? failure->text : "";
}

Result<std::uint64_t> StoreCore::append(const Journal::NewRecord& record) {
  auto sequence = journal.append(record);
  if (sequence) return sequence;
  if (is_out_of_space(sequence.error())) {
    journal_is_scarce = true;
    checkpointer.request();
  } else {
    set_failed(sequence.error());
  }
  return sequence;
}

Result<std::uint64_t> StoreCore::log(RecordType type, std::string_view body,
                                     std::uint64_t request_id, bool frees_space) {
  COWFS_ASSIGN(const std::uint64_t sequence,
               append({type, Generation{generation.load()}, request_id, body, frees_space}));
  group_commit.note_logged(sequence);
  if (journal.is_half_full()) checkpointer.request();
  return sequence;
}

Result<std::uint64_t> StoreCore::log_declaration(std::string_view body) {
  return append({.type = RecordType::kOverwrites,
                 .generation = Generation{generation.load()},
                 .body = body,
                 .frees_space = true});
}

Result<void> StoreCore::apply_some_checksums() {
  constexpr std::size_t kAtOnce = 64;
  if (checksums.pending() <= kChecksumItemsForApply || !nodes.ensure_free(kNodesKeptForDeletes))
    return {};
  Tree tree = store_tree();
  return checksums.apply(tree, kAtOnce);
}

Result<void> StoreCore::apply_block_counts() {
  for (const BlockRange& range : objects.take_abandoned()) block_counts.drop(range);
  Tree tree = store_tree();
  auto applied = block_counts.apply(
      tree, [&](const BlockRange& range) { return objects.blocks_died(tree, range); });
  if (!applied) set_failed(applied.error());  // some of them are, and nobody knows which
  return applied;
}

Result<StoreCore::Prepared> StoreCore::prepare(const Transaction& transaction) {
  Prepared prepared;
  for (const auto& change : transaction.changes())
    prepared.changes[change.volume].push_back(&change);
  std::size_t needed = 0;
  for (auto& [volume, changes] : prepared.changes) {
    std::ranges::stable_sort(changes, {},
                             [](const auto* change) { return std::string_view(change->key); });
    Tree tree(*this, volumes.find(volume)->record.root);
    Finger finger;
    for (const Transaction::Change* change : changes) {
      COWFS_ASSIGN(const std::size_t nodes_of_change,
                   tree.prepare(change->key, prepared.pins, &finger));
      needed += nodes_of_change;
    }
  }
  const std::size_t kept = transaction.only_frees() || replaying ? 0 : kNodesKeptForDeletes;
  if (auto enough = nodes.ensure_free(needed + kept); !enough) {
    nodes_are_scarce = true;
    checkpointer.request();
    return fail(std::move(enough).error());
  }
  return prepared;
}

Result<void> StoreCore::apply(const Transaction& transaction, const Prepared& prepared,
                              const std::vector<BlockRange>& taken) {
  changed = true;
  for (const auto& [volume, changes] : prepared.changes) {
    VolumeState* state = volumes.find(volume);
    state->changed = true;
    Tree tree(*this, state->record.root);
    Finger finger;
    for (const Transaction::Change* change : changes) {
      COWFS_TRY(change->value ? tree.put(change->key, *change->value, &finger)
                              : tree.erase(change->key, &finger));
    }
  }
  for (const BlockRange& range : taken) objects.committed(range);
  for (const BlockRange& range : transaction.retained()) block_counts.add(range);
  for (const BlockRange& range : transaction.released()) block_counts.drop(range);
  if (block_counts.pending() > kBlockChangesForApply) COWFS_TRY(apply_block_counts());
  return {};
}

void StoreCore::apply_volume(VolumeState& volume, const LoggedVolume& entry) {
  changed = true;
  switch (entry.action) {
    case VolumeAction::kFork: return fork(volume, entry);
    case VolumeAction::kRename: return volumes.rename(volume, entry.name);
    case VolumeAction::kDelete: return volumes.remove_name(volume);
    case VolumeAction::kOrphansErased: volume.record.has_orphans = false; volume.changed = true;
  }
}

void StoreCore::fork(VolumeState& parent, const LoggedVolume& entry) {
  const Generation now{generation.load()};
  node_counts.add(parent.record.root.root.id);
  parent.record.root.shared_at = now;
  parent.changed = true;
  generation = raw(now) + 1;
  VolumeState& child = volumes.add({.id = entry.id,
                                    .parent = entry.parent,
                                    .root = {parent.record.root.root, now},
                                    .read_only = entry.read_only,
                                    .has_orphans = entry.has_orphans,
                                    .created = entry.created,
                                    .name = entry.name});
  child.changed = true;
  next_volume = std::max(next_volume, raw(entry.id) + 1);
}

}  // namespace cowfs
