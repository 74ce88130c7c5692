// One transaction: a set of puts and erases on volumes' trees and of references to blocks, all or
// nothing.
//
// It names blocks and decides nothing: the same transaction, applied to the same state, gives the
// same state. That is what the journal holds and recovery replays.
//
// Block references: a block that Store::allocate gave out has one reference, which belongs to the
// extent that is put for it. retain() adds one for each further extent that a clone puts; release()
// takes away the one of an extent (or a part of one) that is erased.
#pragma once

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "lib/base/request_context.h"
#include "lib/store/extent.h"

namespace cowfs {

inline constexpr std::size_t kMaxTransactionBytes = std::size_t{1} << 20;

class Transaction {
 public:
  struct Change {
    VolumeId volume;
    std::string key;
    std::optional<std::string> value;  // nothing: erase
  };

  Transaction() = default;
  explicit Transaction(const RequestContext& context) : request_id_(context.request_id) {}

  void put(VolumeId volume, std::string key, std::string value) {
    size_ += key.size() + value.size() + 16;
    changes_.push_back({volume, std::move(key), std::move(value)});
  }
  void erase(VolumeId volume, std::string key) {
    size_ += key.size() + 16;
    changes_.push_back({volume, std::move(key), std::nullopt});
  }
  void retain(const BlockRange& range) {
    size_ += 32;
    retained_.push_back(range);
  }
  void release(const BlockRange& range) {
    size_ += 32;
    released_.push_back(range);
  }
  /// Blocks of this object were written in place before this transaction, for it.
  void overwrote(ObjectNumber object) {
    if (std::ranges::find(overwritten_, object) == overwritten_.end())
      overwritten_.push_back(object);
  }
  /// Nothing but times follows from the writing in place: nobody else's sync has to wait for it.
  void only_overwrites() { only_overwrites_ = true; }
  /// Lets this transaction change a read-only volume: for orphans that were forked with it, nothing
  /// else.
  void allow_read_only() { allow_read_only_ = true; }
  /// Frees things only: it may use the space that is kept back for deletes.
  void frees_space() { frees_space_ = true; }

  bool empty() const { return changes_.empty() && retained_.empty() && released_.empty(); }
  std::size_t size_bytes() const { return size_; }
  /// Whether it should be committed before more is added.
  bool nearly_full() const { return size_ > kMaxTransactionBytes / 2; }

  std::uint64_t request_id() const { return request_id_; }
  const std::vector<Change>& changes() const { return changes_; }
  const std::vector<BlockRange>& retained() const { return retained_; }
  const std::vector<BlockRange>& released() const { return released_; }
  const std::vector<ObjectNumber>& overwritten() const { return overwritten_; }
  bool overwrites_only() const { return only_overwrites_; }
  bool read_only_allowed() const { return allow_read_only_; }
  bool only_frees() const { return frees_space_; }

 private:
  std::uint64_t request_id_ = 0;
  std::vector<Change> changes_;
  std::vector<BlockRange> retained_;
  std::vector<BlockRange> released_;
  std::vector<ObjectNumber> overwritten_;
  std::size_t size_ = 0;
  bool only_overwrites_ = false;
  bool allow_read_only_ = false;
  bool frees_space_ = false;
};

}  // namespace cowfs
