// What a node says to bytes that are not a valid node: an error, whatever they are; and what it
// calls valid is safe to use.
#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <random>
#include <vector>

#include "lib/tree/node.h"
#include "tests/support/sanitized.h"
#include "tests/tree/node_pointer.h"

namespace cowfs {
namespace {

constexpr std::size_t kSlots = 48;

// On the heap and as large as its page: AddressSanitizer sees a read past its end.
std::unique_ptr<Node> sample(unsigned level, std::mt19937_64& random) {
  auto node = std::make_unique<Node>(kPointer.id, kPointer.generation, level);
  for (int i = 0; i < 40; ++i) {
    const std::string key(1 + random() % 30, static_cast<char>('a' + random() % 26));
    const std::string value = level > 0 ? encode_pointer({NodeId{random()}, Generation{random()}})
                                        : std::string(random() % 100, static_cast<char>(random()));
    const std::size_t slot = node->lower_bound(key);
    if (!node->key_at(slot, key)) node->insert(slot, key, value);
  }
  for (int i = 0; i < 5; ++i) node->erase(random() % node->count());
  node->seal();
  return node;
}

std::string fault_of(const Node& node) {
  const auto result = node.validate(kPointer);
  if (result) return "";
  EXPECT_EQ(result.error().code, ErrorCode::kCorrupted);
  return result.error().text;
}

std::size_t u16_at(Node& node, std::size_t at) {
  return load_le<std::uint16_t>(&node.mutable_page()[at]);
}
void set_u16(Node& node, std::size_t at, std::size_t value) {
  store_le(&node.mutable_page()[at], static_cast<std::uint16_t>(value));
}

TEST(NodeDamage, EveryFlippedByteIsAnError) {
  std::mt19937_64 random(2);
  for (const unsigned level : {0u, 3u}) {
    const auto node = sample(level, random);
    ASSERT_EQ(fault_of(*node), "");
    for (std::size_t at = 0; at < kNodeSize; ++at) {
      for (const int flip : {0x01, 0x80, 0xff}) {
        const std::byte old = node->page()[at];
        node->mutable_page()[at] ^= static_cast<std::byte>(flip);
        EXPECT_NE(fault_of(*node), "") << "byte " << at;
        node->mutable_page()[at] = old;
      }
    }
  }
}

TEST(NodeDamage, APageOfZeroesOrOnesIsNoNode) {
  for (const std::byte fill : {std::byte{0}, std::byte{0xff}}) {
    Node node;
    std::ranges::fill(node.mutable_page(), fill);
    EXPECT_NE(fault_of(node), "");
    node.seal();
    EXPECT_NE(fault_of(node), "");
  }
}

struct Damage {
  const char* name;
  unsigned level;
  std::function<void(Node&)> make;
  const char* said;
};

// Cell of a slot, of a node that was made by make_target.
std::size_t cell(Node& node, std::size_t slot) { return u16_at(node, kSlots + 2 * slot); }

std::unique_ptr<Node> make_target(unsigned level) {
  auto node = std::make_unique<Node>(kPointer.id, kPointer.generation, level);
  for (const char* key : {"ant", "bee", "cow", "dog"}) {
    node->insert(node->count(), key, encode_pointer({NodeId{1}, Generation{2}}));
  }
  return node;
}

class NodeDamageClass : public testing::TestWithParam<Damage> {};

TEST_P(NodeDamageClass, IsRefusedUnderAGoodChecksum) {
  const auto node = make_target(GetParam().level);
  node->seal();
  ASSERT_EQ(fault_of(*node), "");
  GetParam().make(*node);
  node->seal();
  EXPECT_NE(fault_of(*node).find(GetParam().said), std::string::npos) << fault_of(*node);
}

const Damage kDamages[] = {
    {"Magic", 0, [](Node& n) { n.mutable_page()[8] ^= std::byte{1}; }, "not a node"},
    {"Id", 0, [](Node& n) { n.mutable_page()[16] ^= std::byte{1}; }, "another node"},
    {"Generation", 0, [](Node& n) { n.mutable_page()[24] ^= std::byte{1}; }, "another node"},
    {"Level", 1, [](Node& n) { n.mutable_page()[12] = std::byte{kMaxTreeHeight}; },
     "impossible header"},
    {"Count", 0, [](Node& n) { set_u16(n, 14, 0xffff); }, "impossible header"},
    {"HeapStartAmongSlots", 0, [](Node& n) { set_u16(n, 32, kSlots + 6); }, "impossible header"},
    {"HeapStartPastTheEnd", 0, [](Node& n) { set_u16(n, 32, kNodeSize + 1); }, "impossible header"},
    {"HeapStartAboveACell", 0, [](Node& n) { set_u16(n, 32, u16_at(n, 32) + 1); },
     "outside of the page"},
    {"HeapStartTooLow", 0, [](Node& n) { set_u16(n, 32, u16_at(n, 32) - 1); }, "do not add up"},
    {"DeadBytes", 0, [](Node& n) { set_u16(n, 34, 1); }, "do not add up"},
    {"CellInTheHeader", 0, [](Node& n) { set_u16(n, kSlots, 8); }, "outside of the page"},
    {"CellAtTheVeryEnd", 0, [](Node& n) { set_u16(n, kSlots, kNodeSize - 3); },
     "outside of the page"},
    {"CellOverTheEnd", 0, [](Node& n) { set_u16(n, cell(n, 0) + 2, 17); }, "impossible size"},
    {"KeySize", 0, [](Node& n) { set_u16(n, cell(n, 3), kMaxKeySize + 1); }, "impossible size"},
    {"ValueSize", 0, [](Node& n) { set_u16(n, cell(n, 3) + 2, kMaxValueSize + 1); },
     "impossible size"},
    {"EmptyKeyInALeaf", 0, [](Node& n) { set_u16(n, cell(n, 0), 0); }, "without a key"},
    {"Order", 0,
     [](Node& n) {
       n.mutable_page()[cell(n, 1) + 4] = std::byte{'a'};
       n.mutable_page()[cell(n, 1) + 5] = std::byte{'a'};
     },
     "out of order"},
    {"SameKeyTwice", 0, [](Node& n) { set_u16(n, kSlots + 2, cell(n, 0)); }, "out of order"},
    {"ChildPointerSize", 1, [](Node& n) { set_u16(n, cell(n, 3) + 2, 15); }, "wrong size"},
    {"InnerNodeWithoutChildren", 1,
     [](Node& n) {
       while (n.count() > 0) n.erase(0);
     },
     "without children"},
    {"Overlap", 0,
     [](Node& n) {
       // The cell of "dog" grows over that of "cow", and what is lost is called dead.
       set_u16(n, cell(n, 3) + 2, 16 + 23);
       set_u16(n, 32, u16_at(n, 32) - 23);
     },
     "overlap"},
};

INSTANTIATE_TEST_SUITE_P(All, NodeDamageClass, testing::ValuesIn(kDamages),
                         [](const auto& tested) { return std::string(tested.param.name); });

// Touches all that is reachable through the interface.
void use(Node& node, std::mt19937_64& random) {
  std::size_t sum = 0;
  for (std::size_t slot = 0; slot < node.count(); ++slot) {
    for (const char c : node.key(slot)) sum += static_cast<unsigned char>(c);
    for (const char c : node.value(slot)) sum += static_cast<unsigned char>(c);
    if (!node.is_leaf()) sum += raw(node.child(slot).id);
  }
  EXPECT_GE(sum, 0u);
  const std::string key(1 + random() % kMaxKeySize, static_cast<char>(random()));
  const std::string value(node.is_leaf() ? random() % kMaxValueSize : kNodePointerSize, 'v');
  const std::size_t slot = node.lower_bound(key);
  if (!node.is_leaf()) {
    EXPECT_LT(node.child_slot(key), node.count());
  }
  if (!node.key_at(slot, key) && node.fits(key.size(), value.size())) node.insert(slot, key, value);
  if (node.count() > 0) node.replace(random() % node.count(), value);
  Node other(kPointer.id, kPointer.generation, node.level());
  node.move_tail(node.count() / 2, other);
  if (node.count() > 1) node.erase(random() % node.count());
}

TEST(NodeDamage, WhatPassesValidationIsSafeToUse) {
  std::mt19937_64 random(3);
  int passed = 0;
  for (int round = 0; round < fewer_if_sanitized(100'000); ++round) {
    auto node =
        sample(random() % 2 == 0 ? 0 : static_cast<unsigned>(random() % kMaxTreeHeight), random);
    std::vector<std::size_t> cells;
    for (std::size_t slot = 0; slot < node->count(); ++slot) cells.push_back(cell(*node, slot));
    for (std::size_t left = 1 + random() % 3; left > 0; --left) {
      // Mostly where structure is: header, slots, sizes of cells.
      std::size_t at = random() % kNodeSize;
      if (random() % 4 > 0) at = 12 + random() % 124;
      if (random() % 3 == 0) at = cells[random() % cells.size()] + random() % 4;
      node->mutable_page()[at] =
          static_cast<std::byte>(random() % 2 == 0 ? random() : random() % 8);
    }
    node->seal();
    if (!node->validate(kPointer)) continue;
    ++passed;
    use(*node, random);
    node->seal();
    EXPECT_EQ(fault_of(*node), "");
  }
  EXPECT_GT(passed, fewer_if_sanitized(1'000));
}

}  // namespace
}  // namespace cowfs
