// Checksums of data blocks: noted when blocks are written, kept in the store's tree, asked for when
// blocks are read.
//
// What was noted since the last checkpoint waits in memory (by items of 128 blocks) and goes into
// the tree with the next one; until then the journal has the checksums of new blocks, and
// DeclaredOverwrites the ranges in which blocks were overwritten in place.
//
// A block that is known to have been written without its checksum (a write that failed half way)
// has kNoChecksum: it is not verified.
//
// Locks: `mutex_` is a leaf. Calls with a tree hold the tree lock, exclusively where the tree
// changes.
#pragma once

#include <bitset>
#include <map>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "lib/base/mutex.h"
#include "lib/store/checksum_item.h"
#include "lib/tree/tree.h"

namespace cowfs {

class BlockChecksums {
 public:
  /// For a store that keeps checksums; before the first use. Without it all calls do nothing and
  /// find nothing.
  void enable() { enabled_ = true; }
  bool enabled() const { return enabled_; }

  /// These whole blocks lie at `first` and up of an object now.
  void note(ObjectNumber object, std::uint64_t first, Bytes blocks);
  /// The same, computed before: of a journal's record.
  void note(ObjectNumber object, std::uint64_t first, std::span<const std::uint32_t> checksums);
  /// Nobody knows what these blocks hold.
  void forget(const BlockRange& range);

  /// One checksum a block, kNoChecksum where none is known. Tree lock shared. kCorrupted: an item
  /// makes no sense.
  Result<std::vector<std::uint32_t>> find(const Tree& store_tree, const BlockRange& range) const;

  /// Puts what was noted into the tree, at most `limit` items. After an error what is left waits
  /// on.
  Result<void> apply(Tree& store_tree, std::size_t limit = ~std::size_t{0});
  /// Items that wait for apply().
  std::size_t pending() const;

  /// Erases the checksums of blocks that nobody refers to any more, some items at a time; true:
  /// call again. `range` with count 0: the whole object.
  Result<bool> erase_some(Tree& store_tree, const BlockRange& range);

 private:
  using Place = std::pair<ObjectNumber, std::uint64_t>;  // object, first block of the item
  struct Noted {
    std::array<std::uint32_t, kChecksumsInItem> checksums{};
    std::bitset<kChecksumsInItem> known;
  };

  template <typename ChecksumOf>
  void note_each(ObjectNumber object, std::uint64_t first, std::uint64_t count,
                 const ChecksumOf& checksum_of);
  Result<void> apply_item(Tree& store_tree, Place place, const Noted& noted);
  std::vector<std::pair<Place, Noted>> take_noted(std::size_t limit);
  void take_back(std::span<const std::pair<Place, Noted>> items);
  void drop_noted(const BlockRange& range);

  bool enabled_ = false;
  mutable SharedMutex mutex_;
  std::map<Place, Noted> noted_ COWFS_GUARDED_BY(mutex_);
  Place applied_to_ COWFS_GUARDED_BY(mutex_){};  // where the last apply() with a limit ended
};

}  // namespace cowfs
