// Store::verify: every count of a store made anew from its trees, and held against what is kept.
#include <map>

#include "lib/store/block_tally.h"
#include "lib/store/node_walk.h"
#include "lib/store/store.h"
#include "lib/store/store_core.h"

namespace cowfs {
namespace {

std::unexpected<Error> differs(const std::string& what, std::uint64_t id, std::uint64_t kept,
                               std::uint64_t counted) {
  return fail(ErrorCode::kCorrupted, what + " " + std::to_string(id) + ": kept " +
                                         std::to_string(kept) + ", counted " +
                                         std::to_string(counted));
}

class Recount {
 public:
  explicit Recount(StoreCore& core)
      : core_(core), store_(core, NodeWalk::Kind::kTree), volumes_(core, NodeWalk::Kind::kForest) {}

  Result<void> run() {
    COWFS_TRY(walk());
    COWFS_TRY(compare_node_counts());
    COWFS_TRY(compare_allocation());
    count_blocks();
    COWFS_TRY(compare_block_counts());
    return compare_objects();
  }

 private:
  Result<void> walk() {
    std::optional<std::string> lost;
    const auto note = [&](const LostNode& node) { lost = lost.value_or(node.why); };
    store_.on_lost(note);
    volumes_.on_lost(note);
    std::vector<DroppedNode> dropped;
    store_.walk(core_.store_root.root, [&](const Node& leaf) {
      for (std::size_t slot = 0; slot < leaf.count(); ++slot) {
        auto node = decode_dropped_node(leaf.key(slot), leaf.value(slot));
        if (node) dropped.push_back(std::move(*node));
      }
    });
    const auto visit = [this, &lost](const Node& leaf) {
      if (!count_leaf(leaf)) lost = "an extent makes no sense";
    };
    for (const auto& [id, volume] : core_.volumes.all())
      volumes_.walk(volume->record.root.root, visit);
    for (const DroppedNode& node : dropped)
      volumes_.walk_part(node.pointer, node.references, visit);
    if (lost) return fail(ErrorCode::kCorrupted, *lost);
    return {};
  }

  bool count_leaf(const Node& leaf) {
    for (std::size_t slot = 0; slot < leaf.count(); ++slot) {
      if (kind_of(leaf.key(slot)) != KeyKind::kExtent) continue;
      const auto extent = decode_extent(leaf.key(slot), leaf.value(slot));
      if (!extent) return false;
      blocks_.add(extent->blocks);
    }
    return true;
  }

  Result<void> compare_node_counts() {
    Result<void> result;
    volumes_.tally().for_each([&](NodeId id, const NodeTally::Entry& entry) {
      const auto kept = core_.node_counts.get(core_.store_tree(), id);
      if (!result) return;
      if (!kept) result = fail(kept.error());
      else if (*kept != entry.references)
        result = differs("references of node", raw(id), *kept, entry.references);
    });
    return result;
  }

  Result<void> compare_allocation() {
    Result<void> result;
    const auto check = [&](NodeId id, const NodeTally::Entry&) {
      if (!core_.nodes.is_used(id)) result = differs("allocation of node", raw(id), 0, 1);
    };
    volumes_.tally().for_each(check);
    store_.tally().for_each(check);
    COWFS_TRY(result);
    const std::uint64_t counted = volumes_.nodes() + store_.nodes();
    if (core_.nodes.used_count() != counted)
      return differs("nodes in use", 0, core_.nodes.used_count(), counted);
    return {};
  }

  void count_blocks() {
    for (const BlockCountRun& run : blocks_.take_runs()) {
      live_[run.range.object] += run.range.count;
      total_live_ += run.range.count;
      if (run.references >= 2) shared_.push_back(run);
    }
  }

  Result<void> compare_block_counts() {
    std::vector<BlockCountRun> kept;
    bool sound = true;
    COWFS_TRY(core_.store_tree().scan(key_of(kStoreKeyInode, KeyKind::kBlockCount).take(),
                                      [&](std::string_view key, std::string_view value) {
                                        if (kind_of(key) != KeyKind::kBlockCount) return false;
                                        const auto run = decode_block_count(key, value);
                                        sound = run.has_value();
                                        if (sound) append_run(kept, *run);
                                        return sound;
                                      }));
    if (!sound)
      return fail(ErrorCode::kCorrupted, "a run of block reference counts makes no sense");
    for (std::size_t i = 0; i < std::max(kept.size(), shared_.size()); ++i) {
      const BlockCountRun a = i < kept.size() ? kept[i] : BlockCountRun{};
      const BlockCountRun b = i < shared_.size() ? shared_[i] : BlockCountRun{};
      if (a.range == b.range && a.references == b.references) continue;
      return fail(ErrorCode::kCorrupted,
                  "block counts: kept " + describe(a) + ", counted " + describe(b));
    }
    return {};
  }

  static std::string describe(const BlockCountRun& run) {
    return std::to_string(run.references) + " of [object " + std::to_string(raw(run.range.object)) +
           ", block " + std::to_string(run.range.first) + " +" + std::to_string(run.range.count) +
           "]";
  }

  Result<void> compare_objects() {
    if (core_.objects.live_blocks() != total_live_)
      return differs("live blocks", 0, core_.objects.live_blocks(), total_live_);
    bool sound = true;
    std::optional<Error> error;
    COWFS_TRY(core_.store_tree().scan(
        key_of(kStoreKeyInode, KeyKind::kObject).take(),
        [&](std::string_view key, std::string_view value) {
          if (kind_of(key) != KeyKind::kObject) return false;
          const auto record = decode_object(value);
          sound = record.has_value();
          if (!sound) return false;
          const ObjectNumber object{ByteReader(rest_of(key)).be<std::uint64_t>()};
          const auto found = live_.find(object);
          const std::uint64_t counted = found == live_.end() ? 0 : found->second;
          if (found != live_.end()) live_.erase(found);
          if (record->live_blocks == counted) return true;
          error =
              differs("live blocks of object", raw(object), record->live_blocks, counted).error();
          return false;
        }));
    if (!sound) return fail(ErrorCode::kCorrupted, "the record of an object makes no sense");
    if (error) return fail(*error);
    if (!live_.empty())
      return fail(ErrorCode::kCorrupted,
                  "object " + std::to_string(raw(live_.begin()->first)) + " has no record");
    return {};
  }

  StoreCore& core_;
  NodeWalk store_;
  NodeWalk volumes_;
  BlockTally blocks_;
  std::vector<BlockCountRun> shared_;
  std::map<ObjectNumber, std::uint64_t> live_;
  std::uint64_t total_live_ = 0;
};

}  // namespace

Result<void> Store::verify() {
  ClosedGate closed(core_->gate);
  ExclusiveLock lock(core_->tree_lock);
  if (!core_->options.read_only) {
    COWFS_TRY(core_->apply_block_counts());
    Tree tree = core_->store_tree();
    Superblock next = core_->superblock;
    next.checkpoint = core_->next_checkpoint();
    COWFS_TRY(core_->objects.flush(tree, next));
    core_->changed = true;
  }
  return Recount(*core_).run();
}

}  // namespace cowfs
