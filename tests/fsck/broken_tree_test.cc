// Trees whose nodes are each whole, with right checksums, and do not fit together: each way is
// found, and mended at the cost of what is told.
#include <gmock/gmock.h>

#include "lib/store/node_array.h"
#include "lib/store/node_reader.h"
#include "lib/store/store_survey.h"
#include "lib/store/superblock.h"
#include "tests/fsck/mending.h"
#include "tests/support/result_matchers.h"

namespace cowfs {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::Field;
using testing::HasSubstr;

/// Nodes of a closed store by level, which are changed on the host.
class TreeEditor {
 public:
  explicit TreeEditor(MemoryStorage& storage)
      : storage_(storage), superblock_(read_superblocks(storage)->valid.front()) {
    NodeReader nodes(storage, superblock_.node_segments);
    const auto survey = StoreSurvey::make(nodes, storage, superblock_);
    EXPECT_THAT(survey, IsOk());
    const auto note = [](std::vector<NodePointer>& parents) {
      return [&parents](NodeId id, const NodeTally::Entry& entry) {
        if (entry.level == 1) parents.push_back({id, entry.generation});
      };
    };
    survey->volume_nodes().tally().for_each(note(of_volumes_));
    survey->store_nodes().tally().for_each(note(of_store_));
  }

  /// Parents of leaves that have three children at least.
  std::vector<Node> parents() { return with_children(of_volumes_); }
  std::vector<Node> parents_in_store_tree() { return with_children(of_store_); }
  Node load(NodePointer pointer) {
    NodeReader nodes(storage_, superblock_.node_segments);
    const auto node = nodes.load(pointer);
    EXPECT_THAT(node, IsOk());
    return node ? **node : Node();
  }
  void store(Node& node) {
    node.seal();
    const std::uint64_t id = raw(node.pointer().id);
    EXPECT_THAT(storage_.write({ArrayKind::kNodes, id / kNodesPerSegment},
                               id % kNodesPerSegment * kNodeSize, node.page()),
                IsOk());
  }
  /// Another key for an item.
  void rename(Node& node, std::size_t slot, const std::string& key) {
    const std::string value(node.value(slot));
    node.erase(slot);
    node.insert(slot, key, value);
    store(node);
  }

 private:
  std::vector<Node> with_children(const std::vector<NodePointer>& pointers) {
    std::vector<Node> found;
    for (const NodePointer& pointer : pointers) {
      Node node = load(pointer);
      if (node.count() >= 3) found.push_back(node);
    }
    EXPECT_FALSE(found.empty());
    return found;
  }

  MemoryStorage& storage_;
  Superblock superblock_;
  std::vector<NodePointer> of_volumes_;
  std::vector<NodePointer> of_store_;
};

struct Misfit {
  const char* name;
  void (*make)(TreeEditor&);
  const char* why;
};

void PrintTo(const Misfit& misfit, std::ostream* out) { *out << misfit.name; }

class BrokenTree : public testing::TestWithParam<Misfit> {};

TEST_P(BrokenTree, IsFoundAndMended) {
  static const TestStore made = make_test_store(Ending::kClosed);
  TestStore store{copy_of(*made.storage), made.contents};
  TreeEditor editor(*store.storage);
  GetParam().make(editor);
  Outcome outcome;
  mend(*store.storage, outcome);
  EXPECT_THAT(outcome.found.kept(),
              Contains(AllOf(Field(&Problem::code, std::string_view("node-damaged")),
                             Field(&Problem::text, HasSubstr(GetParam().why)))))
      << text_of(outcome.found);
  ASSERT_FALSE(outcome.given_up);
  expect_only_reported_losses(store, outcome);
}

const Misfit kMisfits[] = {
    {"a_leaf_reaches_beyond_its_neighbour",
     [](TreeEditor& e) {
       const Node parent = e.parents().front();
       Node leaf = e.load(parent.child(1));
       e.rename(leaf, leaf.count() - 1, std::string(parent.key(2)) + "z");
     },
     "it reaches too far"},
    {"a_leaf_begins_before_its_neighbour_ends",
     [](TreeEditor& e) {
       const Node parent = e.parents().front();
       Node leaf = e.load(parent.child(2));
       const Node before = e.load(parent.child(1));
       e.rename(leaf, 0, std::string(before.key(before.count() - 1)) + std::string(1, '\0'));
     },
     "it begins elsewhere than its parent says"},
    {"a_neighbour_is_in_a_leafs_place",
     [](TreeEditor& e) {
       Node parent = e.parents().front();
       parent.set_child(1, parent.child(2));
       e.store(parent);
     },
     "it reaches too far"},
    {"a_neighbour_that_was_seen_is_in_a_leafs_place",
     [](TreeEditor& e) {
       Node parent = e.parents().front();
       parent.set_child(2, parent.child(1));
       e.store(parent);
     },
     "it begins elsewhere than its parent says"},
    {"an_inner_node_is_in_a_leafs_place",
     [](TreeEditor& e) {
       std::vector<Node> parents = e.parents();
       ASSERT_GE(parents.size(), 2u);
       parents[0].set_child(1, parents[1].pointer());
       e.store(parents[0]);
       parents[1].set_child(1, parents[0].pointer());
       e.store(parents[1]);
     },
     "it is of a wrong level"},
    {"a_node_that_is_elsewhere_on_another_level_is_in_a_leafs_place",
     [](TreeEditor& e) {
       Node parent = e.parents().front();
       parent.set_child(1, parent.pointer());
       e.store(parent);
     },
     "another node is in its place"},
    {"the_stores_tree_leads_to_a_leaf_twice",
     [](TreeEditor& e) {
       Node parent = e.parents_in_store_tree().front();
       parent.set_child(1, parent.child(0));
       e.store(parent);
     },
     "the tree leads to it twice"},
    {"a_volume_leads_into_the_stores_tree",
     [](TreeEditor& e) {
       Node parent = e.parents().front();
       parent.set_child(1, e.parents_in_store_tree().front().child(0));
       e.store(parent);
     },
     "it belongs to the store's own tree"},
};

INSTANTIATE_TEST_SUITE_P(All, BrokenTree, testing::ValuesIn(kMisfits),
                         [](const auto& param) { return param.param.name; });

}  // namespace
}  // namespace cowfs
