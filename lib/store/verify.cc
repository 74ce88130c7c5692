// Store::verify: every count of a store made anew from its trees, and held against what is kept.
#include <map>
#include <unordered_map>

#include "lib/store/store.h"
#include "lib/store/store_core.h"

namespace cowfs {
namespace {

std::unexpected<Error> differs(const std::string& what, std::uint64_t id, std::uint64_t kept, std::uint64_t counted) {
  return fail(ErrorCode::kCorrupted, what + " " + std::to_string(id) + ": kept " + std::to_string(kept) + ", counted " +
                                         std::to_string(counted));
}

class Recount {
 public:
  explicit Recount(StoreCore& core) : core_(core) {}

  Result<void> run() {
    COWFS_TRY(walk_volumes());
    COWFS_TRY(compare_node_counts());
    COWFS_TRY(walk(core_.store_root.root, false));
    COWFS_TRY(compare_allocation());
    COWFS_TRY(sum_blocks());
    COWFS_TRY(compare_block_counts());
    return compare_objects();
  }

 private:
  using Place = std::pair<ObjectNumber, std::uint64_t>;

  // Counts references to nodes, and visits each node once.
  Result<void> walk(NodePointer root, bool volume) {
    std::vector<NodePointer> stack{root};
    while (!stack.empty()) {
      const NodePointer pointer = stack.back();
      stack.pop_back();
      if (++references_[pointer.id] > 1) continue;
      COWFS_ASSIGN(NodeRef node, core_.load(pointer));
      for (std::size_t slot = 0; slot < node->count(); ++slot) {
        if (!node->is_leaf()) {
          stack.push_back(node->child(slot));
        } else if (volume && kind_of(node->key(slot)) == KeyKind::kExtent) {
          const auto extent = decode_extent(node->key(slot), node->value(slot));
          if (!extent) return fail(ErrorCode::kCorrupted, "an extent makes no sense");
          const BlockRange& blocks = extent->blocks;
          ++steps_[{blocks.object, blocks.first}];
          --steps_[{blocks.object, blocks.first + blocks.count}];
        }
      }
    }
    return {};
  }

  Result<void> walk_volumes() {
    for (const auto& [id, volume] : core_.volumes.all()) COWFS_TRY(walk(volume->record.root.root, true));
    std::vector<std::pair<NodePointer, std::uint32_t>> dropped;
    COWFS_TRY(core_.store_tree().scan(key_of(kStoreKeyInode, KeyKind::kDroppedNode).take(),
                                      [&](std::string_view key, std::string_view value) {
                                        if (kind_of(key) != KeyKind::kDroppedNode) return false;
                                        ByteReader reader(value.substr(kNodePointerSize));
                                        dropped.emplace_back(decode_pointer(value.substr(0, kNodePointerSize)),
                                                             reader.le<std::uint32_t>());
                                        return true;
                                      }));
    for (const auto& [pointer, count] : dropped) {
      for (std::uint32_t i = 0; i < count; ++i) COWFS_TRY(walk(pointer, true));
    }
    return {};
  }

  Result<void> compare_node_counts() {
    for (const auto& [id, counted] : references_) {
      COWFS_ASSIGN(const std::uint64_t kept, core_.node_counts.get(core_.store_tree(), id));
      if (kept != counted) return differs("references of node", raw(id), kept, counted);
    }
    return {};
  }

  Result<void> compare_allocation() {
    for (const auto& [id, counted] : references_) {
      if (!core_.nodes.is_used(id)) return differs("allocation of node", raw(id), 0, 1);
    }
    if (core_.nodes.used_count() != references_.size()) {
      return differs("nodes in use", 0, core_.nodes.used_count(), references_.size());
    }
    return {};
  }

  // Turns the steps into runs of blocks with their counts.
  Result<void> sum_blocks() {
    std::int64_t level = 0;
    for (auto it = steps_.begin(); it != steps_.end(); ++it) {
      level += it->second;
      const auto next = std::next(it);
      if (level == 0 || next == steps_.end()) continue;
      const BlockRange range{it->first.first, it->first.second, next->first.second - it->first.second};
      live_[range.object] += range.count;
      total_live_ += range.count;
      if (level >= 2) add_shared({range, static_cast<std::uint64_t>(level)}, shared_);
    }
    return {};
  }

  static void add_shared(const BlockCountRun& run, std::vector<BlockCountRun>& runs) {
    const bool continues = !runs.empty() && runs.back().references == run.references &&
                           runs.back().range.object == run.range.object &&
                           runs.back().range.first + runs.back().range.count == run.range.first;
    if (continues) runs.back().range.count += run.range.count;
    else runs.push_back(run);
  }

  Result<void> compare_block_counts() {
    std::vector<BlockCountRun> kept;
    bool sound = true;
    COWFS_TRY(core_.store_tree().scan(key_of(kStoreKeyInode, KeyKind::kBlockCount).take(),
                                      [&](std::string_view key, std::string_view value) {
                                        if (kind_of(key) != KeyKind::kBlockCount) return false;
                                        const auto run = decode_block_count(key, value);
                                        sound = run.has_value();
                                        if (sound) add_shared(*run, kept);
                                        return sound;
                                      }));
    if (!sound) return fail(ErrorCode::kCorrupted, "a run of block reference counts makes no sense");
    for (std::size_t i = 0; i < std::max(kept.size(), shared_.size()); ++i) {
      const BlockCountRun a = i < kept.size() ? kept[i] : BlockCountRun{};
      const BlockCountRun b = i < shared_.size() ? shared_[i] : BlockCountRun{};
      if (a.range == b.range && a.references == b.references) continue;
      return fail(ErrorCode::kCorrupted, "block counts: kept " + describe(a) + ", counted " + describe(b));
    }
    return {};
  }

  static std::string describe(const BlockCountRun& run) {
    return std::to_string(run.references) + " of [object " + std::to_string(raw(run.range.object)) + ", block " +
           std::to_string(run.range.first) + " +" + std::to_string(run.range.count) + "]";
  }

  Result<void> compare_objects() {
    if (core_.objects.live_blocks() != total_live_) return differs("live blocks", 0, core_.objects.live_blocks(), total_live_);
    bool sound = true;
    std::optional<Error> error;
    COWFS_TRY(core_.store_tree().scan(key_of(kStoreKeyInode, KeyKind::kObject).take(),
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
                                        error = differs("live blocks of object", raw(object), record->live_blocks, counted).error();
                                        return false;
                                      }));
    if (!sound) return fail(ErrorCode::kCorrupted, "the record of an object makes no sense");
    if (error) return fail(*error);
    if (!live_.empty()) return fail(ErrorCode::kCorrupted, "object " + std::to_string(raw(live_.begin()->first)) + " has no record");
    return {};
  }

  StoreCore& core_;
  std::unordered_map<NodeId, std::uint64_t> references_;
  std::map<Place, std::int64_t> steps_;
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
