// The access, its page faults, and what the kernel does about them.
#include <algorithm>

#include "lib/base/check.h"
#include "lib/sim/machine.h"

namespace cowfs::sim {
namespace {

// A page in swap that others share faults twice before a write to it succeeds: missing, then
// protection.
constexpr int kMostAttempts = 3;

Event about(const Process& process, const Area& area, std::uint32_t index) {
  Event event{};
  event.process = process.name;
  event.area = area.name;
  event.page = index;
  return event;
}

}  // namespace

Outcome Machine::access_range(Process& process, const Operation& op, AccessKind kind,
                              StepResult& result) {
  const Area* area = spaces_.at(process.space).find(op.name);
  const std::uint32_t last = op.pages.whole && area != nullptr ? area->pages - 1 : op.pages.last;
  if (op.pages.first > last || op.offset + op.bytes.size() > settings_.page_size ||
      op.offset >= settings_.page_size) {
    return Outcome::kInvalid;
  }
  for (std::uint32_t i = op.pages.first; i <= last; ++i) {
    std::string out;
    const MemoryAccess one{process, kind, op.offset, op.bytes, &out, false};
    const Outcome outcome = access(one, op.name, i);
    if (outcome != Outcome::kOk) return outcome;
    result.value += out;
  }
  return Outcome::kOk;
}

Outcome Machine::copy_memory(Process& process, const Operation& op) {
  const std::uint32_t count = op.pages.last - op.pages.first + 1;
  if (op.pages.whole || op.source.whole || op.pages.first > op.pages.last ||
      op.source.last - op.source.first + 1 != count) {
    return Outcome::kInvalid;
  }
  for (std::uint32_t i = 0; i < count; ++i) {
    std::string bytes;
    const Outcome read =
        access({process, AccessKind::kRead, 0, {}, &bytes, true}, op.other, op.source.first + i);
    if (read != Outcome::kOk) return read;
    const Outcome written =
        access({process, AccessKind::kWrite, 0, bytes, nullptr, true}, op.name, op.pages.first + i);
    if (written != Outcome::kOk) return written;
  }
  return Outcome::kOk;
}

Outcome Machine::access(const MemoryAccess& access, std::string_view area_name,
                        std::uint32_t index) {
  AddressSpace& space = spaces_.at(access.process.space);
  const bool write = access.kind == AccessKind::kWrite || access.kind == AccessKind::kPin;
  for (int attempt = 1;; ++attempt) {
    COWFS_CHECK(attempt <= kMostAttempts);
    ++counters_.attempts;
    guarded_.clear();
    Area* area = space.find(area_name);
    const bool inside =
        area != nullptr && (index < area->pages || grow_stack(access.process, space, *area, index));
    const bool allowed = inside && (!write || area->writable()) &&
                         (access.kind != AccessKind::kFetch || area->executable());
    if (!allowed) {
      Event event{};
      event.process = access.process.name;
      emit(EventKind::kSegv, event);
      return Outcome::kSegv;
    }
    const PageNumber page = area->page_at(index);
    Entry& entry = space.table.at(page);
    if (entry.present() && (!write || entry.writable)) {
      complete(access, *area, index, entry);
      return Outcome::kOk;
    }
    const Outcome outcome =
        handle_fault({access.process, space, *area, index, page, write, access});
    if (outcome != Outcome::kOk) return outcome;
    emit(EventKind::kRetry);
  }
}

bool Machine::grow_stack(const Process& process, AddressSpace& space, Area& area,
                         std::uint32_t index) {
  if (!area.grows_down || index >= kStackLimit) return false;
  const std::uint32_t more = index + 1 - area.pages;
  const PageNumber start{raw(area.start) - more};
  if (std::ranges::any_of(space.areas, [&](const Area& other) {
        return raw(other.start) < raw(area.start) && raw(other.start) + other.pages > raw(start);
      })) {
    return false;
  }
  area.start = start;
  area.pages += more;
  emit(EventKind::kGrowStack, about(process, area, index));
  return true;
}

void Machine::complete(const MemoryAccess& access, Area& area, std::uint32_t index, Entry& entry) {
  entry.accessed = true;
  counters_.nanoseconds += cost::kHit;
  if (entry.frame == kZeroFrame) {
    if (access.out != nullptr)
      access.out->assign(access.whole_page ? settings_.page_size : 1, '\0');
    return;
  }
  Frame& frame = frames_[entry.frame];
  frames_.touch(entry.frame);
  frame.copied_at_fork = false;
  if (access.kind == AccessKind::kWrite) {
    entry.dirty = true;
    frame.bytes.replace(access.offset, access.in.size(), access.in);
    if (area.shared) note_race(access.process, area, index);
  } else if (access.kind == AccessKind::kPin) {
    entry.dirty = true;
  } else if (access.out != nullptr) {
    *access.out = access.whole_page ? frame.bytes : frame.bytes.substr(access.offset, 1);
  }
}

Outcome Machine::handle_fault(const Fault& fault) {
  const Entry& entry = fault.space.table.at(fault.page);
  const bool protection = entry.present();
  emit(protection ? EventKind::kProtectionFault : EventKind::kMissingFault,
       about(fault.process, fault.area, fault.index));
  read_from_disk_ = false;
  const Outcome outcome = protection ? handle_protection(fault) : handle_missing(fault);
  if (outcome != Outcome::kOk) return outcome;
  ++(protection ? counters_.protection_faults : counters_.missing_faults);
  ++(read_from_disk_ ? counters_.major_faults : counters_.minor_faults);
  counters_.nanoseconds += cost::kFault;
  return Outcome::kOk;
}

Outcome Machine::handle_missing(const Fault& fault) {
  if (fault.area.object &&
      fault.area.object_page + fault.index >= objects_.at(*fault.area.object).pages.size()) {
    // Linux maps what lies around before it finds that the page itself is beyond the end.
    if (!fault.write) fault_around(fault);
    // And it makes the area ready for private pages before it finds that there is none to copy.
    if (fault.write && !fault.area.shared) fault.area.anonymous_memory = true;
    emit(EventKind::kBus, about(fault.process, fault.area, fault.index));
    return Outcome::kBus;
  }
  if (fault.space.table.at(fault.page).swapped()) return swap_in(fault);
  if (fault.area.shared) {
    return has_bug(SeededBug::kCopySharedArea) && fault.write ? map_private_file(fault)
                                                              : map_shared(fault);
  }
  return fault.area.object ? map_private_file(fault) : map_anonymous(fault);
}

Outcome Machine::handle_protection(const Fault& fault) {
  Entry& entry = fault.space.table.at(fault.page);
  if (!fault.area.shared) return break_copy(fault);
  notice_write(fault, entry.frame);
  entry.writable = true;
  emit(EventKind::kWritable);
  return Outcome::kOk;
}

Outcome Machine::map_anonymous(const Fault& fault) {
  if (!fault.write) {
    emit(EventKind::kMapZero);
    set_entry(fault, kZeroFrame, false);
    return Outcome::kOk;
  }
  return copy_to_new_frame(fault, kZeroFrame);
}

Outcome Machine::map_shared(const Fault& fault) {
  const auto frame = cache_frame(*fault.area.object, fault.area.object_page + fault.index);
  if (!frame) return Outcome::kOutOfMemory;
  guarded_.push_back(*frame);
  frames_.add_reference(*frame);
  emit_frame(EventKind::kMapCache, *frame);
  if (fault.write) notice_write(fault, *frame);
  const bool unnoticed = !fault.write && notices_writes(*fault.area.object);
  set_entry(fault, *frame, fault.area.writable() && !unnoticed);
  if (!fault.write) fault_around(fault);
  return Outcome::kOk;
}

Outcome Machine::map_private_file(const Fault& fault) {
  const auto frame = cache_frame(*fault.area.object, fault.area.object_page + fault.index);
  if (!frame) return Outcome::kOutOfMemory;
  guarded_.push_back(*frame);
  const bool to_swap = settings_.swap_programs && fault.area.from_program;
  if (fault.write || to_swap) return copy_to_new_frame(fault, *frame);
  frames_.add_reference(*frame);
  emit_frame(EventKind::kMapCache, *frame);
  set_entry(fault, *frame, false);
  fault_around(fault);
  return Outcome::kOk;
}

// Linux: do_fault_around(), mm/memory.c: the aligned window, within the area, pages in memory only.
void Machine::fault_around(const Fault& fault) {
  const std::uint64_t window = settings_.fault_around;
  if (window <= 1 || (settings_.swap_programs && fault.area.from_program)) return;
  const std::uint64_t first = raw(fault.page) / window * window;
  MemoryObject& object = objects_.at(*fault.area.object);
  std::uint32_t count = 0;
  for (std::uint64_t number = first; number < first + window; ++number) {
    const PageNumber page{number};
    if (page == fault.page || !fault.area.contains(page)) continue;
    const std::uint32_t object_page = fault.area.object_page + fault.area.index_of(page);
    if (object_page >= object.pages.size() || !object.pages[object_page].frame) continue;
    Entry& entry = fault.space.table.at(page);
    if (entry.state != Entry::State::kNone) continue;
    const FrameId frame = *object.pages[object_page].frame;
    frames_.add_reference(frame);
    entry = Entry{};
    entry.state = Entry::State::kPresent;
    entry.frame = frame;
    entry.writable =
        fault.area.shared && fault.area.writable() && !notices_writes(*fault.area.object);
    ++count;
  }
  if (count == 0) return;
  Event event{};
  event.count = count;
  emit(EventKind::kFaultAround, event);
}

Outcome Machine::swap_in(const Fault& fault) {
  const SlotId id = fault.space.table.at(fault.page).slot;
  std::optional<FrameId> frame = swap_[id].resident;
  if (frame) {
    frames_.add_reference(*frame);
  } else {
    frame = take_frame(FrameUse::kAnonymous);
    if (!frame) return Outcome::kOutOfMemory;
    frames_[*frame].bytes = swap_[id].bytes;
    frames_[*frame].slot = id;
    swap_[id].resident = frame;
    ++counters_.swap_in;
    counters_.nanoseconds += cost::kDisk;
    read_from_disk_ = true;
    Event event{};
    event.frame = frame;
    event.slot = id;
    emit(EventKind::kSwapIn, event);
  }
  --swap_[id].references;
  frames_[*frame].exclusive = sole_owner(*frame);
  set_entry(fault, *frame,
            fault.area.writable() && !fault.area.shared && frames_[*frame].exclusive);
  return Outcome::kOk;
}

bool Machine::sole_owner(FrameId id) const {
  const Frame& frame = frames_[id];
  if (frame.use != FrameUse::kAnonymous) return false;
  const std::uint32_t most = has_bug(SeededBug::kReuseSharedFrame) ? 2 : 1;
  return frame.references <= most && (!frame.slot || swap_[*frame.slot].references == 0);
}

Outcome Machine::break_copy(const Fault& fault) {
  const FrameId old = fault.space.table.at(fault.page).frame;
  if (old != kZeroFrame) emit(EventKind::kCowBreak, about(fault.process, fault.area, fault.index));
  if (old == kZeroFrame) return copy_to_new_frame(fault, old);
  const bool exclusive = frames_[old].exclusive;
  if (exclusive || (settings_.reuse && sole_owner(old))) {
    frames_[old].exclusive = true;
    fault.space.table.at(fault.page).writable = true;
    if (!exclusive) {
      ++counters_.reuses;
      emit_frame(EventKind::kReuse, old);
    }
    emit(EventKind::kWritable);
    return Outcome::kOk;
  }
  return copy_to_new_frame(fault, old);
}

/// Gives the page a frame of its own with the bytes of `old`, which may be the zero frame, the page
/// of a file, or a frame that others share.
Outcome Machine::copy_to_new_frame(const Fault& fault, FrameId old) {
  if (old != kZeroFrame) guarded_.push_back(old);
  if (has_bug(SeededBug::kCopyAfterWrite) && old != kZeroFrame &&
      fault.access.kind == AccessKind::kWrite) {
    frames_[old].bytes.replace(fault.access.offset, fault.access.in.size(), fault.access.in);
  }
  const auto fresh = take_frame(FrameUse::kAnonymous);
  if (!fresh) return Outcome::kOutOfMemory;
  Frame& frame = frames_[*fresh];
  if (old == kZeroFrame) {
    if (!has_bug(SeededBug::kLoseZeroFill)) frame.bytes.assign(settings_.page_size, '\0');
    ++counters_.zero_fills;
    emit_frame(EventKind::kZeroFill, *fresh);
  } else {
    frame.bytes = frames_[old].bytes;
    ++counters_.copies;
    counters_.nanoseconds += cost::kCopyPage;
    Event event{};
    event.from = old;
    event.frame = fresh;
    emit(EventKind::kCopy, event);
  }
  frame.exclusive = true;
  frame.dirty = true;
  fault.area.anonymous_memory = true;
  const Entry& entry = fault.space.table.at(fault.page);
  const bool was_mapped = entry.present() && old != kZeroFrame;
  set_entry(fault, *fresh, fault.area.writable());
  if (fault.area.writable()) emit(EventKind::kWritable);
  if (was_mapped && !has_bug(SeededBug::kLeakOldFrame)) put_frame(old);
  return Outcome::kOk;
}

void Machine::set_entry(const Fault& fault, FrameId frame, bool writable) {
  Entry& entry = fault.space.table.at(fault.page);
  entry = Entry{};
  entry.state = Entry::State::kPresent;
  entry.frame = frame;
  entry.writable = writable;
  if (frame == kZeroFrame) return;
  guarded_.push_back(frame);
  Event event = about(fault.process, fault.area, fault.index);
  event.frame = frame;
  emit(EventKind::kEntry, event);
}

void Machine::notice_write(const Fault& fault, FrameId frame) {
  if (!notices_writes(*fault.area.object)) return;
  frames_[frame].dirty = true;
  emit(EventKind::kNoticeWrite);
}

// The lockset rule (Savage et al., "Eraser", ACM TOCS 1997): some lock must be held at every write.
void Machine::note_race(const Process& process, const Area& area, std::uint32_t index) {
  std::set<std::string> held;
  for (const auto& [name, holder] : locks_) {
    if (holder == process.name) held.insert(name);
  }
  Sharing& sharing = sharing_[{*area.object, area.object_page + index}];
  if (sharing.writers.empty()) {
    sharing.locks = held;
  } else {
    std::erase_if(sharing.locks, [&](const std::string& name) { return !held.contains(name); });
  }
  sharing.writers.insert(process.name);
  if (sharing.writers.size() < 2 || !sharing.locks.empty() || sharing.warned) return;
  sharing.warned = true;
  ++counters_.race_warnings;
  emit(EventKind::kRaceWarning, about(process, area, index));
}

Outcome Machine::pin(Process& process, const Operation& op) {
  const Area* area = spaces_.at(process.space).find(op.name);
  const std::string key = process.name + ":" + op.name + "." + std::to_string(op.pages.first);
  if (area == nullptr || area->shared || op.pages.whole || op.pages.first != op.pages.last ||
      pins_.contains(key)) {
    return Outcome::kInvalid;
  }
  const Outcome outcome =
      access({process, AccessKind::kPin, 0, {}, nullptr, false}, op.name, op.pages.first);
  if (outcome != Outcome::kOk) return outcome;
  const FrameId frame = entry(process.name, op.name, op.pages.first)->frame;
  frames_.add_reference(frame);
  ++frames_[frame].pins;
  pins_.emplace(key, std::pair(process.name, frame));
  return Outcome::kOk;
}

Outcome Machine::unpin(Process& process, const Operation& op) {
  const auto pin = pins_.find(process.name + ":" + op.name + "." + std::to_string(op.pages.first));
  if (pin == pins_.end()) return Outcome::kInvalid;
  const FrameId frame = pin->second.second;
  pins_.erase(pin);
  --frames_[frame].pins;
  put_frame(frame);
  return Outcome::kOk;
}

}  // namespace cowfs::sim
