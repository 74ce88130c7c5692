#include "lib/volume/lookup_counts.h"

#include <algorithm>
#include <bit>
#include <utility>

#include "lib/base/check.h"

namespace cowfs {
namespace {

constexpr unsigned kCountBits = 24;
constexpr std::uint64_t kMaxCount = (std::uint64_t{1} << kCountBits) - 1;
constexpr std::size_t kLeastSlots = 16;

InodeNumber inode_in(std::uint64_t slot) { return InodeNumber{slot >> kCountBits}; }
std::uint64_t count_in(std::uint64_t slot) { return slot & kMaxCount; }
std::uint64_t slot_of(InodeNumber inode, std::uint64_t count) {
  return raw(inode) << kCountBits | count;
}

}  // namespace

// Multiplicative hashing (Knuth, "The Art of Computer Programming" 3, 6.4): the upper bits are the
// well mixed ones.
std::size_t LookupCounts::home_of(InodeNumber inode) const {
  const int bits = std::countr_zero(slots_.size());
  return static_cast<std::size_t>((raw(inode) * 0x9E3779B97F4A7C15u) >> (64 - bits));
}

std::size_t LookupCounts::find(InodeNumber inode) const {
  const std::size_t mask = slots_.size() - 1;
  std::size_t slot = home_of(inode);
  while (slots_[slot] != 0 && inode_in(slots_[slot]) != inode) slot = (slot + 1) & mask;
  return slot;
}

void LookupCounts::resize(std::size_t capacity) {
  std::vector<std::uint64_t> old = std::exchange(slots_, std::vector<std::uint64_t>(capacity));
  for (const std::uint64_t slot : old) {
    if (slot != 0) slots_[find(inode_in(slot))] = slot;
  }
}

void LookupCounts::add(InodeNumber inode, std::uint64_t count) {
  COWFS_CHECK(raw(inode) != 0 && raw(inode) < kInodeLimit);
  if (count == 0) return;
  if (slots_.empty()) resize(kLeastSlots);
  std::size_t slot = find(inode);
  if (slots_[slot] == 0) {
    if ((used_ + 1) * 4 > slots_.size() * 3) {
      resize(slots_.size() * 2);
      slot = find(inode);
    }
    ++used_;
    slots_[slot] = slot_of(inode, 0);
  }
  const std::uint64_t here = std::min(count, kMaxCount - count_in(slots_[slot]));
  slots_[slot] += here;
  if (here < count) beyond_[inode] += count - here;
}

bool LookupCounts::subtract(InodeNumber inode, std::uint64_t count) {
  if (!contains(inode)) return true;
  if (const auto found = beyond_.find(inode); found != beyond_.end()) {
    const std::uint64_t part = std::min(count, found->second);
    count -= part;
    found->second -= part;
    if (found->second == 0) beyond_.erase(found);
  }
  const std::size_t slot = find(inode);
  if (count < count_in(slots_[slot])) {
    slots_[slot] -= count;
    return false;
  }
  remove_slot(slot);
  return true;
}

bool LookupCounts::contains(InodeNumber inode) const {
  return !slots_.empty() && slots_[find(inode)] != 0;
}

// Closes the gap by moving back what would not be found across it, so that no tombstones are
// needed.
void LookupCounts::remove_slot(std::size_t slot) {
  const std::size_t mask = slots_.size() - 1;
  std::size_t gap = slot;
  for (std::size_t next = (gap + 1) & mask; slots_[next] != 0; next = (next + 1) & mask) {
    const std::size_t home = home_of(inode_in(slots_[next]));
    if (((next - home) & mask) < ((next - gap) & mask)) continue;  // its home lies after the gap
    slots_[gap] = slots_[next];
    gap = next;
  }
  slots_[gap] = 0;
  --used_;
  if (used_ == 0) slots_ = std::vector<std::uint64_t>();
  else if (slots_.size() > kLeastSlots && used_ * 8 < slots_.size()) resize(slots_.size() / 2);
}

}  // namespace cowfs
