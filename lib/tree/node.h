// A node of the copy-on-write B+tree: one page of 4 KiB, the same bytes in memory and on the host.
//
//   0          8       12     13     14     16        24           32      34      36     48
//   | checksum | magic | level| flags| count| node id | generation | heap  | dead  | zero | slots
//   | u64      | u32   | u8   | u8   | u16  | u64     | u64        | start | bytes |      | u16 ...
//                                                                  | u16   | u16   |
//
//      ... free ... | cells, each: key size u16 | value size u16 | key | value
//                   ^                                                         ^
//                   heap start                                   the page's end
//
// Slots are sorted by key and give the offset of their cell; cells fill the page from its end
// downward. `heap start` is the lowest offset of a cell, `dead bytes` what erased cells left
// behind. The checksum is XXH3-64 of all that follows it (bytes 8 to 4095).
//
// Invariants of a valid node:
//  1. Keys are strictly ascending (byte order), at most kMaxKeySize bytes, in a leaf not empty;
//     values at most kMaxValueSize bytes.
//  2. Slots, cells and free space do not overlap; every cell lies between heap start and the
//     page's end.
//  3. In an inner node (level > 0) each value is one NodePointer and the key is a lower bound of
//     all keys below it. Its first key is the one that its parent has for it; on the left edge of
//     the tree that is the empty key.
//
// Not here: where nodes come from and who shares them (node_space.h), the tree (tree.h).
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string_view>

#include "lib/base/bytes.h"
#include "lib/base/error.h"
#include "lib/base/ids.h"

namespace cowfs {

inline constexpr std::size_t kMaxKeySize = 280;    // bytes
inline constexpr std::size_t kMaxValueSize = 640;  // bytes
inline constexpr unsigned kMaxTreeHeight = 16;     // levels

/// Names a node and the very version of it that is meant.
struct NodePointer {
  NodeId id = kNoNode;
  Generation generation{0};

  friend bool operator==(const NodePointer&, const NodePointer&) = default;
};

inline constexpr std::size_t kNodePointerSize = 16;
std::string encode_pointer(NodePointer pointer);
NodePointer decode_pointer(std::string_view value);  // value: kNodePointerSize bytes

class Node {
 public:
  Node() = default;
  Node(NodeId id, Generation generation, unsigned level);

  unsigned level() const { return std::to_integer<unsigned>(page_[kLevelAt]); }
  bool is_leaf() const { return level() == 0; }
  std::size_t count() const { return load_le<std::uint16_t>(&page_[kCountAt]); }
  NodePointer pointer() const {
    return {NodeId{load_le<std::uint64_t>(&page_[kIdAt])},
            Generation{load_le<std::uint64_t>(&page_[kGenerationAt])}};
  }

  std::string_view key(std::size_t slot) const;
  std::string_view value(std::size_t slot) const;
  /// The child of an inner node.
  NodePointer child(std::size_t slot) const { return decode_pointer(value(slot)); }

  /// The first slot whose key is not below `key` (count() when there is none).
  std::size_t lower_bound(std::string_view key) const;
  bool key_at(std::size_t slot, std::string_view key) const {
    return slot < count() && this->key(slot) == key;
  }
  /// The slot of an inner node whose subtree may hold `key`.
  std::size_t child_slot(std::string_view key) const;

  /// Whether an item of these sizes fits (after compaction, which insert does by itself).
  bool fits(std::size_t key_size, std::size_t value_size) const;
  /// Bytes in use by slots and live cells, and by one of them.
  std::size_t used_bytes() const;
  std::size_t item_bytes(std::size_t slot) const { return 2 + cell_size(slot); }

  /// Puts a new item at `slot`; it must fit and keep the order. Key and value must not lie in this
  /// node.
  void insert(std::size_t slot, std::string_view key, std::string_view value);
  /// Gives an item another value; false (and nothing done) where it does not fit.
  bool replace(std::size_t slot, std::string_view value);
  void erase(std::size_t slot);
  void set_child(std::size_t slot, NodePointer pointer);
  /// Moves the items from `slot` on to the end of `to`.
  void move_tail(std::size_t slot, Node& to);

  /// This node's bytes as another node.
  void copy_as(NodePointer pointer, Node& to) const;

  /// Writes the checksum; the page is then ready for the host.
  void seal();
  /// Whether the page is a valid node with this id and generation (all invariants that one node can
  /// show).
  Result<void> validate(NodePointer expected) const;

  Bytes page() const { return page_; }
  MutableBytes mutable_page() { return page_; }

 private:
  std::size_t slot_offset(std::size_t slot) const {
    return load_le<std::uint16_t>(&page_[kHeader + 2 * slot]);
  }
  std::size_t heap_start() const { return load_le<std::uint16_t>(&page_[kHeapStartAt]); }
  std::size_t dead_bytes() const { return load_le<std::uint16_t>(&page_[kDeadBytesAt]); }
  std::size_t cell_size_at(std::size_t offset) const;
  std::size_t cell_size(std::size_t slot) const { return cell_size_at(slot_offset(slot)); }
  void set_u16(std::size_t at, std::size_t value) {
    store_le(&page_[at], static_cast<std::uint16_t>(value));
  }
  void compact();
  std::size_t add_cell(std::string_view key, std::string_view value);
  const char* fault_in_header() const;
  const char* fault_in_items() const;
  const char* fault_in_item(std::size_t slot) const;

  static constexpr std::size_t kChecksumAt = 0;
  static constexpr std::size_t kMagicAt = 8;
  static constexpr std::size_t kLevelAt = 12;
  static constexpr std::size_t kCountAt = 14;
  static constexpr std::size_t kIdAt = 16;
  static constexpr std::size_t kGenerationAt = 24;
  static constexpr std::size_t kHeapStartAt = 32;
  static constexpr std::size_t kDeadBytesAt = 34;
  static constexpr std::size_t kHeader = 48;
  static constexpr std::size_t kCellHeader = 4;

  alignas(64) std::array<std::byte, kNodeSize> page_{};
};

using NodeRef = std::shared_ptr<Node>;

}  // namespace cowfs
