// The swap area: slots for pages that have no file, with reference counts.
//
// A slot is in use while entries (or pages of memory objects) name it, or while the frame that was
// read from it still has the same bytes: then replacing that frame again needs no write. Such a
// copy that nobody else names is given up when slots run out.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "lib/sim/ids.h"

namespace cowfs::sim {

struct Slot {
  bool used = false;
  std::uint32_t references = 0;     // entries and object pages that name it
  std::optional<FrameId> resident;  // the frame with the same bytes
  std::string bytes;
};

class SwapArea {
 public:
  explicit SwapArea(std::uint32_t slots);

  /// A slot without references. Nothing when none is free.
  std::optional<SlotId> allocate();
  void free(SlotId slot);

  /// Frees it when nobody names it and no frame keeps it.
  void free_if_unused(SlotId slot);

  Slot& operator[](SlotId slot) { return slots_[raw(slot)]; }
  const Slot& operator[](SlotId slot) const { return slots_[raw(slot)]; }

  std::uint32_t total() const { return static_cast<std::uint32_t>(slots_.size()); }
  std::uint32_t used() const { return total() - static_cast<std::uint32_t>(free_list_.size()); }
  std::uint32_t peak() const { return peak_; }
  const std::vector<SlotId>& free_list() const { return free_list_; }

 private:
  std::vector<Slot> slots_;
  std::vector<SlotId> free_list_;
  std::uint32_t peak_ = 0;
};

}  // namespace cowfs::sim
