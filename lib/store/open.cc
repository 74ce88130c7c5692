// Making a store and opening it: format, the choice of the superblock slot, recovery.
#include <algorithm>
#include <random>

#include "lib/journal/journal_reader.h"
#include "lib/store/block_data.h"
#include "lib/store/replay.h"
#include "lib/store/store.h"
#include "lib/store/store_core.h"

namespace cowfs {
namespace {

void tell_of_the_damaged_slot(const StoreOptions& options) {
  if (!options.on_background_error) return;
  options.on_background_error(
      {ErrorCode::kCorrupted,
       "one of the two slots of the superblock cannot be read, as after a power cut while it was "
       "written: the other one is used"});
}

Superblock new_superblock(const FormatOptions& options) {
  std::random_device device;
  std::mt19937_64 generator(options.seed ? *options.seed
                                         : (std::uint64_t{device()} << 32 | device()));
  Superblock s;
  for (auto& byte : s.store_id) byte = static_cast<std::uint8_t>(generator());
  s.name_seed = generator();
  s.created = now();
  if (options.data_checksums) s.incompatible |= kFeatureDataChecksums;
  return s;
}

// The store's bitmaps as one checkpoint has them.
Result<void> scan_bitmaps(
    StoreCore& core, NodePointer root,
    const std::function<bool(std::uint64_t segment, std::string_view bits)>& take) {
  TreeRoot tree_root{root, Generation{0}};
  bool sound = true;
  COWFS_TRY(Tree(core, tree_root)
                .scan(key_of(kStoreKeyInode, KeyKind::kNodeSegment).take(),
                      [&](std::string_view key, std::string_view value) {
                        if (kind_of(key) != KeyKind::kNodeSegment) return false;
                        ByteReader rest(rest_of(key));
                        sound = take(rest.be<std::uint64_t>(), value);
                        return sound;
                      }));
  if (!sound) return fail(ErrorCode::kCorrupted, "a bitmap of the node array makes no sense");
  return {};
}

Result<void> load_volumes(StoreCore& core) {
  bool sound = true;
  COWFS_TRY(core.store_tree().scan(key_of(kStoreKeyInode, KeyKind::kVolume).take(),
                                   [&](std::string_view key, std::string_view value) {
                                     if (kind_of(key) != KeyKind::kVolume) return false;
                                     auto record = decode_volume(key, value);
                                     sound = record.has_value();
                                     if (sound) core.volumes.add(std::move(*record));
                                     return sound;
                                   }));
  if (!sound) return fail(ErrorCode::kCorrupted, "the record of a volume makes no sense");
  return {};
}

Result<void> check_segments(Storage& storage, std::uint64_t count) {
  COWFS_ASSIGN(const auto present, storage.list(ArrayKind::kNodes));
  for (std::uint64_t segment = 0; segment < count; ++segment) {
    if (std::ranges::binary_search(present, segment)) continue;
    return fail(ErrorCode::kCorrupted,
                to_string({ArrayKind::kNodes, segment}) + " is missing from the store");
  }
  return {};
}

// Takes one superblock as the state of the store.
Result<void> adopt(StoreCore& core, const Superblock& superblock) {
  core.superblock = superblock;
  if ((superblock.incompatible & kFeatureDataChecksums) != 0) core.checksums.enable();
  core.store_root = {superblock.root, Generation{0}};
  core.fresh_after_generation = superblock.generation;
  core.generation = raw(superblock.generation) + 1;
  core.taken_checkpoint = superblock.checkpoint;
  core.next_volume = superblock.next_volume;
  core.next_inode = superblock.clean ? superblock.next_inode : superblock.inode_limit;
  core.inode_limit = core.next_inode.load();
  COWFS_TRY(check_segments(*core.storage, superblock.node_segments));
  core.nodes.set_segment_count(superblock.node_segments);
  core.objects.restore(superblock);
  COWFS_TRY(scan_bitmaps(core, superblock.root, [&](std::uint64_t segment, std::string_view bits) {
    return core.nodes.load_bitmap(segment, bits);
  }));
  COWFS_TRY(core.objects.load_in_flight(core.store_tree()));
  return load_volumes(core);
}

// What only the other slot refers to stays as it is until that slot is overwritten.
void hold_other_slot(StoreCore& core, const Superblock& other) {
  (void)scan_bitmaps(core, other.root, [&](std::uint64_t segment, std::string_view bits) {
    return core.nodes.hold_bitmap(segment, bits, core.superblock.checkpoint);
  });
}

// Applies what the journal holds beyond the checkpoint, through the same code that logged it.
Result<void> redo(StoreCore& core, JournalReader& journal) {
  ExclusiveLock lock(core.tree_lock);
  if (core.omits(Omit::kReplayLimit)) journal.count_everything();
  core.replaying = true;
  COWFS_TRY(
      journal.replay([&](const JournalRecord& record) { return replay_record(core, record); }));
  COWFS_TRY(core.objects.give_back_in_flight(core.store_tree()));
  core.group_commit.note_logged(journal.last());
  if (core.checksums.enabled() && !core.superblock.clean) {
    for (const std::string& body : journal.overwrites()) COWFS_TRY(core.declared.found(body));
    COWFS_ASSIGN(core.recomputed, recompute_checksums(core));
  }
  core.replaying = false;
  // Generations that a lost future has used are skipped.
  if (!core.superblock.clean) core.generation += kNumberStep;
  return {};
}

// Puts a store that is opened for writing in order: packs end where the last record says, files
// that nobody knows go, volumes that were deleted while in use are reclaimed; and a checkpoint
// reserves the numbers of this session.
Result<void> recover(StoreCore& core) {
  const bool clean = core.superblock.clean || core.omits(Omit::kPacksClosed);
  if (!clean) core.objects.set_cut_on_growth();
  {
    ExclusiveLock lock(core.tree_lock);
    if (!core.omits(Omit::kPacksClosed)) COWFS_TRY(core.objects.close_packs(core.store_tree()));
    std::vector<VolumeId> deleted;
    for (const auto& [id, volume] : core.volumes.all()) {
      if (volume->deleted()) deleted.push_back(id);
    }
    for (const VolumeId id : deleted) COWFS_TRY(core.reclaimer.begin_volume(id));
  }
  if (!clean) COWFS_TRY(core.objects.remove_unknown_objects(core.superblock.next_object));
  return core.checkpointer.force();
}

}  // namespace

Result<void> Store::format(Storage& storage, const FormatOptions& options) {
  COWFS_TRY(storage.create({ArrayKind::kSuperblock, 0}));
  // The storage is borrowed: a core wants one of its own, so format works on the parts that it
  // needs.
  struct Space final : NodeSpace {
    explicit Space(Storage& s) : nodes(s, 0) {}
    Result<NodeRef> load(NodePointer pointer) override { return nodes.load(pointer); }
    Result<NodeRef> allocate(unsigned level) override {
      return nodes.allocate(level, Generation{1});
    }
    Generation fresh_after() const override { return Generation{0}; }
    Result<bool> shared(NodeId) override { return false; }
    void add_reference(NodeId) override {}
    void drop_shared_reference(NodeId) override {}
    void free(NodePointer node) override { nodes.free(node, 1); }
    void leaf_copied(const Node&) override {}
    NodeArray nodes;
  } space(storage);
  Superblock superblock = new_superblock(options);
  COWFS_ASSIGN(TreeRoot store_root, Tree::create(space, Generation{0}));
  VolumeRecord main;
  main.id = kMainVolume;
  main.parent = kMainVolume;
  main.created = superblock.created;
  main.name = "main";
  COWFS_ASSIGN(main.root, Tree::create(space, Generation{0}));
  Tree tree(space, store_root);
  COWFS_TRY(tree.put(volume_key(kMainVolume), encode_volume(main)));
  // The tree is one leaf: putting the bitmap changes no bit of it.
  COWFS_TRY(tree.put(key_of(kStoreKeyInode, KeyKind::kNodeSegment).be(std::uint64_t{0}).take(),
                     space.nodes.bitmap(0)));
  superblock.checkpoint = 1;
  superblock.generation = Generation{1};
  superblock.root = store_root.root;
  superblock.node_segments = space.nodes.segment_count();
  superblock.object_limit = superblock.next_object + 2 * kNumberStep;
  superblock.inode_limit = superblock.next_inode + 2 * kNumberStep;
  superblock.clean = true;
  COWFS_TRY(space.nodes.write_frozen(space.nodes.freeze()));
  COWFS_TRY(write_superblock(storage, superblock));
  return storage.sync_names(ArrayKind::kSuperblock);
}

Result<std::unique_ptr<Store>> Store::open(std::unique_ptr<Storage> storage,
                                           const StoreOptions& options) {
  COWFS_ASSIGN(SuperblockSlots slots, read_superblocks(*storage));
  Superblock& newest = slots.valid.front();
  newest.clean = newest.clean && !slots.damaged;  // the damaged one may have come after it
  if (slots.damaged) tell_of_the_damaged_slot(options);
  if (newest.read_only_compatible & ~kKnownReadOnlyCompatible && !options.read_only) {
    return fail(ErrorCode::kNotAStore,
                "the store uses features of a newer version: it can only be mounted read-only");
  }
  auto core = std::make_unique<StoreCore>(std::move(storage), options);
  auto adopted = adopt(*core, newest);
  if (!adopted) return fail(adopted.error());
  if (slots.valid.size() > 1 && !core->omits(Omit::kOtherSlotHeld))
    hold_other_slot(*core, slots.valid[1]);
  core->nodes.demand_use();
  COWFS_ASSIGN(JournalReader journal,
               JournalReader::open(*core->storage, newest.store_id, newest.journal));
  COWFS_TRY(redo(*core, journal));
  if (!options.read_only) {
    const std::uint64_t needed_from = slots.valid.back().journal.sequence;
    COWFS_TRY(core->journal.begin(newest.store_id, journal.last(), journal.next_session(),
                                  journal.segments(needed_from)));
    COWFS_TRY(recover(*core));
    if (options.background) {
      core->checkpointer.start(options.commit_interval);
      core->reclaimer.start();
    }
  }
  return std::unique_ptr<Store>(new Store(std::move(core)));
}

}  // namespace cowfs
