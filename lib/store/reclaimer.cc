#include "lib/store/reclaimer.h"

#include <utility>

#include "lib/store/store_core.h"

namespace cowfs {
namespace {

constexpr std::size_t kNodesAStep = 64;
constexpr std::size_t kFreesAStep = 512;
// checkpoints until space comes back: what was released becomes pending with one and may go after
// the next; what a deleted volume held takes one more
constexpr int kRoundsToSpace = 4;
// of checkpoints without anything given back: what is pending becomes ripe after two
constexpr int kMostIdleRounds = 8;

std::string kind_prefix(KeyKind kind) { return key_of(kStoreKeyInode, kind).take(); }

// One more reference to this node is to be dropped.
Result<void> add_dropped(Tree& tree, unsigned level, NodePointer pointer) {
  const std::string key = dropped_node_key(level, pointer.id);
  COWFS_ASSIGN(const auto present, tree.get(key));
  const auto before = present ? decode_dropped_node(key, *present) : std::nullopt;
  return tree.put(key, encode_dropped_node(pointer, (before ? before->references : 0) + 1));
}

}  // namespace

void Reclaimer::start() {
  thread_ = std::jthread([this](const std::stop_token& stop) { loop(stop); });
}

void Reclaimer::stop() {
  {
    MutexLock lock(mutex_);
    stopping_ = true;
    changed_.notify_all();
  }
  if (!thread_.joinable()) return;
  thread_.request_stop();
  thread_.join();
}

void Reclaimer::wake() {
  MutexLock lock(mutex_);
  work_ = true;
  changed_.notify_all();
}

bool Reclaimer::stopping() const {
  MutexLock lock(mutex_);
  return stopping_;
}

void Reclaimer::loop(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    {
      MutexLock lock(mutex_);
      changed_.wait(mutex_, [this]() COWFS_REQUIRES(mutex_) { return work_ || stopping_; });
      if (stopping_) return;
      work_ = false;
    }
    MutexLock running(running_);
    while (!stopping()) {
      auto dropped = drop_some_nodes();
      auto freed = free_some();
      const bool failed = !dropped || !freed;
      if (failed && !core_.failed && core_.options.on_background_error) {
        core_.options.on_background_error(!dropped ? dropped.error() : freed.error());
      }
      if (failed || (!*dropped && !*freed)) break;
    }
    // What is not ripe yet waits for later checkpoints, which an idle store would not make.
    ExclusiveLock lock(core_.tree_lock);
    const auto left = pending();
    if (left && *left > 0) core_.changed = true;
  }
}

Result<void> Reclaimer::begin_volume(VolumeId id) {
  VolumeState* volume = core_.volumes.find(id);
  const NodePointer root = volume->record.root.root;
  auto node = core_.load(root);
  Tree tree = core_.store_tree();
  COWFS_TRY(add_dropped(tree, node ? (*node)->level() : 0, root));
  COWFS_TRY(tree.erase(volume_key(id)));
  core_.volumes.erase(id);
  core_.changed = true;
  return {};
}

Result<bool> Reclaimer::drop_some_nodes() {
  ExclusiveLock lock(core_.tree_lock);
  COWFS_TRY(core_.check_writable());
  Tree tree = core_.store_tree();
  std::vector<DroppedNode> items;
  COWFS_TRY(tree.scan(kind_prefix(KeyKind::kDroppedNode),
                      [&](std::string_view key, std::string_view value) {
                        const auto item = decode_dropped_node(key, value);
                        if (item) items.push_back(*item);
                        return item && items.size() < kNodesAStep;
                      }));
  if (items.empty()) return false;
  (void)core_.nodes.ensure_free(kNodesPerSegment / 4);
  core_.changed = true;
  for (const DroppedNode& item : items) {
    COWFS_TRY(tree.erase(item.key));
    COWFS_TRY(drop_references(tree, item.pointer, item.references));
  }
  core_.dirty_nodes = core_.nodes.dirty_count();
  if (core_.dirty_nodes > kDirtyNodesForCheckpoint) core_.checkpointer.request();
  if (core_.block_counts.pending() > kBlockChangesForApply) COWFS_TRY(core_.apply_block_counts());
  return true;
}

Result<void> Reclaimer::drop_references(Tree& tree, NodePointer pointer, std::uint64_t references) {
  COWFS_ASSIGN(const std::uint64_t counted, core_.node_counts.get(tree, pointer.id));
  if (references > counted) {
    return fail(ErrorCode::kCorrupted,
                "node " + std::to_string(raw(pointer.id)) + " loses more references than it has");
  }
  if (references < counted) {
    core_.node_counts.drop(pointer.id, references);
    return {};
  }
  core_.node_counts.drop(pointer.id, references - 1);
  return drop_node(tree, pointer);
}

/// Of a node that nothing else refers to.
Result<void> Reclaimer::drop_node(Tree& tree, NodePointer pointer) {
  COWFS_ASSIGN(NodeRef node, core_.load(pointer));
  if (node->is_leaf()) {
    core_.count_leaf(*node, false);
  } else {
    for (std::size_t slot = 0; slot < node->count(); ++slot)
      COWFS_TRY(add_dropped(tree, node->level() - 1, node->child(slot)));
  }
  core_.nodes.free(pointer, core_.next_checkpoint());
  return {};
}

Result<Reclaimer::Batch> Reclaimer::next_batch() {
  Batch batch;
  SharedLock lock(core_.tree_lock);
  const std::uint64_t durable = core_.held.free_below(core_.superblock.checkpoint);
  COWFS_TRY(core_.store_tree().scan(kind_prefix(KeyKind::kPendingFree),
                                    [&](std::string_view key, std::string_view value) {
                                      const auto pending = decode_pending_free(key, value);
                                      // (The journal alone would do: it leads the older slot past
                                      // the release. Bytes are kept all the same, for a slot
                                      // without a journal.)
                                      if (!pending || pending->checkpoint >= durable) return false;
                                      batch.items.push_back(*pending);
                                      if (pending->range.count == 0)
                                        batch.removals.insert(pending->range.object);
                                      else batch.punches.push_back(*pending);
                                      return batch.items.size() < kFreesAStep;
                                    }));
  return batch;
}

Result<bool> Reclaimer::free_some() {
  COWFS_TRY(core_.check_writable());
  COWFS_ASSIGN(const Batch batch, next_batch());
  if (batch.items.empty()) return false;
  if (!core_.epochs.wait_for_older([this] { return stopping(); })) return false;
  COWFS_TRY(give_back(batch));
  ++given_back_;
  for (const PendingFree& item : batch.items) COWFS_TRY(forget_checksums(item.range));
  COWFS_TRY(forget_batch(batch));
  return true;
}

Result<void> Reclaimer::give_back(const Batch& batch) {
  for (const ObjectNumber object : batch.removals) {
    auto removed = core_.storage->remove({ArrayKind::kObject, raw(object)});
    if (!removed && removed.error().code != ErrorCode::kNotFound) return removed;
  }
  if (!core_.storage->limits().can_punch) return {};
  for (const PendingFree& item : batch.punches) {
    const BlockRange& range = item.range;
    if (batch.removals.contains(range.object)) continue;
    auto punched = core_.storage->punch({ArrayKind::kObject, raw(range.object)},
                                        range.first * kBlockSize, range.count * kBlockSize);
    const bool harmless = punched || punched.error().code == ErrorCode::kNotFound ||
                          punched.error().code == ErrorCode::kNotSupported;
    if (!harmless) return punched;
  }
  return {};
}

Result<void> Reclaimer::forget_checksums(const BlockRange& range) {
  if (!core_.checksums.enabled()) return {};
  for (bool more = true; more;) {
    ExclusiveLock lock(core_.tree_lock);
    COWFS_TRY(core_.check_writable());
    (void)core_.nodes.ensure_free(kNodesPerSegment / 4);
    Tree tree = core_.store_tree();
    auto erased = core_.checksums.erase_some(tree, range);
    if (!erased) return fail(erased.error());
    core_.changed = true;
    more = *erased;
    core_.dirty_nodes = core_.nodes.dirty_count();
  }
  return {};
}

Result<void> Reclaimer::forget_batch(const Batch& batch) {
  ExclusiveLock lock(core_.tree_lock);
  Tree tree = core_.store_tree();
  for (const PendingFree& item : batch.items) COWFS_TRY(tree.erase(pending_free_key(item)));
  for (const ObjectNumber object : batch.removals)
    COWFS_TRY(core_.objects.object_removed(tree, object));
  core_.changed = true;
  return {};
}

Result<std::uint64_t> Reclaimer::pending() const {
  std::uint64_t count = 0;
  const Tree tree = core_.store_tree();
  for (const KeyKind kind : {KeyKind::kDroppedNode, KeyKind::kPendingFree}) {
    COWFS_TRY(tree.scan(kind_prefix(kind), [&](std::string_view key, std::string_view value) {
      if (kind_of(key) != kind) return false;
      const auto pending = decode_pending_free(key, value);
      if (!pending || pending->checkpoint != kInFlight) ++count;
      return true;
    }));
  }
  return count;
}

bool Reclaimer::waits_for_nothing(std::uint64_t pending_items) const {
  return pending_items == 0 && core_.block_counts.pending() == 0 &&
         !core_.objects.anything_to_flush();
}

Result<bool> Reclaimer::give_some_back() {
  const std::uint64_t before = given_back_;  // the background may be the one that does it
  for (int round = 0; round < kRoundsToSpace; ++round) {
    {
      MutexLock running(running_);
      for (bool dropped = true; dropped && given_back_ == before;) {
        COWFS_ASSIGN(dropped, drop_some_nodes());
        COWFS_TRY(free_some());
      }
    }
    if (given_back_ != before) return true;
    {
      SharedLock lock(core_.tree_lock);
      COWFS_ASSIGN(const std::uint64_t left, pending());
      if (waits_for_nothing(left)) return false;
    }
    COWFS_TRY(core_.checkpointer.force());
  }
  return false;
}

Result<void> Reclaimer::run_to_end() {
  std::uint64_t left_before = 0;
  for (int idle = 0; idle < kMostIdleRounds; ++idle) {
    {
      MutexLock running(running_);
      while (true) {
        COWFS_ASSIGN(const bool dropped, drop_some_nodes());
        COWFS_ASSIGN(const bool freed, free_some());
        if (!dropped && !freed) break;
      }
    }
    COWFS_TRY(core_.checkpointer.force());
    SharedLock lock(core_.tree_lock);
    COWFS_ASSIGN(const std::uint64_t left, pending());
    if (waits_for_nothing(left)) return {};
    if (std::exchange(left_before, left) != left) idle = 0;
  }
  return fail(ErrorCode::kCorrupted, "something is to be given back and never can be");
}

}  // namespace cowfs
