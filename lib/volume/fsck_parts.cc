#include "lib/volume/fsck_parts.h"

#include "lib/store/object_space.h"
#include "lib/store/store.h"
#include "lib/volume/borrowed_storage.h"

namespace cowfs {

VolumeFacts facts_of_volume(const StoreFacts& store, const VolumeRecord& record) {
  VolumeFacts facts;
  facts.id = record.id;
  facts.name = record.name;
  facts.shared_at = record.root.shared_at;
  facts.name_seed = store.superblock.name_seed;
  facts.is_there = [&store](const BlockRange& range) {
    return range.first + range.count <= kOwnObjectBlocks && store.has_file(range.object);
  };
  facts.is_shared = [&store](const BlockRange& range) { return store.has_shared_block(range); };
  facts.is_own_object = [&store](ObjectNumber object, std::uint32_t window) {
    const auto found = store.items.objects.find(object);
    return found != store.items.objects.end() && found->second.kind == ObjectKind::kOwn &&
           found->second.window == window && store.has_file(object);
  };
  return facts;
}

Result<Superblock> recover_store(Storage& storage) {
  StoreOptions options;
  options.background = false;
  options.reserve_bytes = 0;
  COWFS_ASSIGN(auto store, Store::open(std::make_unique<BorrowedStorage>(storage), options));
  COWFS_TRY(store->close());
  COWFS_ASSIGN(SuperblockSlots slots, read_superblocks(storage));
  return slots.valid.front();
}

}  // namespace cowfs
