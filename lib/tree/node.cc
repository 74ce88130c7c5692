#include "lib/tree/node.h"

#include <algorithm>
#include <cstring>

#include "lib/base/check.h"
#include "lib/base/xxh3.h"

namespace cowfs {
namespace {

constexpr std::uint32_t kMagic = 0x4e574f43;  // "COWN"

std::string_view view(const std::byte* from, std::size_t size) {
  return {reinterpret_cast<const char*>(from), size};
}

std::uint64_t checksum(Bytes page) { return XXH3_64bits(page.data() + 8, page.size() - 8); }

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
  store_le(&page_[kMagicAt], kMagic);
  page_[kLevelAt] = static_cast<std::byte>(level);
  store_le(&page_[kIdAt], raw(id));
  store_le(&page_[kGenerationAt], raw(generation));
  set_u16(kHeapStartAt, kNodeSize);
}

std::string_view Node::key(std::size_t slot) const {
  const std::byte* cell = &page_[slot_offset(slot)];
  return view(cell + kCellHeader, load_le<std::uint16_t>(cell));
}

std::string_view Node::value(std::size_t slot) const {
  const std::byte* cell = &page_[slot_offset(slot)];
  return view(cell + kCellHeader + load_le<std::uint16_t>(cell), load_le<std::uint16_t>(cell + 2));
}

std::size_t Node::cell_size_at(std::size_t offset) const {
  const std::byte* cell = &page_[offset];
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

std::size_t Node::used_bytes() const {
  return 2 * count() + (kNodeSize - heap_start()) - dead_bytes();
}

std::size_t Node::add_cell(std::string_view key, std::string_view value) {
  const std::size_t offset = heap_start() - (kCellHeader + key.size() + value.size());
  std::byte* cell = &page_[offset];
  store_le(cell, static_cast<std::uint16_t>(key.size()));
  store_le(cell + 2, static_cast<std::uint16_t>(value.size()));
  std::ranges::copy(key, reinterpret_cast<char*>(cell + kCellHeader));
  std::ranges::copy(value, reinterpret_cast<char*>(cell + kCellHeader + key.size()));
  set_u16(kHeapStartAt, offset);
  return offset;
}

void Node::compact() {
  const Node old = *this;
  set_u16(kHeapStartAt, kNodeSize);
  set_u16(kDeadBytesAt, 0);
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
  set_u16(kCountAt, count() + 1);
}

bool Node::replace(std::size_t slot, std::string_view value) {
  std::byte* cell = &page_[slot_offset(slot)];
  const std::size_t key_size = load_le<std::uint16_t>(cell);
  if (load_le<std::uint16_t>(cell + 2) == value.size()) {
    std::ranges::copy(value, reinterpret_cast<char*>(cell + kCellHeader + key_size));
    return true;
  }
  const std::size_t old_size = cell_size(slot);
  if (used_bytes() - old_size + kCellHeader + key_size + value.size() > kNodeSize - kHeader)
    return false;
  const std::string key(this->key(slot));
  const std::string kept(value);  // `value` may lie in this page, which insert can compact
  erase(slot);
  insert(slot, key, kept);
  return true;
}

void Node::erase(std::size_t slot) {
  COWFS_CHECK(slot < count());
  set_u16(kDeadBytesAt, dead_bytes() + cell_size(slot));
  std::byte* at = &page_[kHeader + 2 * slot];
  std::memmove(at, at + 2, 2 * (count() - slot - 1));
  set_u16(kCountAt, count() - 1);
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

void Node::copy_as(NodePointer pointer, Node& to) const {
  to.page_ = page_;
  store_le(&to.page_[kIdAt], raw(pointer.id));
  store_le(&to.page_[kGenerationAt], raw(pointer.generation));
}

void Node::seal() { store_le(&page_[kChecksumAt], checksum(page_)); }

Result<void> Node::validate(NodePointer expected) const {
  const char* fault = fault_in_header();
  if (fault == nullptr && pointer() != expected) fault = "another node is in its place";
  if (fault == nullptr) fault = fault_in_items();
  if (fault != nullptr) return damaged(expected, fault);
  return {};
}

const char* Node::fault_in_header() const {
  if (load_le<std::uint32_t>(&page_[kMagicAt]) != kMagic) return "not a node";
  if (load_le<std::uint64_t>(&page_[kChecksumAt]) != checksum(page_)) return "checksum mismatch";
  if (level() >= kMaxTreeHeight || kHeader + 2 * count() > heap_start() ||
      heap_start() > kNodeSize) {
    return "impossible header";
  }
  if (!is_leaf() && count() == 0) return "an inner node without children";
  return nullptr;
}

const char* Node::fault_in_items() const {
  std::array<std::uint16_t, (kNodeSize - kHeader) / 2> offsets;
  const auto cells = std::span(offsets).first(count());
  std::size_t live = 0;
  for (std::size_t slot = 0; slot < count(); ++slot) {
    if (const char* fault = fault_in_item(slot)) return fault;
    cells[slot] = static_cast<std::uint16_t>(slot_offset(slot));
    live += cell_size(slot);
  }
  if (live + dead_bytes() != kNodeSize - heap_start()) return "cells do not add up";
  std::ranges::sort(cells);
  for (std::size_t i = 1; i < cells.size(); ++i) {
    if (cells[i - 1] + cell_size_at(cells[i - 1]) > cells[i]) return "cells overlap";
  }
  return nullptr;
}

// Looks only at what the slots before this one do not vouch for.
const char* Node::fault_in_item(std::size_t slot) const {
  const std::size_t at = slot_offset(slot);
  if (at < heap_start() || at + kCellHeader > kNodeSize) return "a cell outside of the page";
  const std::size_t key_size = load_le<std::uint16_t>(&page_[at]);
  const std::size_t value_size = load_le<std::uint16_t>(&page_[at + 2]);
  if (key_size > kMaxKeySize || value_size > kMaxValueSize || at + cell_size_at(at) > kNodeSize) {
    return "an item of impossible size";
  }
  if (is_leaf() && key_size == 0) return "an item without a key";
  if (!is_leaf() && value_size != kNodePointerSize) return "a child pointer of the wrong size";
  if (slot > 0 && key(slot - 1) >= key(slot)) return "keys out of order";
  return nullptr;
}

}  // namespace cowfs
