// Replacement: which frame is given up when none is free, and where its page goes.
#include <algorithm>

#include "lib/sim/machine.h"

namespace cowfs::sim {

template <typename Visit>
void Machine::for_each_entry_of(FrameId frame, Visit visit) {
  for (auto& [id, space] : spaces_) {
    space.table.for_each([&](PageNumber page, Entry& entry) {
      if (entry.present() && entry.frame == frame) visit(space, page, entry);
    });
  }
}

std::optional<FrameId> Machine::take_frame(FrameUse use) {
  auto frame = frames_.allocate(use);
  while (!frame && replace_one()) frame = frames_.allocate(use);
  if (!frame) return std::nullopt;
  guarded_.push_back(*frame);
  counters_.nanoseconds += cost::kAllocate;
  emit_frame(EventKind::kAllocate, *frame);
  return frame;
}

bool Machine::replace_one() {
  const auto victim = choose_victim();
  if (!victim) return false;
  emit_frame(EventKind::kVictim, *victim);
  return evict(*victim);
}

bool Machine::can_replace(FrameId id) const {
  const Frame& frame = frames_[id];
  if (frame.use == FrameUse::kFree || frame.pins > 0 || std::ranges::count(guarded_, id) > 0)
    return false;
  const bool needs_slot = frame.use == FrameUse::kAnonymous ||
                          objects_.at(frame.owner.object).kind == FileKind::kMemory;
  if (!needs_slot || frame.slot || !swap_.free_list().empty()) return true;
  for (std::uint32_t i = 0; i < swap_.total(); ++i) {
    if (swap_[SlotId{i}].references == 0) return true;  // a copy of what is in memory
  }
  return false;
}

std::optional<FrameId> Machine::choose_victim() {
  std::vector<FrameId> candidates;
  for (std::uint32_t i = 0; i < frames_.total(); ++i) {
    if (can_replace(FrameId{i})) candidates.push_back(FrameId{i});
  }
  if (candidates.empty()) return std::nullopt;
  const auto earliest = [&](std::uint64_t Frame::* time) {
    return *std::ranges::min_element(candidates, {}, [&](FrameId id) { return frames_[id].*time; });
  };
  if (settings_.policy == Policy::kFifo) return earliest(&Frame::loaded_at);
  if (settings_.policy == Policy::kLru) return earliest(&Frame::used_at);
  for (std::uint32_t i = 0; i < 2 * frames_.total(); ++i) {
    const FrameId id{clock_hand_};
    clock_hand_ = (clock_hand_ + 1) % frames_.total();
    if (std::ranges::count(candidates, id) > 0 && !was_accessed(id)) return id;
  }
  return candidates.front();
}

bool Machine::was_accessed(FrameId frame) {
  bool accessed = false;
  for_each_entry_of(frame, [&](AddressSpace&, PageNumber, Entry& entry) {
    accessed |= entry.accessed;
    entry.accessed = false;
  });
  return accessed;
}

bool Machine::is_dirty(FrameId id) const {
  const Frame& frame = frames_[id];
  if (frame.dirty) return true;
  if (frame.use == FrameUse::kCache && notices_writes(frame.owner.object)) return false;
  bool dirty = false;
  for (const auto& [space_id, space] : spaces_) {
    space.table.for_each([&](PageNumber, const Entry& entry) {
      dirty |= entry.present() && entry.frame == id && entry.dirty;
    });
  }
  return dirty;
}

bool Machine::evict(FrameId id) {
  Frame& frame = frames_[id];
  const bool dirty = is_dirty(id) && !has_bug(SeededBug::kSkipDirty);
  const bool cached = frame.use == FrameUse::kCache;
  const bool has_slot = frame.slot.has_value();
  const bool to_disk = cached && objects_.at(frame.owner.object).kind == FileKind::kDisk;
  if (to_disk && dirty) {
    write_back(frame.owner.object, frame.owner.page);
  } else if (!to_disk && !save_to_slot(id, dirty)) {
    return false;
  } else if (!dirty && (to_disk || has_slot)) {
    emit_frame(EventKind::kDropClean, id);
  }
  const std::optional<SlotId> slot = frame.slot;
  for_each_entry_of(id, [&](AddressSpace&, PageNumber, Entry& entry) {
    entry = Entry{};
    if (!cached) {
      entry.state = Entry::State::kSwapped;
      entry.slot = *slot;
      ++swap_[*slot].references;
    }
    frames_.drop_reference(id);
  });
  if (cached) {
    CachePage& page = objects_.at(frame.owner.object).pages[frame.owner.page];
    page.frame.reset();
    if (slot) {
      page.slot = slot;
      ++swap_[*slot].references;
    }
    frames_.drop_reference(id);
  }
  frame.slot.reset();
  if (slot) swap_[*slot].resident.reset();
  emit_frame(EventKind::kFree, id);
  return true;
}

/// Sees to it that a slot holds the frame's bytes. False when there is none.
bool Machine::save_to_slot(FrameId id, bool dirty) {
  Frame& frame = frames_[id];
  const bool had_copy = frame.slot.has_value();
  if (!had_copy) {
    frame.slot = take_slot();
    if (!frame.slot) return false;
    swap_[*frame.slot].resident = id;
  }
  if (had_copy && !dirty) return true;
  if (dirty || !has_bug(SeededBug::kSkipDirty)) swap_[*frame.slot].bytes = frame.bytes;
  if (swap_[*frame.slot].bytes.empty()) swap_[*frame.slot].bytes.assign(settings_.page_size, '\0');
  ++counters_.swap_out;
  counters_.nanoseconds += cost::kDisk;
  Event event{};
  event.frame = id;
  event.slot = frame.slot;
  emit(EventKind::kSwapOut, event);
  return true;
}

/// A free slot; else one that only repeats what a frame holds.
std::optional<SlotId> Machine::take_slot() {
  if (const auto slot = swap_.allocate()) return slot;
  for (std::uint32_t i = 0; i < swap_.total(); ++i) {
    const SlotId slot{i};
    if (!swap_[slot].used || swap_[slot].references > 0 || !swap_[slot].resident) continue;
    Frame& keeper = frames_[*swap_[slot].resident];
    keeper.slot.reset();
    keeper.dirty = true;
    swap_[slot] = Slot{};
    swap_[slot].used = true;
    return slot;
  }
  return std::nullopt;
}

Outcome Machine::evict_page(const Operation& op) {
  const Entry* found = entry(op.process, op.name, op.pages.first);
  if (found == nullptr || !found->present() || found->frame == kZeroFrame) return Outcome::kInvalid;
  const FrameId frame = found->frame;
  if (!can_replace(frame)) return Outcome::kOutOfMemory;
  emit_frame(EventKind::kVictim, frame);
  return evict(frame) ? Outcome::kOk : Outcome::kOutOfMemory;
}

void Machine::put_frame(FrameId id) {
  Frame& frame = frames_[id];
  const bool wasted = frame.copied_at_fork;
  if (!frames_.drop_reference(id)) return;
  if (wasted) ++counters_.wasted_copies;
  emit_frame(EventKind::kFree, id);
  if (!frame.slot) return;
  const SlotId slot = *frame.slot;
  frame.slot.reset();
  swap_[slot].resident.reset();
  put_slot(slot);
}

void Machine::put_slot(SlotId slot) {
  const bool was_used = swap_[slot].used;
  swap_.free_if_unused(slot);
  if (has_bug(SeededBug::kDoubleFreeSlot) && was_used && !swap_[slot].used) swap_.free(slot);
}

}  // namespace cowfs::sim
