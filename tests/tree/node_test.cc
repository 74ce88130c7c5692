#include "lib/tree/node.h"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <vector>

#include "tests/tree/node_pointer.h"

namespace cowfs {
namespace {

using Items = std::map<std::string, std::string>;

Node make_node(unsigned level = 0) { return Node(kPointer.id, kPointer.generation, level); }

Items items_of(const Node& node) {
  Items items;
  for (std::size_t slot = 0; slot < node.count(); ++slot)
    items.emplace(node.key(slot), node.value(slot));
  return items;
}

bool valid(const Node& node) {
  Node sealed = node;
  sealed.seal();
  return sealed.validate(kPointer).has_value();
}

void put(Node& node, const std::string& key, const std::string& value) {
  node.insert(node.lower_bound(key), key, value);
}

TEST(Node, IsExactlyOnePage) { EXPECT_EQ(sizeof(Node), kNodeSize); }

TEST(Node, KeepsItsItemsInOrder) {
  Node node = make_node();
  for (const char* key : {"m", "a", "z", "mm", "b"}) put(node, key, std::string(key) + "!");
  ASSERT_EQ(node.count(), 5u);
  for (std::size_t slot = 1; slot < 5; ++slot) EXPECT_LT(node.key(slot - 1), node.key(slot));
  EXPECT_EQ(node.value(node.lower_bound("mm")), "mm!");
  EXPECT_EQ(node.pointer(), kPointer);
  EXPECT_TRUE(valid(node));
}

TEST(Node, FindsTheFirstSlotNotBelowAKey) {
  Node node = make_node();
  for (const char* key : {"b", "d", "f"}) put(node, key, "");
  EXPECT_EQ(node.lower_bound("a"), 0u);
  EXPECT_EQ(node.lower_bound("b"), 0u);
  EXPECT_EQ(node.lower_bound("c"), 1u);
  EXPECT_EQ(node.lower_bound("f"), 2u);
  EXPECT_EQ(node.lower_bound("g"), 3u);
  EXPECT_TRUE(node.key_at(1, "d"));
  EXPECT_FALSE(node.key_at(3, "g"));
}

TEST(Node, ComparesKeysAsUnsignedBytes) {
  Node node = make_node();
  put(node, "\xff", "high");
  put(node, "a", "low");
  put(node, std::string("a\0", 2), "longer");
  EXPECT_EQ(node.key(0), "a");
  EXPECT_EQ(node.key(1), std::string_view("a\0", 2));
  EXPECT_EQ(node.key(2), "\xff");
}

TEST(Node, TakesTheChildWhoseBoundIsAtOrBelowTheKey) {
  Node node = make_node(1);
  put(node, "", encode_pointer({NodeId{1}, Generation{1}}));
  put(node, "k", encode_pointer({NodeId{2}, Generation{1}}));
  EXPECT_EQ(node.child_slot("a"), 0u);
  EXPECT_EQ(node.child_slot("k"), 1u);
  EXPECT_EQ(node.child_slot("z"), 1u);
  EXPECT_EQ(node.child(1), (NodePointer{NodeId{2}, Generation{1}}));
  node.set_child(1, {NodeId{3}, Generation{5}});
  EXPECT_EQ(node.child(1), (NodePointer{NodeId{3}, Generation{5}}));
}

TEST(Node, SaysExactlyWhatFits) {
  Node node = make_node();
  for (char key = 'a'; key < 'g'; ++key) put(node, std::string(1, key), std::string(600, 'v'));
  const std::size_t left = kNodeSize - 48 - node.used_bytes();
  EXPECT_TRUE(node.fits(1, left - 7));
  EXPECT_FALSE(node.fits(1, left - 6));
  put(node, "x", std::string(left - 7, 'x'));
  EXPECT_EQ(node.used_bytes(), kNodeSize - 48);
  EXPECT_TRUE(valid(node));
}

TEST(Node, RefusesAValueThatDoesNotFitAndKeepsTheOld) {
  Node node = make_node();
  for (char key = 'a'; key < 'g'; ++key) put(node, std::string(1, key), std::string(640, 'v'));
  const Items before = items_of(node);
  put(node, "h", "");
  EXPECT_FALSE(node.replace(node.lower_bound("h"), std::string(640, 'x')));
  EXPECT_EQ(node.value(node.lower_bound("h")), "");
  node.erase(node.lower_bound("h"));
  EXPECT_EQ(items_of(node), before);
}

TEST(Node, ReplacesByAValueOfItsOwn) {
  Node node = make_node();
  for (char key = 'a'; key < 'g'; ++key) put(node, std::string(1, key), std::string(600, key));
  ASSERT_TRUE(node.replace(0, node.value(5).substr(0, 599)));
  EXPECT_EQ(node.value(0), std::string(599, 'f'));
  EXPECT_TRUE(valid(node));
}

TEST(Node, MovesItsTailToAnother) {
  Node left = make_node();
  for (char key = 'a'; key < 'k'; ++key) put(left, std::string(1, key), "v");
  Node right = make_node();
  left.move_tail(6, right);
  EXPECT_EQ(left.count(), 6u);
  EXPECT_EQ(right.count(), 4u);
  EXPECT_EQ(right.key(0), "g");
  EXPECT_TRUE(valid(left));
  EXPECT_TRUE(valid(right));
}

TEST(Node, HoldsWhatAMapHoldsThroughRandomChanges) {
  std::mt19937_64 random(1);
  Node node = make_node();
  Items expected;
  for (int step = 0; step < 200'000; ++step) {
    const std::string key(1 + random() % (random() % 8 == 0 ? 280 : 4),
                          static_cast<char>('a' + random() % 6));
    const std::string value(random() % (random() % 8 == 0 ? 641 : 60),
                            static_cast<char>('A' + random() % 26));
    const std::size_t slot = node.lower_bound(key);
    ASSERT_EQ(node.key_at(slot, key), expected.contains(key));
    if (!expected.contains(key)) {
      if (!node.fits(key.size(), value.size())) continue;
      node.insert(slot, key, value);
      expected[key] = value;
    } else if (random() % 2 == 0) {
      node.erase(slot);
      expected.erase(key);
    } else if (node.replace(slot, value)) {
      expected[key] = value;
    }
    if (step % 64 == 0) {
      ASSERT_EQ(items_of(node), expected) << "step " << step;
      ASSERT_TRUE(valid(node)) << "step " << step;
    }
  }
}

TEST(Node, CopyHasTheSameItemsAndAnotherName) {
  Node node = make_node();
  put(node, "key", "value");
  Node copy;
  node.copy_as({NodeId{8}, Generation{10}}, copy);
  EXPECT_EQ(items_of(copy), items_of(node));
  copy.seal();
  EXPECT_TRUE(copy.validate({NodeId{8}, Generation{10}}));
  EXPECT_FALSE(copy.validate(kPointer));
}

}  // namespace
}  // namespace cowfs
