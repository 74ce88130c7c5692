#include "lib/store/store_core.h"

namespace cowfs {

StoreCore::StoreCore(std::unique_ptr<Storage> the_storage, const StoreOptions& the_options)
    : storage(std::move(the_storage)),
      options(the_options),
      nodes(*storage, options.node_cache_bytes),
      objects(*storage, options.reserve_bytes),
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
  if (options.on_background_error) options.on_background_error(error);
}

Result<void> StoreCore::check_writable() const {
  if (options.read_only) return fail(ErrorCode::kReadOnly, "the store is mounted read-only");
  if (!failed) return {};
  MutexLock lock(failure_mutex);
  return fail(ErrorCode::kIo, "the store takes no more changes after an error: " + failure->text);
}

Result<void> StoreCore::apply_block_counts() {
  for (const BlockRange& range : objects.take_abandoned()) block_counts.drop(range);
  Tree tree = store_tree();
  return block_counts.apply(tree, [&](const BlockRange& range) { return objects.blocks_died(tree, range); });
}

Result<Generation> StoreCore::fork_root(VolumeState& parent) {
  node_counts.add(parent.record.root.root.id);
  const Generation now{generation.load()};
  parent.record.root.shared_at = now;
  parent.changed = true;
  generation = raw(now) + 1;
  return now;
}

}  // namespace cowfs
