#include "lib/sim/frame_table.h"

#include <algorithm>
#include <functional>

namespace cowfs::sim {

FrameTable::FrameTable(std::uint32_t frames, std::uint32_t page_size)
    : frames_(frames), page_size_(page_size) {
  for (std::uint32_t i = frames; i-- > 0;) free_list_.push_back(FrameId{i});
}

std::optional<FrameId> FrameTable::allocate(FrameUse use) {
  if (free_list_.empty()) return std::nullopt;
  const FrameId id = free_list_.back();
  free_list_.pop_back();
  Frame& frame = frames_[raw(id)];
  std::string bytes = std::move(frame.bytes);
  bytes.resize(page_size_);
  frame = Frame{};
  frame.use = use;
  frame.references = 1;
  frame.loaded_at = ++allocations_;
  frame.used_at = ++uses_;
  frame.bytes = std::move(bytes);
  peak_ = std::max(peak_, used());
  return id;
}

void FrameTable::add_reference(FrameId frame) { ++frames_[raw(frame)].references; }

bool FrameTable::drop_reference(FrameId id) {
  Frame& frame = frames_[raw(id)];
  if (frame.references > 0) --frame.references;
  if (frame.references > 0 || frame.use == FrameUse::kFree) return false;
  release(id);
  return true;
}

void FrameTable::release(FrameId id) {
  frames_[raw(id)].use = FrameUse::kFree;
  const auto place = std::ranges::lower_bound(free_list_, raw(id), std::greater<>(),
                                              [](FrameId other) { return raw(other); });
  free_list_.insert(place, id);
}

}  // namespace cowfs::sim
