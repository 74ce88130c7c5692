// Physical memory: frames, their reference counts, and the free-frame list.
//
// Frames come from the free list lowest first. The zero frame (kZeroFrame) is not in the table:
// nobody counts its references.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "lib/sim/ids.h"

namespace cowfs::sim {

enum class FrameUse : std::uint8_t { kFree, kAnonymous, kCache };

/// A page of an object that a cache frame holds.
struct ObjectPage {
  ObjectId object{};
  std::uint32_t page = 0;
};

struct Frame {
  FrameUse use = FrameUse::kFree;
  std::uint32_t references = 0;  // entries that name it, the page cache's own, pins
  std::uint32_t pins = 0;
  bool exclusive = false;  // anonymous, and one process's alone: a write needs no look at the count
  bool dirty = false;      // modified since it was last the same as its backing store
  bool copied_at_fork = false;  // by a full-copy fork, and not used since
  std::optional<SlotId> slot;   // swap slot that holds the same bytes while it is clean
  ObjectPage owner;             // of a cache frame
  std::uint64_t loaded_at = 0;  // in the order of allocations
  std::uint64_t used_at = 0;    // in the order of accesses
  std::string bytes;
};

class FrameTable {
 public:
  FrameTable(std::uint32_t frames, std::uint32_t page_size);

  /// Takes a frame with one reference; its bytes are what they were. Nothing when none is free.
  std::optional<FrameId> allocate(FrameUse use);

  void add_reference(FrameId frame);

  /// True when it was the last one: the frame is in the free list now.
  bool drop_reference(FrameId frame);

  /// Puts it into the free list whatever its count says (a planted mistake does so too early).
  void release(FrameId frame);

  Frame& operator[](FrameId frame) { return frames_[raw(frame)]; }
  const Frame& operator[](FrameId frame) const { return frames_[raw(frame)]; }

  void touch(FrameId frame) { frames_[raw(frame)].used_at = ++uses_; }

  std::uint32_t total() const { return static_cast<std::uint32_t>(frames_.size()); }
  std::uint32_t used() const { return total() - static_cast<std::uint32_t>(free_list_.size()); }
  std::uint32_t peak() const { return peak_; }
  const std::vector<FrameId>& free_list() const { return free_list_; }  // highest first

 private:
  std::vector<Frame> frames_;
  std::vector<FrameId> free_list_;
  std::uint32_t page_size_;
  std::uint32_t peak_ = 0;
  std::uint64_t allocations_ = 0;
  std::uint64_t uses_ = 0;
};

}  // namespace cowfs::sim
