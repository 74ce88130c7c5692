#include "lib/store/store_repair.h"

#include <algorithm>

#include "lib/journal/journal_reader.h"
#include "lib/store/isolation.h"
#include "lib/store/journal_repair.h"
#include "lib/store/key_text.h"
#include "lib/store/node_array.h"
#include "lib/store/store_survey.h"
#include "lib/tree/tree.h"

namespace cowfs {
namespace {

/// Damages that cost something: what the store's own tree lost weighs more than anything else.
struct Losses {
  std::size_t of_store = 0;
  std::size_t of_volumes = 0;

  bool any() const { return of_store + of_volumes > 0; }
  friend auto operator<=>(const Losses&, const Losses&) = default;
};

Losses losses(const StoreSurvey& survey) {
  Losses losses;
  // Without a volume all is lost, however few nodes that took.
  if (survey.facts().items.volumes.empty()) losses.of_store = std::size_t{1} << 32;
  for (const auto& lost : survey.lost()) {
    if (lost.of_store) ++losses.of_store;
    else if (!lost.dropped) ++losses.of_volumes;
  }
  return losses;
}

/// The checkpoint that a repair begins with, and what is known of it.
struct Base {
  Superblock superblock;
  std::unique_ptr<NodeReader> nodes;
  std::unique_ptr<StoreSurvey> survey;
};

Result<Base> look_at(Storage& storage, const Superblock& superblock) {
  Base base{superblock, std::make_unique<NodeReader>(storage, superblock.node_segments), nullptr};
  COWFS_ASSIGN(StoreSurvey survey, StoreSurvey::make(*base.nodes, storage, superblock));
  base.survey = std::make_unique<StoreSurvey>(std::move(survey));
  return base;
}

Result<JournalReader> read_journal(Storage& storage, const Superblock& superblock) {
  return JournalReader::open(storage, superblock.store_id, superblock.journal,
                             JournalReader::OnDamage::kStop);
}

class StoreRepair {
 public:
  explicit StoreRepair(Storage& storage) : storage_(storage) {}

  Result<StructureRepair> run() {
    COWFS_TRY(choose_base());
    COWFS_TRY(begin());
    COWFS_TRY(repair_trees());
    COWFS_TRY(apply_journal());
    COWFS_TRY(correct());
    COWFS_TRY(write());
    return std::move(repair_);
  }

 private:
  Result<void> choose_base() {
    COWFS_ASSIGN(const SuperblockSlots slots, read_superblocks(storage_));
    COWFS_ASSIGN(base_, look_at(storage_, slots.valid.front()));
    base_.superblock.clean = base_.superblock.clean && !slots.damaged;
    std::uint64_t number = base_.superblock.checkpoint + 1;
    if (losses(*base_.survey).any() && slots.valid.size() > 1) {
      COWFS_ASSIGN(Base older, look_at(storage_, slots.valid[1]));
      if (losses(*older.survey) < losses(*base_.survey) &&
          leads_to(slots.valid[1], slots.valid[0])) {
        note(
            "the newest checkpoint is damaged: the one before it and the journal are used instead");
        base_ = std::move(older);
        base_.superblock.clean = false;
        number = slots.valid[0].checkpoint + 1;
        if (number % kSuperblockSlots == base_.superblock.checkpoint % kSuperblockSlots) ++number;
      }
    }
    next_ = base_.superblock;
    next_.checkpoint = number;
    next_.clean = false;
    return {};
  }

  /// Whether the journal leads from an older checkpoint past a newer one.
  bool leads_to(const Superblock& older, const Superblock& newer) {
    const auto journal = read_journal(storage_, older);
    return journal && !journal->damage() && journal->last() + 1 >= newer.journal.sequence;
  }

  /// New nodes lie past everything that either slot, or a left-over file, has.
  Result<void> begin() {
    COWFS_ASSIGN(const auto present, storage_.list(ArrayKind::kNodes));
    COWFS_ASSIGN(const SuperblockSlots slots, read_superblocks(storage_));
    std::uint64_t known = 0;
    for (const Superblock& slot : slots.valid) known = std::max(known, slot.node_segments);
    const auto past = std::ranges::lower_bound(present, known);
    std::uint64_t segments = past == present.begin() ? 0 : *std::prev(past) + 1;
    // One that has a bitmap is made anew, or the bitmap would make no sense.
    const auto& bitmaps = base_.survey->facts().items.bitmaps;
    const auto end = bitmaps.lower_bound(known);
    if (end != bitmaps.begin()) segments = std::max(segments, std::prev(end)->first + 1);
    // Each that is missing is made, for whoever opens the store counts them.
    if (segments - static_cast<std::uint64_t>(past - present.begin()) > kMostMissing) {
      return fail(ErrorCode::kCorrupted, "too many segments of the node array are missing");
    }
    const Generation newest = std::max(base_.superblock.generation, base_.survey->facts().newest);
    space_ = std::make_unique<RepairSpace>(storage_, segments, newest);
    return {};
  }

  /// What is put together from parts is looked at again, and taken out where it does not fit.
  Result<void> repair_trees() {
    constexpr int kTries = 4;
    COWFS_TRY(isolate_store(*base_.survey));
    COWFS_ASSIGN(StoreSurvey survey, StoreSurvey::make(*space_, storage_, next_));
    if (survey.facts().items.volumes.empty()) {
      return fail(ErrorCode::kCorrupted, "no record of a volume can be read: nothing was changed");
    }
    Foundlings foundlings(*space_, storage_, survey);
    for (int i = 0; i < kTries && losses(survey).any(); ++i) {
      COWFS_TRY(isolate_volumes(survey, i == 0 ? &foundlings : nullptr));
      COWFS_ASSIGN(survey, StoreSurvey::make(*space_, storage_, next_));
    }
    return {};
  }

  Result<void> isolate_store(const StoreSurvey& survey) {
    Isolation isolation(*space_, survey.store_nodes(), space_->fresh_after());
    COWFS_ASSIGN(next_.root, isolation.clean(next_.root));
    for (const auto& lost : survey.lost()) {
      if (lost.of_store) COWFS_TRY(salvage(lost.node));
    }
    return {};
  }

  /// What an older version of the store's tree says is better than nothing: most of it did not
  /// change, and counts are made anew.
  Result<void> salvage(const LostNode& lost) {
    const auto items =
        salvage_store_items(storage_, lost, base_.superblock.node_segments, space_->fresh_after());
    for (const auto& [key, value] : items) {
      const auto volume =
          kind_of(key) == KeyKind::kVolume ? decode_volume(key, value) : std::nullopt;
      if (kind_of(key) == KeyKind::kVolume) {
        if (!volume || !space_->load(volume->root.root)) continue;
        repair_.mended.add(
            {"volume", Severity::kLoss,
             "the volume's record is lost: an older one is taken, its last changes may be missing",
             volume->name});
      }
      COWFS_TRY(put(key, value));
    }
    return {};
  }

  Result<void> isolate_volumes(const StoreSurvey& survey, Foundlings* foundlings) {
    const StoreItems& items = survey.facts().items;
    Isolation isolation(*space_, survey.volume_nodes(), space_->fresh_after(), foundlings,
                        &survey.lost());
    // The youngest trees take first what was found: their nodes can be younger than those of the
    // others.
    std::vector<VolumeRecord> volumes;
    volumes.reserve(items.volumes.size());
    for (const auto& [id, record] : items.volumes) volumes.push_back(record);
    std::ranges::sort(volumes, std::greater{}, [](const VolumeRecord& v) {
      return std::pair(v.root.root.generation, v.id);
    });
    for (VolumeRecord& record : volumes) {
      COWFS_ASSIGN(const NodePointer root, isolation.clean(record.root.root));
      if (root == record.root.root) continue;
      record.root.root = root;
      COWFS_TRY(put(volume_key(record.id), encode_volume(record)));
    }
    for (const DroppedNode& dropped : items.dropped) {
      COWFS_ASSIGN(const NodePointer node, isolation.clean(dropped.pointer));
      if (node == dropped.pointer) continue;
      COWFS_ASSIGN(const NodeRef copy, space_->load(node));
      COWFS_TRY(put(dropped.key, std::nullopt));
      COWFS_TRY(put(dropped_node_key(copy->level(), node.id),
                    encode_dropped_node(node, dropped.references)));
    }
    report_isolation(survey, isolation, foundlings);
    return {};
  }

  void report_isolation(const StoreSurvey& survey, const Isolation& isolation,
                        const Foundlings* foundlings) {
    for (const LostNode& lost : isolation.emptied()) {
      repair_.lost.push_back(lost);
      const auto where = std::ranges::find_if(survey.lost(), [&](const auto& known) {
        return NodeWalk::key_of_lost(known.node) == NodeWalk::key_of_lost(lost);
      });
      if (where == survey.lost().end() || where->dropped) continue;
      const auto volume = survey.facts().items.volumes.find(where->volume);
      repair_.mended.add({"node-lost", Severity::kLoss,
                          "what a damaged node held is lost: " + describe_range(lost.from, lost.to),
                          volume == survey.facts().items.volumes.end() ? "" : volume->second.name});
    }
    if (isolation.rebuilt() == 0) return;
    note(std::to_string(isolation.rebuilt()) +
         " damaged inner nodes are put together again from the nodes below them");
    if (foundlings != nullptr && foundlings->unreadable() > 0) {
      repair_.mended.add({"node-lost", Severity::kLoss,
                          std::to_string(foundlings->unreadable()) +
                              " nodes below damaged ones cannot be read either"});
    }
  }

  Result<void> apply_journal() {
    auto journal = read_journal(storage_, base_.superblock);
    if (!journal) {
      return fail(ErrorCode::kIo, "the journal cannot be read: " + journal.error().text);
    }
    if (journal->damage()) {
      repair_.mended.add({"journal", Severity::kLoss,
                          *journal->damage() + ": what was done from there on is lost"});
    }
    next_.journal = {0, 0, journal->next_session()};
    COWFS_ASSIGN(const StoreSurvey survey, StoreSurvey::make(*space_, storage_, next_));
    space_->use_counts(survey.volume_nodes().tally());
    StoreItems items = survey.facts().items;
    const bool checksums = (base_.superblock.incompatible & kFeatureDataChecksums) != 0;
    JournalRepair changes(*space_, items, checksums);
    COWFS_TRY(journal->replay([&](const JournalRecord& record) { return changes.apply(record); }));
    repair_.mended.add_all(changes.problems());
    for (const VolumeId id : changes.changed_volumes())
      COWFS_TRY(put(volume_key(id), encode_volume(items.volumes.at(id))));
    for (const ObjectNumber object : changes.changed_objects()) {
      ObjectRecord record = items.objects.at(object);
      record.end_blocks = std::max(record.end_blocks, record.live_blocks);
      COWFS_TRY(put(object_key(object), encode_object(record)));
    }
    if (!base_.superblock.clean) {
      TreeRoot root{next_.root, Generation{0}};
      Tree tree(*space_, root);
      COWFS_TRY(changes.put_checksums(storage_, journal->overwrites(), tree));
      next_.root = root.root;
    }
    highest_inode_ = changes.highest_inode();
    data_ = changes.data();
    return {};
  }

  /// Counts all anew, and puts what differs.
  Result<void> correct() {
    next_.generation = std::max(next_.generation, space_->generation());
    COWFS_ASSIGN(const StoreSurvey survey, StoreSurvey::make(*space_, storage_, next_));
    if (losses(survey).any())
      return fail(ErrorCode::kCorrupted,
                  "the repaired trees are not whole: " + survey.lost().front().node.why);
    const StoreFacts& facts = survey.facts();
    std::vector<Mend> mends;
    const OnDifference differs = [&](Problem problem, std::vector<Mend> found) {
      // Counts that the repair itself has moved are no news.
      if (problem.severity == Severity::kLoss) repair_.mended.add(std::move(problem));
      std::ranges::move(found, std::back_inserter(mends));
    };
    const NodeTally& nodes = survey.volume_nodes().tally();
    compare_items(facts, differs);
    compare_node_counts(facts, nodes, differs);
    compare_block_counts(facts, differs);
    const std::uint64_t live = compare_objects(facts, differs);
    compare_ownership(facts, *space_, nodes, differs);
    const Superblock corrected = compare_superblock(facts, live, differs);
    const NodePointer root = next_.root;
    next_ = corrected;
    next_.root = root;
    for (const Mend& mend : mends) COWFS_TRY(put(mend.key, mend.value));
    for (const auto& lost : survey.lost())
      COWFS_TRY(forget_dropped(facts.items, lost.node.pointer));
    next_.object_limit = std::max(next_.object_limit, next_.next_object + kNumberStep);
    const std::uint64_t inode = std::max(facts.highest_inode, highest_inode_) + 1;
    next_.inode_limit = std::min(std::max(next_.inode_limit, inode + kNumberStep), kInodeLimit);
    return correct_bitmaps(facts, nodes);
  }

  /// A tree that was being given back and cannot be read: what it had counts as free already.
  Result<void> forget_dropped(const StoreItems& items, NodePointer node) {
    for (const DroppedNode& dropped : items.dropped) {
      if (dropped.pointer == node) COWFS_TRY(put(dropped.key, std::nullopt));
    }
    return {};
  }

  // Writing a bitmap can copy nodes of the store's tree, which changes bitmaps: each node is copied
  // once, so that this ends.
  Result<void> correct_bitmaps(const StoreFacts& found, const NodeTally& volume_nodes) {
    StoreFacts facts;
    facts.superblock = next_;
    facts.items.bitmaps = found.items.bitmaps;
    for (bool changed = true; changed;) {
      NodeWalk store(*space_, NodeWalk::Kind::kTree);
      store.walk(next_.root, [](const Node&) {});
      std::vector<Mend> mends;
      compare_bitmaps(
          facts, volume_nodes, store.tally(),
          [&](const Problem&, std::vector<Mend> bitmaps) { mends = std::move(bitmaps); });
      for (const Mend& mend : mends) {
        COWFS_TRY(put(mend.key, mend.value));
        facts.items.bitmaps[ByteReader(rest_of(mend.key)).be<std::uint64_t>()] = *mend.value;
      }
      changed = !mends.empty();
    }
    return {};
  }

  Result<void> write() {
    next_.node_segments = space_->segment_count();
    next_.generation = std::max(next_.generation, space_->generation());
    for (const ObjectNumber object : data_) {
      auto synced = storage_.sync({ArrayKind::kObject, raw(object)});
      if (!synced && synced.error().code != ErrorCode::kNotFound) return synced;
    }
    COWFS_TRY(storage_.sync_names(ArrayKind::kObject));
    COWFS_TRY(space_->write(next_.node_segments));
    COWFS_TRY(write_superblock(storage_, next_));
    repair_.superblock = next_;
    return {};
  }

  Result<void> put(const std::string& key, const std::optional<std::string>& value) {
    TreeRoot root{next_.root, Generation{0}};
    Tree tree(*space_, root);
    auto done = value ? tree.put(key, *value) : tree.erase(key);
    next_.root = root.root;
    return done;
  }

  void note(std::string text) {
    repair_.mended.add({"node-lost", Severity::kNote, std::move(text)});
  }

  static constexpr std::uint64_t kMostMissing = 65536;  // segments

  Storage& storage_;
  StructureRepair repair_;
  Base base_;
  Superblock next_;  // as it will be written
  std::unique_ptr<RepairSpace> space_;
  std::set<ObjectNumber> data_;
  std::uint64_t highest_inode_ = 0;
};

}  // namespace

Result<StructureRepair> repair_structures(Storage& storage) { return StoreRepair(storage).run(); }

}  // namespace cowfs
