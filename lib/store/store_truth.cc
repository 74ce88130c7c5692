#include "lib/store/store_truth.h"

#include <algorithm>
#include <set>

#include "lib/store/node_array.h"
#include "lib/store/node_counts.h"
#include "lib/store/volume_table.h"

namespace cowfs {
namespace {

std::string kept_and_counted(std::uint64_t kept, std::uint64_t counted) {
  return "kept " + std::to_string(kept) + ", counted " + std::to_string(counted);
}

std::string text_of(const VolumeRecord& record) {
  return record.name.empty() ? "volume " + std::to_string(raw(record.id)) : "volume " + record.name;
}

/// Ends before any block of a run that lies at `block` or after it.
auto first_run_ending_after(const std::vector<BlockCountRun>& runs, ObjectNumber object,
                            std::uint64_t block) {
  return std::ranges::upper_bound(runs, std::pair(object, block), {}, [](const BlockCountRun& run) {
    return std::pair(run.range.object, run.range.first + run.range.count);
  });
}

}  // namespace

std::vector<BlockRange> StoreFacts::unreferenced_parts(const BlockRange& range) const {
  std::vector<BlockRange> parts;
  std::uint64_t at = range.first;
  const std::uint64_t end = range.first + range.count;
  for (auto run = first_run_ending_after(runs, range.object, at);
       run != runs.end() && run->range.object == range.object && run->range.first < end; ++run) {
    if (run->range.first > at) parts.push_back({range.object, at, run->range.first - at});
    at = run->range.first + run->range.count;
  }
  if (at < end) parts.push_back({range.object, at, end - at});
  return parts;
}

bool StoreFacts::has_shared_block(const BlockRange& range) const {
  const std::uint64_t end = range.first + range.count;
  for (auto run = first_run_ending_after(runs, range.object, range.first);
       run != runs.end() && run->range.object == range.object && run->range.first < end; ++run) {
    if (run->references >= 2) return true;
  }
  return false;
}

bool StoreFacts::has_file(ObjectNumber object) const {
  return std::ranges::binary_search(files, raw(object));
}

void compare_segments(const StoreFacts& facts, const OnDifference& differs) {
  const std::uint64_t needed = facts.superblock.node_segments;
  std::uint64_t present = 0;
  std::uint64_t first_missing = 0;
  for (const std::uint64_t segment : facts.segments) {
    if (segment >= needed) break;
    ++present;
    if (segment == first_missing) ++first_missing;
  }
  if (present == needed) return;
  const std::uint64_t more = needed - present - 1;
  differs({"node-segment", Severity::kSafe,
           to_string({ArrayKind::kNodes, first_missing}) + " is missing from the store" +
               (more == 0 ? "" : ", and " + std::to_string(more) + " more after it")},
          {});
}

void compare_items(const StoreFacts& facts, const OnDifference& differs) {
  const auto erase_all = [&](const std::vector<std::string>& keys, std::string_view code,
                             const std::string& text, Severity severity) {
    if (keys.empty()) return;
    std::vector<Mend> mends;
    mends.reserve(keys.size());
    for (const std::string& key : keys) mends.push_back({key, std::nullopt});
    differs({code, severity, std::to_string(keys.size()) + " " + text}, std::move(mends));
  };
  std::vector<std::string> volumes;
  std::vector<std::string> others;
  for (const std::string& key : facts.items.senseless) {
    (kind_of(key) == KeyKind::kVolume ? volumes : others).push_back(key);
  }
  erase_all(volumes, "item", "records of volumes make no sense: these volumes are lost",
            Severity::kLoss);
  erase_all(others, "item", "items of the store's tree make no sense", Severity::kSafe);
  erase_all(facts.items.stray_checksums, "checksum-leak", "checksum items belong to no object",
            Severity::kSafe);
  if (!facts.items.unknown.empty()) {
    differs({"item-unknown", Severity::kNote,
             std::to_string(facts.items.unknown.size()) +
                 " items of the store's tree are of unknown kinds"},
            {});
  }
  std::set<std::string> names;
  for (const auto& [id, record] : facts.items.volumes) {
    if (record.name.empty()) continue;  // deleted
    if (check_volume_name(record.name) && names.insert(record.name).second) continue;
    VolumeRecord mended = record;
    mended.name = "volume-" + std::to_string(raw(id));
    while (!names.insert(mended.name).second) mended.name += "-";
    differs({"volume-name", Severity::kSafe,
             "volume " + std::to_string(raw(id)) +
                 " has an impossible name or that of another one: it is called " + mended.name},
            {{volume_key(id), encode_volume(mended)}});
  }
}

void compare_node_counts(const StoreFacts& facts, const NodeTally& nodes,
                         const OnDifference& differs) {
  const auto report = [&](NodeId id, std::uint64_t kept, std::uint64_t counted) {
    std::optional<std::string> value;
    if (counted >= 2) value = encode_node_count(counted);
    differs({"node-count", Severity::kSafe,
             "references to node " + std::to_string(raw(id)) + ": " +
                 kept_and_counted(kept, std::max<std::uint64_t>(counted, 1))},
            {{node_count_key(id), std::move(value)}});
  };
  auto kept = facts.items.node_counts.begin();
  const auto end = facts.items.node_counts.end();
  nodes.for_each([&](NodeId id, const NodeTally::Entry& entry) {
    for (; kept != end && kept->first < id; ++kept) report(kept->first, kept->second, 0);
    const bool stored = kept != end && kept->first == id;
    const std::uint64_t count = stored ? (kept++)->second : 1;
    if (count != entry.references) report(id, count, entry.references);
  });
  for (; kept != end; ++kept) report(kept->first, kept->second, 0);
}

namespace {

/// Runs of two references and more, cut to one object at a time.
class RunsOfObjects {
 public:
  explicit RunsOfObjects(const std::vector<BlockCountRun>& runs)
      : at_(runs.begin()), end_(runs.end()) {}

  std::optional<ObjectNumber> next() {
    while (at_ != end_ && at_->references < 2) ++at_;
    return at_ == end_ ? std::nullopt : std::optional(at_->range.object);
  }
  /// The runs of an object, joined; and the keys under which they lie.
  std::vector<BlockCountRun> take(ObjectNumber object, std::vector<std::string>* keys = nullptr) {
    std::vector<BlockCountRun> runs;
    for (auto next_object = next(); next_object == object; next_object = next()) {
      append_run(runs, *at_);
      if (keys != nullptr) keys->push_back(block_count_key(object, at_->range.first));
      ++at_;
    }
    return runs;
  }

 private:
  std::vector<BlockCountRun>::const_iterator at_;
  std::vector<BlockCountRun>::const_iterator end_;
};

bool same_runs(const std::vector<BlockCountRun>& a, const std::vector<BlockCountRun>& b) {
  return std::ranges::equal(a, b, [](const BlockCountRun& x, const BlockCountRun& y) {
    return x.range == y.range && x.references == y.references;
  });
}

}  // namespace

void compare_block_counts(const StoreFacts& facts, const OnDifference& differs) {
  RunsOfObjects kept(facts.items.block_counts);
  RunsOfObjects counted(facts.runs);
  for (;;) {
    const auto a = kept.next();
    const auto b = counted.next();
    if (!a && !b) return;
    const ObjectNumber object = !b || (a && *a < *b) ? *a : *b;
    std::vector<std::string> keys;
    const auto kept_runs = kept.take(object, &keys);
    const auto counted_runs = counted.take(object);
    if (same_runs(kept_runs, counted_runs)) continue;
    std::vector<Mend> mends;
    mends.reserve(keys.size() + counted_runs.size());
    for (std::string& key : keys) mends.push_back({std::move(key), std::nullopt});
    for (const BlockCountRun& run : counted_runs) {
      mends.push_back({block_count_key(object, run.range.first), encode_block_count(run)});
    }
    differs({"block-count", Severity::kSafe,
             "references to blocks of object " + std::to_string(raw(object)) +
                 " are not what a recount gives"},
            std::move(mends));
  }
}

void compare_bitmaps(const StoreFacts& facts, const NodeTally& volume_nodes,
                     const NodeTally& store_nodes, const OnDifference& differs) {
  std::map<std::uint64_t, std::string> counted;
  const auto mark = [&](NodeId id, const NodeTally::Entry&) {
    std::string& bits = counted[raw(id) / kNodesPerSegment];
    if (bits.empty()) bits.resize(kSegmentBitmapSize);
    const std::uint64_t bit = raw(id) % kNodesPerSegment;
    bits[bit / 8] = static_cast<char>(static_cast<unsigned char>(bits[bit / 8]) | 1u << (bit % 8));
  };
  volume_nodes.for_each(mark);
  store_nodes.for_each(mark);
  const auto& kept = facts.items.bitmaps;
  for (const auto& [segment, bits] : kept) counted.try_emplace(segment, kSegmentBitmapSize, '\0');
  std::uint64_t leaked = 0;
  std::uint64_t unmarked = 0;
  std::vector<Mend> mends;
  for (const auto& [segment, bits] : counted) {
    const auto found = kept.find(segment);
    const std::string before =
        found == kept.end() ? std::string(kSegmentBitmapSize, '\0') : found->second;
    if (before == bits) continue;
    for (std::size_t i = 0; i < kSegmentBitmapSize; ++i) {
      const auto a = static_cast<unsigned char>(before[i]);
      const auto b = static_cast<unsigned char>(bits[i]);
      leaked += static_cast<unsigned>(__builtin_popcount(a & ~b & 0xffu));
      unmarked += static_cast<unsigned>(__builtin_popcount(b & ~a & 0xffu));
    }
    mends.push_back({key_of(kStoreKeyInode, KeyKind::kNodeSegment).be(segment).take(), bits});
  }
  if (mends.empty()) return;
  differs({"node-bitmap", Severity::kSafe,
           std::to_string(leaked) + " nodes that no tree has are marked as used, " +
               std::to_string(unmarked) + " that trees have are not"},
          std::move(mends));
}

namespace {

/// Looks through the young nodes of a tree: those that must be its alone.
bool has_shared_young_node(NodeSpace& space, const NodeTally& nodes, const TreeRoot& tree) {
  std::vector<NodePointer> stack{tree.root};
  while (!stack.empty()) {
    const NodePointer pointer = stack.back();
    stack.pop_back();
    const NodeTally::Entry entry = nodes.get(pointer.id);
    // Older nodes have older children only.
    if (pointer.generation <= tree.shared_at || entry.generation != pointer.generation) continue;
    if (entry.references > 1) return true;
    if (entry.level == 0) continue;
    const auto node = space.load(pointer);
    if (!node) continue;
    for (std::size_t slot = 0; slot < (*node)->count(); ++slot)
      stack.push_back((*node)->child(slot));
  }
  return false;
}

}  // namespace

void compare_ownership(const StoreFacts& facts, NodeSpace& space, const NodeTally& nodes,
                       const OnDifference& differs) {
  for (const auto& [id, record] : facts.items.volumes) {
    if (!has_shared_young_node(space, nodes, record.root)) continue;
    VolumeRecord mended = record;
    mended.root.shared_at = std::max(facts.superblock.generation, facts.newest);
    differs({"ownership", Severity::kSafe,
             text_of(record) + " takes nodes for its own that others have too"},
            {{volume_key(id), encode_volume(mended)}});
  }
}

Superblock compare_superblock(const StoreFacts& facts, std::uint64_t live_blocks,
                              const OnDifference& differs) {
  Superblock mended = facts.superblock;
  const auto value = [&](auto& field, auto right, const char* what) {
    if (field == right) return;
    differs({"superblock-value", Severity::kSafe,
             std::string("the superblock's ") + what + ": " +
                 kept_and_counted(static_cast<std::uint64_t>(field),
                                  static_cast<std::uint64_t>(right))},
            {});
    field = right;
  };
  value(mended.live_blocks, live_blocks, "count of live blocks");
  const std::uint64_t objects =
      facts.items.objects.empty() ? 0 : raw(facts.items.objects.rbegin()->first);
  value(mended.next_object, std::max(mended.next_object, objects + 1), "next object");
  value(mended.next_inode, std::max(mended.next_inode, facts.highest_inode + 1), "next inode");
  const std::uint32_t volumes =
      facts.items.volumes.empty() ? 0 : raw(facts.items.volumes.rbegin()->first);
  value(mended.next_volume, std::max(mended.next_volume, volumes + 1), "next volume");
  value(mended.generation, std::max(mended.generation, facts.newest), "generation");
  for (std::uint64_t& pack : mended.open_packs) {
    if (pack == 0) continue;
    const auto found = facts.items.objects.find(ObjectNumber{pack});
    const bool open = found != facts.items.objects.end() && found->second.kind == ObjectKind::kPack;
    value(pack, open ? pack : 0, "open pack");
  }
  mended.object_limit = std::max(mended.object_limit, mended.next_object);
  mended.inode_limit = std::max(mended.inode_limit, mended.next_inode);
  return mended;
}

}  // namespace cowfs
