// repair_store: structures first, then what volumes' items mean, then files that nobody knows.
#include <algorithm>

#include "lib/storage/overlay_storage.h"
#include "lib/store/store.h"
#include "lib/store/store_check.h"
#include "lib/store/store_repair.h"
#include "lib/volume/borrowed_storage.h"
#include "lib/volume/fsck.h"
#include "lib/volume/fsck_parts.h"
#include "lib/volume/volume_repair.h"

namespace cowfs {
namespace {

class Repair {
 public:
  Repair(Storage& storage, const FsckOptions& options) : storage_(storage), options_(options) {}

  Result<ProblemList> run() {
    COWFS_TRY(repair_structures_if_needed());
    tell("recovery");
    COWFS_TRY(recover_store(storage_));
    COWFS_TRY(repair_volumes());
    COWFS_TRY(remove_unknown_objects());
    return std::move(mended_);
  }

 private:
  Result<void> repair_structures_if_needed() {
    COWFS_ASSIGN(const SuperblockSlots slots, read_superblocks(storage_));
    Superblock newest = slots.valid.front();
    newest.clean = newest.clean && !slots.damaged;
    tell("structures");
    COWFS_ASSIGN(const StoreCheck structures, check_structures(storage_, newest));
    COWFS_ASSIGN(const JournalCheck journal, check_journal(storage_, newest));
    const bool whole = structures.problems.clean() && journal.problems.clean();
    if (whole && recovers()) return {};
    tell("repair of structures");
    COWFS_ASSIGN(const StructureRepair repair, repair_structures(storage_));
    mended_.add_all(repair.mended);
    lost_ = repair.lost;
    return {};
  }

  /// Whether recovery goes the normal way, and leaves structures that are whole.
  bool recovers() {
    OverlayStorage overlay(storage_);
    const auto superblock = recover_store(overlay);
    if (!superblock) return false;
    const auto structures = check_structures(overlay, *superblock);
    return structures && structures->problems.clean();
  }

  template <typename Work>
  Result<void> with_open_store(const Work& work) {
    StoreOptions options;
    options.background = false;
    COWFS_ASSIGN(auto store, Store::open(std::make_unique<BorrowedStorage>(storage_), options));
    COWFS_TRY(work(*store));
    return store->close();
  }

  Result<StoreCheck> look() {
    COWFS_ASSIGN(const SuperblockSlots slots, read_superblocks(storage_));
    return check_structures(storage_, slots.valid.front());
  }

  Result<void> repair_volumes() {
    COWFS_ASSIGN(const StoreCheck structures, look());
    const StoreFacts& facts = structures.survey->facts();
    return with_open_store([&](Store& store) -> Result<void> {
      for (const auto& [id, record] : facts.items.volumes) {
        if (record.name.empty()) continue;
        tell("repair of volume " + record.name);
        VolumeFacts of_volume = facts_of_volume(facts, record);
        of_volume.lost = lost_;
        COWFS_ASSIGN(const ProblemList mended, repair_volume(store, of_volume));
        mended_.add_all(mended);
      }
      tell("giving space back");
      // What cannot be given back is told by the check that follows.
      (void)store.reclaim_now();
      return {};
    });
  }

  /// Both slots have moved on by now: what neither knows, nobody knows.
  Result<void> remove_unknown_objects() {
    COWFS_ASSIGN(const StoreCheck structures, look());
    const StoreFacts& facts = structures.survey->facts();
    if (!structures.survey->lost().empty()) return {};
    for (const std::uint64_t number : facts.files) {
      if (facts.items.objects.contains(ObjectNumber{number})) continue;
      COWFS_TRY(storage_.remove({ArrayKind::kObject, number}));
    }
    return storage_.sync_names(ArrayKind::kObject);
  }

  void tell(std::string_view stage) {
    if (options_.progress) options_.progress(stage, 0, 0);
  }

  Storage& storage_;
  const FsckOptions& options_;
  ProblemList mended_;
  std::vector<LostNode> lost_;
};

}  // namespace

Result<ProblemList> repair_store(Storage& storage, const FsckOptions& options) {
  return Repair(storage, options).run();
}

}  // namespace cowfs
