#include "lib/volume/fsck.h"

#include <algorithm>
#include <set>

#include "lib/storage/overlay_storage.h"
#include "lib/store/node_array.h"
#include "lib/store/scrub.h"
#include "lib/store/store_check.h"
#include "lib/store/store_repair.h"
#include "lib/volume/extent_map.h"
#include "lib/volume/fsck_parts.h"
#include "lib/volume/volume_check.h"

namespace cowfs {
namespace {

class Check {
 public:
  Check(Storage& storage, const FsckOptions& options) : storage_(storage), options_(options) {}

  Result<FsckReport> run() {
    COWFS_ASSIGN(const SuperblockSlots slots, read_superblocks(storage_));
    Superblock newest = slots.valid.front();
    if (slots.damaged) {
      report({"superblock", Severity::kSafe,
              slots.blank ? "one of the two superblock slots is lost"
                          : "one of the two slots of the superblock is damaged"});
    }
    report_.was_clean = newest.clean && !slots.damaged;
    newest.clean = report_.was_clean;
    COWFS_TRY(check_journal_of(newest));
    tell("structures", 0, 0);
    COWFS_ASSIGN(StoreCheck structures, check_structures(storage_, newest));
    report_.problems.add_all(structures.problems);
    const bool whole = structures.problems.clean() && report_.problems.count(Severity::kLoss) == 0;
    if (!whole) COWFS_TRY(check_repaired(structures));
    else if (report_.was_clean) COWFS_TRY(check_volumes(storage_, structures, {}));
    else COWFS_TRY(check_recovered());
    return std::move(report_);
  }

  Result<FsckReport> run_held(const Superblock& held) {
    held_ = true;
    tell("structures", 0, 0);
    COWFS_ASSIGN(StoreCheck structures, check_structures(storage_, held));
    report_.problems.add_all(structures.problems);
    COWFS_TRY(check_volumes(storage_, structures, {}));
    return std::move(report_);
  }

 private:
  Result<void> check_journal_of(const Superblock& newest) {
    tell("journal", 0, 0);
    COWFS_ASSIGN(const JournalCheck journal, check_journal(storage_, newest));
    report_.problems.add_all(journal.problems);
    report_.journal_records = journal.records;
    return {};
  }

  /// What a mount would see.
  Result<void> check_recovered() {
    tell("recovery", 0, 0);
    OverlayStorage overlay(storage_);
    const auto recovered = recover_store(overlay);
    if (!recovered) {
      report(
          {"journal", Severity::kSafe, "the journal cannot be applied: " + recovered.error().text});
      COWFS_ASSIGN(const StoreCheck as_found,
                   check_structures(storage_, read_superblocks(storage_)->valid.front()));
      return check_repaired(as_found);
    }
    tell("structures", 0, 0);
    COWFS_ASSIGN(const StoreCheck structures, check_structures(overlay, *recovered));
    report_.problems.add_all(structures.problems);
    return structures.problems.clean() ? check_volumes(overlay, structures, {})
                                       : check_repaired(structures);
  }

  /// What a repair would give: what is lost for good, and only that, is told as lost.
  Result<void> check_repaired(const StoreCheck& as_found) {
    tell("what a repair gives", 0, 0);
    OverlayStorage overlay(storage_);
    const auto repaired = repair_structures(overlay);
    if (!repaired) {
      report({"structures", Severity::kLoss, "a repair would not go: " + repaired.error().text});
      return check_volumes(storage_, as_found, {});
    }
    report_.problems.add_new(repaired->mended);
    COWFS_ASSIGN(const StoreCheck structures, check_structures(overlay, repaired->superblock));
    return check_volumes(overlay, structures, repaired->lost);
  }

  Result<void> check_volumes(Storage& storage, const StoreCheck& structures,
                             const std::vector<LostNode>& lost) {
    report_.nodes = structures.survey->nodes();
    report_.live_blocks = structures.superblock.live_blocks;
    COWFS_TRY(scrub(storage, structures));
    // Who shares a root with one that is clean is clean; else each is told what it has lost.
    std::set<std::pair<NodeId, Generation>> clean;
    for (const auto& [id, record] : structures.survey->facts().items.volumes) {
      if (record.name.empty()) continue;
      ++report_.volumes;
      const std::pair root{record.root.root.id, record.root.root.generation};
      if (clean.contains(root)) continue;
      const std::uint64_t before = report_.problems.count() + report_.damaged_data.count();
      COWFS_TRY(check_one(structures, record, lost));
      // A block may be whole for this volume, which has it no longer, and damaged for that one.
      const bool is_clean = report_.problems.count() + report_.damaged_data.count() == before;
      if (is_clean && scrub_.damaged.empty()) clean.insert(root);
    }
    return {};
  }

  Result<void> check_one(const StoreCheck& structures, const VolumeRecord& record,
                         const std::vector<LostNode>& lost) {
    RawVolumeItems items(*structures.nodes, record.root.root);
    VolumeFacts facts = facts_of_volume(structures.survey->facts(), record);
    facts.lost = lost;
    const std::string stage = "volume " + record.name;
    const std::uint64_t total = structures.survey->inodes();
    facts.on_inodes = [&](std::uint64_t inodes) { tell(stage, inodes, total); };
    tell(stage, 0, total);
    COWFS_ASSIGN(const VolumeFindings findings, check_volume(items, facts));
    tell(stage, findings.inodes, findings.inodes);  // other volumes may hold the rest
    COWFS_TRY(report_damaged_data(items, record));
    report_.inodes += findings.inodes;
    report_.problems.add_all(findings.problems);
    return {};
  }

  Result<void> scrub(Storage& storage, const StoreCheck& structures) {
    if (!options_.scrub) {
      // Beside a daemon nothing is known of what it does to files meanwhile.
      if (held_) return {};
      // Recovery over an overlay makes packs as long as they should be: the host's are asked.
      COWFS_ASSIGN(scrub_, scrub_ends(storage_, *structures.nodes, structures.survey->facts()));
      return {};
    }
    const StoreFacts& facts = structures.survey->facts();
    const auto progress = [&](std::uint64_t blocks) { tell("data", blocks, report_.live_blocks); };
    COWFS_ASSIGN(scrub_, scrub_data(storage, *structures.nodes, facts, progress));
    report_.scrubbed_blocks = scrub_.blocks;
    tell("data", scrub_.blocks, scrub_.blocks);
    if (scrub_.cut_off) {
      report_.damaged_data.add({"scrub-cut-off", Severity::kLoss,
                                "too many blocks do not match their checksums: only the first of "
                                "them are told"});
    }
    return {};
  }

  /// Every file that has a damaged block.
  Result<void> report_damaged_data(VolumeItems& items, const VolumeRecord& volume) {
    if (scrub_.damaged.empty()) return {};
    Result<void> asked;
    const auto visit = [&](std::string_view key, std::string_view value) {
      if (kind_of(key) != KeyKind::kExtent || !asked) return;
      const auto extent = decode_extent(key, value);
      if (!extent) return;
      const InodeNumber inode{ByteReader(key).be<std::uint64_t>()};
      for (const BlockRange& part : scrub_.damaged_parts(extent->blocks)) {
        const std::uint64_t file_block = extent->file_block + (part.first - extent->blocks.first);
        const auto confirmed =
            confirm({volume.id, inode, file_block, part.object, part.first}, part.count);
        if (!confirmed) {
          asked = fail(confirmed.error());
          return;
        }
        for (const FileBlocks& blocks : *confirmed) add_damage(items, volume.name, inode, blocks);
      }
    };
    COWFS_TRY(items.scan(visit, {}));
    return asked;
  }

  /// Which blocks of a row that does not match are damaged, of `count` from `first` on.
  Result<std::vector<FileBlocks>> confirm(SuspectBlock first, std::uint64_t count) const {
    if (!options_.is_damaged)
      return std::vector{FileBlocks{first.file_block, first.file_block + count}};
    std::vector<FileBlocks> damaged;
    for (; count > 0; --count, ++first.file_block, ++first.object_block) {
      COWFS_ASSIGN(const bool is, options_.is_damaged(first));
      if (!is) continue;
      if (!damaged.empty() && damaged.back().end == first.file_block) ++damaged.back().end;
      else damaged.push_back({first.file_block, first.file_block + 1});
    }
    return damaged;
  }

  void add_damage(VolumeItems& items, const std::string& volume, InodeNumber inode,
                  const FileBlocks& blocks) {
    Problem problem{"data-damaged", Severity::kLoss,
                    "damaged data: " + std::to_string((blocks.end - blocks.first) * kBlockSize) +
                        " bytes from offset " + std::to_string(blocks.first * kBlockSize),
                    volume};
    problem.path = path_in(items, inode);
    problem.inode = raw(inode);
    report_.damaged_data.add(std::move(problem));
  }

  void report(Problem problem) { report_.problems.add(std::move(problem)); }
  void tell(std::string_view stage, std::uint64_t done, std::uint64_t total) {
    if (options_.progress) options_.progress(stage, done, total);
  }

  Storage& storage_;
  const FsckOptions& options_;
  FsckReport report_;
  Scrub scrub_;
  bool held_ = false;  // by a daemon
};

}  // namespace

Result<FsckReport> check_store(Storage& storage, const FsckOptions& options) {
  return Check(storage, options).run();
}

Result<FsckReport> check_held_checkpoint(Storage& storage, std::string_view superblock,
                                         const FsckOptions& options) {
  COWFS_ASSIGN(Superblock held, decode_superblock(superblock));
  held.clean = false;
  FsckOptions of_held = options;
  of_held.scrub = options.scrub && options.is_damaged;
  return Check(storage, of_held).run_held(held);
}

Result<FsckGlance> glance_at_store(Storage& storage) {
  COWFS_ASSIGN(const SuperblockSlots slots, read_superblocks(storage));
  const Superblock& newest = slots.valid.front();
  return FsckGlance{.clean = newest.clean && !slots.damaged,
                    .live_blocks = newest.live_blocks,
                    .nodes_at_most = newest.node_segments * kNodesPerSegment,
                    .checkpoint = newest.checkpoint};
}

}  // namespace cowfs
