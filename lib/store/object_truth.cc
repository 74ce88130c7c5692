// compare_objects: records of objects, what waits to be freed, and files on the host, against the
// blocks that extents refer to.
#include <algorithm>
#include <set>

#include "lib/store/object_space.h"
#include "lib/store/store_truth.h"

namespace cowfs {
namespace {

std::string name_of(ObjectNumber object) { return "object " + std::to_string(raw(object)); }

class ObjectComparison {
 public:
  ObjectComparison(const StoreFacts& facts, const OnDifference& differs)
      : facts_(facts), differs_(differs) {}

  std::uint64_t run() {
    count_references();
    for (const PendingFree& pending : facts_.items.pending) compare_pending(pending);
    for (const auto& [object, record] : facts_.items.objects) compare_record(object, record);
    for (const auto& [object, count] : counts_) {
      if (!facts_.items.objects.contains(object)) add_record(object, count);
      live_ += count.live;
    }
    compare_files();
    return live_;
  }

 private:
  struct Count {
    std::uint64_t live = 0;
    std::uint64_t end = 0;
  };

  void count_references() {
    for (const BlockCountRun& run : facts_.runs) count(run.range);
  }

  void count(const BlockRange& range) {
    Count& count = counts_[range.object];
    count.live += range.count;
    count.end = std::max(count.end, range.first + range.count);
  }

  // What would be given back must not be in use. Blocks on their way to an extent count as live,
  // too.
  void compare_pending(const PendingFree& pending) {
    const BlockRange& range = pending.range;
    const bool in_flight = pending.checkpoint == kInFlight;
    if (range.count == 0) {
      if (counts_.contains(range.object)) {
        report("pending-free", name_of(range.object) + " is to be removed, and in use",
               {{pending_free_key(pending), std::nullopt}});
      } else {
        to_remove_.insert(range.object);
      }
      return;
    }
    const bool possible = range.first < kOwnObjectBlocks && range.count <= kOwnObjectBlocks &&
                          range.object != kNoObject;
    const auto parts = possible ? facts_.unreferenced_parts(range) : std::vector<BlockRange>{};
    const bool right = possible && parts.size() == 1 && parts.front() == range &&
                       (in_flight || pending.checkpoint <= facts_.superblock.checkpoint);
    if (!right) {
      std::vector<Mend> mends{{pending_free_key(pending), std::nullopt}};
      for (const BlockRange& part : parts) {
        const PendingFree mended{in_flight ? kInFlight : facts_.superblock.checkpoint, part};
        mends.push_back({pending_free_key(mended), encode_pending_free(mended)});
      }
      report("pending-free", "blocks of " + name_of(range.object) + " are to be freed, and in use",
             std::move(mends));
    }
    for (const BlockRange& part : parts) {
      if (in_flight) in_flight_.push_back(part);
    }
    if (in_flight) {
      for (const BlockRange& part : parts) count(part);
    }
  }

  void compare_record(ObjectNumber object, const ObjectRecord& record) {
    const auto found = counts_.find(object);
    const Count counted = found == counts_.end() ? Count{} : found->second;
    ObjectRecord mended = record;
    mended.live_blocks = counted.live;
    mended.end_blocks = std::max(record.end_blocks, counted.end);
    mended.sealed = record.sealed || is_open_without_reason(object, record);
    std::vector<Mend> mends;
    std::string what;
    if (mended.live_blocks != record.live_blocks) {
      what = "live blocks of " + name_of(object) + ": kept " + std::to_string(record.live_blocks) +
             ", counted " + std::to_string(counted.live);
      if (mended.live_blocks < record.live_blocks) free_gaps(object, mended, mends);
    } else if (mended.end_blocks != record.end_blocks) {
      what = name_of(object) + " ends at block " + std::to_string(record.end_blocks) +
             ", extents go to " + std::to_string(counted.end);
    } else if (mended.sealed != record.sealed) {
      what = name_of(object) + " is a pack that nothing is added to, and not sealed";
    }
    const bool dead = mended.sealed && mended.live_blocks == 0 && !to_remove_.contains(object);
    if (dead && what.empty())
      what = name_of(object) + " has no block in use and is not to be removed";
    if (what.empty()) return missing_file(object, counted);
    if (dead) mends.push_back(removal_of(object));
    mends.push_back({object_key(object), encode_object(mended)});
    report("object", what, std::move(mends));
    missing_file(object, counted);
  }

  bool is_open_without_reason(ObjectNumber object, const ObjectRecord& record) const {
    return record.kind == ObjectKind::kPack && !record.sealed &&
           std::ranges::find(facts_.superblock.open_packs, raw(object)) ==
               facts_.superblock.open_packs.end();
  }

  // Blocks that counted as live and that nobody refers to were never freed.
  void free_gaps(ObjectNumber object, const ObjectRecord& record, std::vector<Mend>& mends) {
    if (record.live_blocks == 0 && record.sealed) return;  // it goes whole
    for (const BlockRange& gap : facts_.unreferenced_parts({object, 0, record.end_blocks})) {
      const bool overlaps = std::ranges::any_of(in_flight_, [&](const BlockRange& r) {
        return r.object == object && r.first < gap.first + gap.count &&
               gap.first < r.first + r.count;
      });
      if (overlaps) continue;
      const PendingFree pending{facts_.superblock.checkpoint, gap};
      mends.push_back({pending_free_key(pending), encode_pending_free(pending)});
    }
  }

  Mend removal_of(ObjectNumber object) const {
    const PendingFree pending{facts_.superblock.checkpoint, {object, 0, 0}};
    return {pending_free_key(pending), encode_pending_free(pending)};
  }

  void missing_file(ObjectNumber object, const Count& counted) {
    if (facts_.has_file(object) || counted.live == 0) return;
    differs_({"object-missing", Severity::kLoss,
              name_of(object) + " is missing on the host: " + std::to_string(counted.live) +
                  " blocks of data are lost"},
             {});
  }

  // Closed, so that nothing is added to what we know little of.
  void add_record(ObjectNumber object, const Count& counted) {
    ObjectRecord record;
    record.kind = counted.end > kPackBlocks ? ObjectKind::kOwn : ObjectKind::kPack;
    record.sealed = true;
    record.end_blocks = counted.end;
    record.live_blocks = counted.live;
    record.birth = facts_.superblock.generation;
    report("object", name_of(object) + " has no record, and extents refer to it",
           {{object_key(object), encode_object(record)}});
    missing_file(object, counted);
  }

  void compare_files() {
    std::uint64_t unknown = 0;
    for (const std::uint64_t number : facts_.files) {
      const ObjectNumber object{number};
      // Where the store was not closed, newer ones are the business of recovery.
      if (!facts_.superblock.clean && number >= facts_.superblock.next_object) continue;
      if (!facts_.items.objects.contains(object) && !counts_.contains(object)) ++unknown;
    }
    if (unknown > 0)
      report("object-leak", std::to_string(unknown) + " object files belong to nobody", {});
  }

  void report(std::string_view code, std::string text, std::vector<Mend> mends) {
    differs_({code, Severity::kSafe, std::move(text)}, std::move(mends));
  }

  const StoreFacts& facts_;
  const OnDifference& differs_;
  std::map<ObjectNumber, Count> counts_;
  std::set<ObjectNumber> to_remove_;
  std::vector<BlockRange> in_flight_;
  std::uint64_t live_ = 0;
};

}  // namespace

std::uint64_t compare_objects(const StoreFacts& facts, const OnDifference& differs) {
  return ObjectComparison(facts, differs).run();
}

}  // namespace cowfs
