#include "lib/sim/swap_area.h"

#include <algorithm>
#include <functional>

namespace cowfs::sim {

SwapArea::SwapArea(std::uint32_t slots) : slots_(slots) {
  for (std::uint32_t i = slots; i-- > 0;) free_list_.push_back(SlotId{i});
}

std::optional<SlotId> SwapArea::allocate() {
  if (free_list_.empty()) return std::nullopt;
  const SlotId slot = free_list_.back();
  free_list_.pop_back();
  slots_[raw(slot)] = Slot{};
  slots_[raw(slot)].used = true;
  peak_ = std::max(peak_, used());
  return slot;
}

void SwapArea::free(SlotId slot) {
  slots_[raw(slot)].used = false;
  const auto place = std::ranges::lower_bound(free_list_, raw(slot), std::greater<>(),
                                              [](SlotId other) { return raw(other); });
  free_list_.insert(place, slot);
}

void SwapArea::free_if_unused(SlotId slot) {
  const Slot& state = slots_[raw(slot)];
  if (state.used && state.references == 0 && !state.resident) free(slot);
}

}  // namespace cowfs::sim
