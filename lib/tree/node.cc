#include "lib/tree/node.h"

#include <xxhash.h>

#include <algorithm>
#include <cstring>

#include "lib/base/check.h"

namespace cowfs {
namespace {

constexpr std::uint32_t kMagic = 0x4e574f43;  // "COWN"

std::string_view view(const std::byte* from, std::size_t size) {
  return {reinterpret_cast<const char*>(from), size};
}

std::uint64_t checksum(Bytes page) { return XXH3_64bits(page.data() + 16, page.size() - 16); }

std::unexpected<Error> damaged(NodePointer node, const char* what) {
  return fail(ErrorCode::kCorrupted, "node " + std::to_string(raw(node.id)) + " of generation " +
                                         std::to_string(raw(node.generation)) + ": " + what);
}

}  // namespace

std::string encode_pointer(NodePointer pointer) {
  return ByteWriter().le(raw(pointer.id)).le(raw(pointer.generation)).take();
}

NodePointer decode_pointer(std::string_view value) {
  COWFS_CHECK(value.size() == kNodePointerSize);
  ByteReader reader(value);
  const NodeId id{reader.le<std::uint64_t>()};
  return {id, Generation{reader.le<std::uint64_t>()}};
}

Node::Node(NodeId id, Generation generation, unsigned level) {
  store_le(&page_[0], kMagic);
  page_[4] = static_cast<std::byte>(level);
  store_le(&page_[16], raw(id));
  store_le(&page_[24], raw(generation));
  set_u16(32, kNodeSize);
}

std::string_view Node::key(std::size_t slot) const {
  const std::byte* cell = &page_[slot_offset(slot)];
  return view(cell + kCellHeader, load_le<std::uint16_t>(cell));
}

std::string_view Node::value(std::size_t slot) const {
  const std::byte* cell = &page_[slot_offset(slot)];
  return view(cell + kCellHeader + load_le<std::uint16_t>(cell), load_le<std::uint16_t>(cell + 2));
}

std::size_t Node::cell_size(std::size_t slot) const {
  const std::byte* cell = &page_[slot_offset(slot)];
  return kCellHeader + load_le<std::uint16_t>(cell) + load_le<std::uint16_t>(cell + 2);
}

std::size_t Node::lower_bound(std::string_view key) const {
  std::size_t low = 0;
  std::size_t high = count();
  while (low < high) {
    const std::size_t middle = (low + high) / 2;
    if (this->key(middle) < key) low = middle + 1;
    else high = middle;
  }
  return low;
}

std::size_t Node::child_slot(std::string_view key) const {
  const std::size_t slot = lower_bound(key);
  if (key_at(slot, key)) return slot;
  return slot == 0 ? 0 : slot - 1;
}

bool Node::fits(std::size_t key_size, std::size_t value_size) const {
  return used_bytes() + 2 + kCellHeader + key_size + value_size <= kNodeSize - kHeader;
}

std::size_t Node::used_bytes() const { return 2 * count() + (kNodeSize - heap_start()) - dead_bytes(); }

std::size_t Node::add_cell(std::string_view key, std::string_view value) {
  const std::size_t offset = heap_start() - (kCellHeader + key.size() + value.size());
  std::byte* cell = &page_[offset];
  store_le(cell, static_cast<std::uint16_t>(key.size()));
  store_le(cell + 2, static_cast<std::uint16_t>(value.size()));
  std::memcpy(cell + kCellHeader, key.data(), key.size());
  std::memcpy(cell + kCellHeader + key.size(), value.data(), value.size());
  set_u16(32, offset);
  return offset;
}

void Node::compact() {
  const Node old = *this;
  set_u16(32, kNodeSize);
  set_u16(34, 0);
  for (std::size_t slot = 0; slot < old.count(); ++slot) {
    set_u16(kHeader + 2 * slot, add_cell(old.key(slot), old.value(slot)));
  }
}

void Node::insert(std::size_t slot, std::string_view key, std::string_view value) {
  COWFS_CHECK(fits(key.size(), value.size()) && slot <= count());
  const std::size_t needed = 2 + kCellHeader + key.size() + value.size();
  if (heap_start() - (kHeader + 2 * count()) < needed) compact();
  std::byte* at = &page_[kHeader + 2 * slot];
  std::memmove(at + 2, at, 2 * (count() - slot));
  set_u16(kHeader + 2 * slot, add_cell(key, value));
  set_u16(6, count() + 1);
}

bool Node::replace(std::size_t slot, std::string_view value) {
  std::byte* cell = &page_[slot_offset(slot)];
  const std::size_t key_size = load_le<std::uint16_t>(cell);
  if (load_le<std::uint16_t>(cell + 2) == value.size()) {
    std::memcpy(cell + kCellHeader + key_size, value.data(), value.size());
    return true;
  }
  const std::size_t old_size = cell_size(slot);
  if (used_bytes() - old_size + kCellHeader + key_size + value.size() > kNodeSize - kHeader) return false;
  const std::string key(this->key(slot));
  const std::string kept(value);  // `value` may lie in this page, which insert can compact
  erase(slot);
  insert(slot, key, kept);
  return true;
}

void Node::erase(std::size_t slot) {
  COWFS_CHECK(slot < count());
  set_u16(34, dead_bytes() + cell_size(slot));
  std::byte* at = &page_[kHeader + 2 * slot];
  std::memmove(at, at + 2, 2 * (count() - slot - 1));
  set_u16(6, count() - 1);
}

void Node::set_child(std::size_t slot, NodePointer pointer) {
  const bool replaced = replace(slot, encode_pointer(pointer));
  COWFS_CHECK(replaced);
}

void Node::move_tail(std::size_t slot, Node& to) {
  const std::size_t total = count();
  for (std::size_t i = slot; i < total; ++i) to.insert(to.count(), key(i), value(i));
  for (std::size_t i = total; i > slot; --i) erase(i - 1);
}

void Node::copy_as(NodeId id, Generation generation, Node& to) const {
  to.page_ = page_;
  store_le(&to.page_[16], raw(id));
  store_le(&to.page_[24], raw(generation));
}

void Node::seal() { store_le(&page_[8], checksum(page_)); }

Result<void> Node::validate(NodePointer expected) const {
  if (load_le<std::uint32_t>(&page_[0]) != kMagic) return damaged(expected, "not a node");
  if (load_le<std::uint64_t>(&page_[8]) != checksum(page_)) return damaged(expected, "checksum mismatch");
  if (pointer() != expected) return damaged(expected, "another node is in its place");
  const std::size_t slots_end = kHeader + 2 * count();
  if (level() >= kMaxTreeHeight || slots_end > heap_start() || heap_start() > kNodeSize) {
    return damaged(expected, "impossible header");
  }
  if (!is_leaf() && count() == 0) return damaged(expected, "an inner node without children");
  std::size_t live = 0;
  for (std::size_t slot = 0; slot < count(); ++slot) {
    const std::size_t at = slot_offset(slot);
    if (at < heap_start() || at + kCellHeader > kNodeSize) return damaged(expected, "a cell outside of the page");
    const std::size_t key_size = load_le<std::uint16_t>(&page_[at]);
    const std::size_t value_size = load_le<std::uint16_t>(&page_[at + 2]);
    if (key_size > kMaxKeySize || value_size > kMaxValueSize || at + cell_size(slot) > kNodeSize) {
      return damaged(expected, "an item of impossible size");
    }
    if (!is_leaf() && value_size != kNodePointerSize) return damaged(expected, "a child pointer of the wrong size");
    if (slot > 0 && !(key(slot - 1) < key(slot))) return damaged(expected, "keys out of order");
    live += cell_size(slot);
  }
  if (live + dead_bytes() != kNodeSize - heap_start()) return damaged(expected, "cells do not add up");
  return {};
}

}  // namespace cowfs
