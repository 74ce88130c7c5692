// Items of the store's own tree, and of the superblock, that are wrong though every checksum is
// right: each is found, mended without any loss, and does no harm before that.
#include <gmock/gmock.h>

#include <functional>

#include "lib/store/checksum_item.h"
#include "lib/store/node_array.h"
#include "lib/store/node_counts.h"
#include "lib/store/node_reader.h"
#include "lib/store/records.h"
#include "lib/store/superblock.h"
#include "tests/fsck/damaged_store.h"
#include "tests/support/result_matchers.h"

namespace cowfs {
namespace {

using testing::Contains;
using testing::Field;
using testing::IsEmpty;

/// A closed store's own tree, which is edited on the host.
class StoreEditor {
 public:
  explicit StoreEditor(MemoryStorage& storage)
      : storage_(storage), superblock_(read_superblocks(storage)->valid.front()) {}

  /// All items of a kind.
  std::vector<Tree::Item> items(KeyKind kind) {
    NodeReader nodes(storage_, superblock_.node_segments);
    TreeRoot root{superblock_.root, Generation{0}};
    std::vector<Tree::Item> found;
    const std::string prefix = key_of(kStoreKeyInode, kind).take();
    EXPECT_THAT(Tree(nodes, root)
                    .scan(prefix,
                          [&](std::string_view key, std::string_view value) {
                            if (!has_prefix(key, prefix)) return false;
                            found.push_back({std::string(key), std::string(value)});
                            return true;
                          }),
                IsOk());
    return found;
  }

  /// Nothing: erase. A new item must have room in its leaf.
  void put(const std::string& key, std::optional<std::string> value) {
    NodeReader nodes(storage_, superblock_.node_segments);
    NodeRef node = *nodes.load(superblock_.root);
    while (!node->is_leaf()) node = *nodes.load(node->child(node->child_slot(key)));
    Node leaf = *node;
    const std::size_t slot = leaf.lower_bound(key);
    if (leaf.key_at(slot, key)) leaf.erase(slot);
    if (value) leaf.insert(slot, key, *value);
    leaf.seal();
    const std::uint64_t id = raw(leaf.pointer().id);
    EXPECT_THAT(storage_.write({ArrayKind::kNodes, id / kNodesPerSegment},
                               id % kNodesPerSegment * kNodeSize, leaf.page()),
                IsOk());
  }

  void change_superblock(const std::function<void(Superblock&)>& change) {
    change(superblock_);
    EXPECT_THAT(write_superblock(storage_, superblock_), IsOk());
  }

  ObjectRecord first_object(std::string& key) {
    const Tree::Item item = items(KeyKind::kObject).front();
    key = item.key;
    return *decode_object(item.value);
  }

 private:
  MemoryStorage& storage_;
  Superblock superblock_;
};

struct Wrong {
  const char* name;
  std::function<void(StoreEditor&)> make;
  const char* code;
};

void PrintTo(const Wrong& wrong, std::ostream* out) { *out << wrong.name; }

class BrokenStore : public testing::TestWithParam<Wrong> {};

TEST_P(BrokenStore, IsFoundAndMendedWithoutLoss) {
  static TestStore made = make_test_store(Ending::kClosed);
  TestStore store{copy_of(*made.storage), made.contents};
  StoreEditor editor(*store.storage);
  GetParam().make(editor);
  const auto found = check_store(*store.storage);
  ASSERT_THAT(found, IsOk());
  EXPECT_THAT(found->problems.kept(), Contains(Field(&Problem::code, GetParam().code)))
      << text_of(found->problems);
  EXPECT_EQ(found->problems.count(Severity::kLoss), 0u) << text_of(found->problems);
  ASSERT_THAT(repair_store(*store.storage), IsOk());
  const auto after = check_store(*store.storage);
  ASSERT_THAT(after, IsOk());
  EXPECT_TRUE(after->problems.clean()) << text_of(found->problems) << "left:\n"
                                       << text_of(after->problems);
  Contents contents = read_all(*store.storage);
  // A volume that had the name of another one is there under a new name.
  if (GetParam().code == std::string("volume-name")) contents["after"] = contents.at("volume-4");
  EXPECT_THAT(differences(store.contents, contents), IsEmpty());
}

void change_object(StoreEditor& e, const std::function<void(ObjectRecord&)>& change) {
  std::string key;
  ObjectRecord record = e.first_object(key);
  change(record);
  e.put(key, encode_object(record));
}

const Wrong kWrongs[] = {
    {"live_blocks_too_many",
     [](StoreEditor& e) { change_object(e, [](ObjectRecord& r) { ++r.live_blocks; }); }, "object"},
    {"live_blocks_too_few",
     [](StoreEditor& e) { change_object(e, [](ObjectRecord& r) { r.live_blocks = 1; }); },
     "object"},
    {"an_object_ends_too_early",
     [](StoreEditor& e) {
       change_object(e, [](ObjectRecord& r) { r.end_blocks = r.live_blocks = 1; });
     },
     "object"},
    {"an_object_has_no_record",
     [](StoreEditor& e) { e.put(e.items(KeyKind::kObject).front().key, std::nullopt); }, "object"},
    {"a_record_makes_no_sense",
     [](StoreEditor& e) { e.put(e.items(KeyKind::kObject).front().key, "?"); }, "item"},
    {"an_object_of_nobody",
     [](StoreEditor& e) {
       ObjectRecord record;
       record.sealed = true;
       e.put(object_key(ObjectNumber{50}), encode_object(record));
     },
     "object"},
    {"a_block_count_is_gone",
     [](StoreEditor& e) { e.put(e.items(KeyKind::kBlockCount).front().key, std::nullopt); },
     "block-count"},
    {"a_block_count_is_too_high",
     [](StoreEditor& e) {
       const auto item = e.items(KeyKind::kBlockCount).front();
       BlockCountRun run = *decode_block_count(item.key, item.value);
       run.references += 5;
       e.put(item.key, encode_block_count(run));
     },
     "block-count"},
    {"blocks_are_counted_that_nobody_shares",
     [](StoreEditor& e) {
       e.put(block_count_key(ObjectNumber{1}, 16000),
             encode_block_count({{ObjectNumber{1}, 16000, 3}, 2}));
     },
     "block-count"},
    {"a_node_count_is_gone",
     [](StoreEditor& e) { e.put(e.items(KeyKind::kNodeCount).front().key, std::nullopt); },
     "node-count"},
    {"a_node_count_is_wrong",
     [](StoreEditor& e) { e.put(e.items(KeyKind::kNodeCount).front().key, encode_node_count(9)); },
     "node-count"},
    {"a_node_is_counted_that_is_nowhere",
     [](StoreEditor& e) { e.put(node_count_key(NodeId{900}), encode_node_count(2)); },
     "node-count"},
    {"nodes_in_use_are_not_marked",
     [](StoreEditor& e) {
       e.put(e.items(KeyKind::kNodeSegment).front().key, std::string(kSegmentBitmapSize, '\0'));
     },
     "node-bitmap"},
    {"all_nodes_are_marked",
     [](StoreEditor& e) {
       e.put(e.items(KeyKind::kNodeSegment).front().key, std::string(kSegmentBitmapSize, '\xff'));
     },
     "node-bitmap"},
    {"live_blocks_are_to_be_freed",
     [](StoreEditor& e) {
       const PendingFree pending{1, {ObjectNumber{1}, 0, 20}};
       e.put(pending_free_key(pending), encode_pending_free(pending));
     },
     "pending-free"},
    {"a_live_object_is_to_be_removed",
     [](StoreEditor& e) {
       const PendingFree pending{1, {ObjectNumber{1}, 0, 0}};
       e.put(pending_free_key(pending), encode_pending_free(pending));
     },
     "pending-free"},
    {"live_blocks_are_on_their_way",
     [](StoreEditor& e) {
       const PendingFree pending{kInFlight, {ObjectNumber{1}, 3, 4}};
       e.put(pending_free_key(pending), encode_pending_free(pending));
     },
     "pending-free"},
    {"a_pending_free_is_endless",
     [](StoreEditor& e) {
       const PendingFree pending{1, {ObjectNumber{1}, 3, ~std::uint64_t{0}}};
       e.put(pending_free_key(pending), encode_pending_free(pending));
     },
     "pending-free"},
    {"a_volume_has_a_name_twice",
     [](StoreEditor& e) {
       const auto item = e.items(KeyKind::kVolume).back();
       VolumeRecord record = *decode_volume(item.key, item.value);
       record.name = "main";
       e.put(item.key, encode_volume(record));
     },
     "volume-name"},
    {"checksums_of_nobody",
     [](StoreEditor& e) {
       ChecksumItem item{ObjectNumber{77777}, 128, {}};
       item.checksums[3] = 5;
       e.put(checksum_key(item.object, item.first), encode_checksums(item));
     },
     "checksum-leak"},
    {"an_item_of_an_inode",
     [](StoreEditor& e) { e.put(key_of(std::uint64_t{5}, KeyKind::kInode).take(), "x"); }, "item"},
    {"the_superblock_counts_wrong",
     [](StoreEditor& e) { e.change_superblock([](Superblock& s) { s.live_blocks += 7; }); },
     "superblock-value"},
    {"the_next_inode_is_one_in_use",
     [](StoreEditor& e) { e.change_superblock([](Superblock& s) { s.next_inode = 20; }); },
     "superblock-value"},
    {"the_next_object_is_one_in_use",
     [](StoreEditor& e) { e.change_superblock([](Superblock& s) { s.next_object = 1; }); },
     "superblock-value"},
    {"the_next_volume_is_one_in_use",
     [](StoreEditor& e) { e.change_superblock([](Superblock& s) { s.next_volume = 1; }); },
     "superblock-value"},
    {"an_open_pack_is_none",
     [](StoreEditor& e) { e.change_superblock([](Superblock& s) { s.open_packs[3] = 4711; }); },
     "superblock-value"},
    {"the_generation_is_old",
     [](StoreEditor& e) {
       e.change_superblock([](Superblock& s) { s.generation = Generation{2}; });
     },
     "superblock-value"},
    {"young_nodes_are_shared",
     [](StoreEditor& e) {
       const auto item = e.items(KeyKind::kVolume).front();
       VolumeRecord record = *decode_volume(item.key, item.value);
       record.root.shared_at = Generation{0};
       e.put(item.key, encode_volume(record));
     },
     "ownership"},
};

INSTANTIATE_TEST_SUITE_P(All, BrokenStore, testing::ValuesIn(kWrongs),
                         [](const auto& param) { return param.param.name; });

}  // namespace
}  // namespace cowfs
