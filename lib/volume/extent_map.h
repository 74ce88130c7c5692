// The extents of one file: looked up, cut, replaced and joined as part of a transaction.
//
// An edit loads the extents around a range of file blocks with their neighbours, is changed in
// memory, and at the end adds to a transaction what differs: puts, erases, and the release of every
// block that lost its extent.
//
// Invariants of a file's extents in the tree:
//  1. They do not overlap, and each lies in one window of 1 TiB.
//  2. Neighbours that follow each other in the file and in the object are one extent, where their
//  births allow it.
//  3. The sum of their blocks is the `blocks` of the inode's record.
//  4. The bytes of the last block past the end of the file are zero, or what a write that was cut
//  short left there; whoever moves
//     the end makes them zero first (file_change.h: clear_past_end). Nobody trusts them.
//
// Locks: the file's inode lock; shared for looking, exclusive for changing, from load() to the
// commit.
//
// Not here: where new blocks come from (new_blocks.h, own_object.h); reading and writing data; what
// names and attributes ask of data (file_data.h).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "lib/base/error.h"
#include "lib/base/ids.h"
#include "lib/store/extent.h"
#include "lib/store/store.h"

namespace cowfs {

inline constexpr std::uint64_t kWindowBlocks = kMaxExtentBlocks;          // of an own object
inline constexpr std::uint64_t kFileBlockLimit = std::uint64_t{1} << 51;  // file blocks are below
inline constexpr std::size_t kExtentsPerStep = 3000;  // looked at or changed under one tree lock

inline std::uint64_t block_of(std::uint64_t offset) { return offset >> kBlockShift; }
/// The first block boundary at or above `offset`, in blocks.
inline std::uint64_t blocks_for(std::uint64_t offset) {
  return (offset >> kBlockShift) + (offset % kBlockSize != 0 ? 1 : 0);
}
inline std::uint32_t window_of(std::uint64_t file_block) {
  return static_cast<std::uint32_t>(file_block / kWindowBlocks);
}

/// File blocks [first, end).
struct FileBlocks {
  std::uint64_t first = 0;
  std::uint64_t end = 0;

  bool empty() const { return first >= end; }
  std::uint64_t count() const { return empty() ? 0 : end - first; }
  friend bool operator==(const FileBlocks&, const FileBlocks&) = default;
};

/// The first `limit` extents that overlap `range`, whole, in order. kCorrupted where they break
/// invariant 1.
Result<std::vector<Extent>> find_extents(const TreeView& view, VolumeId volume, InodeNumber inode,
                                         FileBlocks range, std::size_t limit = kExtentsPerStep);

/// `range`, or its beginning where more than kExtentsPerStep extents lie in it: what one step may
/// change.
Result<FileBlocks> one_step_of(const TreeView& view, VolumeId volume, InodeNumber inode,
                               FileBlocks range);

/// The parts of `range` that no extent of `extents` covers.
std::vector<FileBlocks> holes_in(std::span<const Extent> extents, FileBlocks range);
/// The parts of `extents` that lie in `range`.
std::vector<Extent> clip_extents(std::span<const Extent> extents, FileBlocks range);

class ExtentEdit {
 public:
  /// Of no extents, for a change of the record alone.
  ExtentEdit(VolumeId volume, InodeNumber inode) : volume_(volume), inode_(inode) {}
  /// Loads the extents of `range` and its neighbours. The range holds at most about kExtentsPerStep
  /// of them (one_step_of).
  static Result<ExtentEdit> load(const TreeView& view, VolumeId volume, InodeNumber inode,
                                 FileBlocks range);

  /// The extents of the range and its neighbours as they are now.
  const std::vector<Extent>& extents() const { return after_; }

  // Ranges and extents are given in order and do not overlap.

  /// Makes the ranges holes; their blocks are released.
  void clear(std::span<const FileBlocks> ranges);
  void clear(FileBlocks range) { clear({&range, 1}); }
  /// Puts extents over whatever is there, the blocks of which are released. The new ones carry
  /// their own references; one that reaches into the next window is put as two.
  void replace(std::span<const Extent> extents);
  /// Marks the blocks of the ranges as maybe shared: never written in place again.
  void mark_shared(std::span<const FileBlocks> ranges);

  /// Joins neighbours and adds all that changed to the transaction. Returns by how much the file's
  /// count of blocks changes (modulo 2^64: to be added).
  std::uint64_t finish(Generation shared_at, Transaction& transaction);

 private:
  ExtentEdit(VolumeId volume, InodeNumber inode, std::vector<Extent> extents)
      : volume_(volume), inode_(inode), before_(extents), after_(std::move(extents)) {}

  /// Takes the ranges out of after_ and returns what was there.
  std::vector<Extent> cut(std::span<const FileBlocks> ranges);
  void insert(std::span<const Extent> extents);
  void join(Generation shared_at);

  VolumeId volume_;
  InodeNumber inode_;
  std::vector<Extent> before_;
  std::vector<Extent> after_;
  std::vector<BlockRange> released_;
};

}  // namespace cowfs
