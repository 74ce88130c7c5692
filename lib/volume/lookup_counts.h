// How often each inode was told to the kernel: a hash table of 8 bytes a slot.
//
// Open addressing with linear probing; a slot holds 40 bits of inode number and 24 bits of count,
// what a count has beyond that lies apart. The table is between 1/8 and 3/4 full, so that a million
// inodes take about 16 MiB, and it shrinks when the kernel forgets. The memory of an empty table is
// nothing.
//
// Not thread-safe: lib/volume/inode_table.h has one for each of its shards, under the shard's lock.
#pragma once

#include <cstddef>
#include <cstdint>
#include <unordered_map>
#include <vector>

#include "lib/base/ids.h"

namespace cowfs {

class LookupCounts {
 public:
  void add(InodeNumber inode, std::uint64_t count);
  /// Takes `count` back, at most what there is. Returns whether nothing is left.
  bool subtract(InodeNumber inode, std::uint64_t count);
  bool contains(InodeNumber inode) const;

  std::size_t size() const { return used_; }
  std::size_t memory_bytes() const { return slots_.capacity() * sizeof(std::uint64_t); }

 private:
  std::size_t home_of(InodeNumber inode) const;
  /// The slot of an inode, or the empty one where it would go. The table is not empty.
  std::size_t find(InodeNumber inode) const;
  void resize(std::size_t capacity);
  void remove_slot(std::size_t slot);

  std::vector<std::uint64_t> slots_;  // inode << 24 | count; 0: empty. A power of two of them
  std::size_t used_ = 0;
  std::unordered_map<InodeNumber, std::uint64_t> beyond_;  // the part of a count above kMaxCount
};

}  // namespace cowfs
