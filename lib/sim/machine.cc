#include "lib/sim/machine.h"

#include <algorithm>
#include <array>

#include "lib/base/check.h"

namespace cowfs::sim {

std::string_view outcome_name(Outcome outcome) {
  constexpr std::array<std::string_view, 7> names{"ok",        "segv", "bus",    "oom",
                                                  "suspended", "busy", "invalid"};
  return names[static_cast<std::size_t>(outcome)];
}

Machine::Machine(const MachineSettings& settings)
    : settings_(settings),
      frames_(settings.frames, settings.page_size),
      swap_(settings.swap_slots) {}

StepResult Machine::apply(const Operation& operation) {
  StepResult result;
  events_ = &result.events;
  guarded_.clear();
  result.outcome = dispatch(operation, result);
  if (result.outcome == Outcome::kSegv || result.outcome == Outcome::kBus) ++counters_.violations;
  if (result.outcome == Outcome::kOutOfMemory) emit(EventKind::kOutOfMemory);
  guarded_.clear();
  events_ = nullptr;
  return result;
}

Outcome Machine::dispatch(const Operation& op, StepResult& result) {
  if (op.verb <= Verb::kKill) return machine_operation(op);
  const auto found = processes_.find(op.process);
  if (found == processes_.end()) return Outcome::kInvalid;
  Process& process = found->second;
  if (process.state == ProcessState::kZombie) return Outcome::kInvalid;
  if (process.state == ProcessState::kVforkWait) return Outcome::kSuspended;
  warn_of_vfork(process, op.verb);
  return process_operation(process, op, result);
}

Outcome Machine::machine_operation(const Operation& op) {
  switch (op.verb) {
    case Verb::kFile:
    case Verb::kProgram: return add_file(op);
    case Verb::kProcess: return start_process(op);
    case Verb::kWarm: return warm(op.name);
    case Verb::kWriteback: write_back_all(); return Outcome::kOk;
    case Verb::kEvict: return evict_page(op);
    case Verb::kReclaim: return replace_one() ? Outcome::kOk : Outcome::kOutOfMemory;
    default: return Outcome::kOk;  // snapshot, remount and kill are for others
  }
}

Outcome Machine::process_operation(Process& process, const Operation& op, StepResult& result) {
  switch (op.verb) {
    case Verb::kMap: return map(process, op);
    case Verb::kUnmap: return unmap(process, op);
    case Verb::kRead: return access_range(process, op, AccessKind::kRead, result);
    case Verb::kWrite: return access_range(process, op, AccessKind::kWrite, result);
    case Verb::kFetch: return access_range(process, op, AccessKind::kFetch, result);
    case Verb::kCopy: return copy_memory(process, op);
    case Verb::kFork: return fork(process, op, result);
    case Verb::kVfork: return vfork(process, op, result);
    case Verb::kExec: return exec(process, op.other);
    case Verb::kExit: return exit(process);
    case Verb::kWait: return wait(process, op);
    case Verb::kProtect: return protect(process, op);
    case Verb::kDontneed: return dont_need(process, op);
    case Verb::kMsync: return msync(process, op);
    case Verb::kPin: return pin(process, op);
    case Verb::kUnpin: return unpin(process, op);
    case Verb::kLock: return lock(process, op);
    case Verb::kUnlock: return unlock(process, op);
    default: return file_operation(process, op, result);
  }
}

void Machine::warn_of_vfork(const Process& process, Verb verb) {
  if (process.vfork_parent.empty() || verb == Verb::kExec || verb == Verb::kExit) return;
  ++counters_.vfork_warnings;
  Event event{};
  event.process = process.name;
  emit(EventKind::kVforkWarning, event);
}

Outcome Machine::map(Process& process, const Operation& op) {
  AddressSpace& space = spaces_.at(process.space);
  if (space.find(op.name) != nullptr || op.count == 0 || op.count > kMostAreaPages)
    return Outcome::kInvalid;
  Area area;
  area.name = op.name;
  area.pages = op.count;
  area.access = op.access;
  area.shared = op.shared;
  if (op.other != "anon") {
    const auto object = file(op.other);
    if (!object) return Outcome::kInvalid;
    if (op.shared && is_executing(*object)) return Outcome::kBusy;
    area.object = object;
    area.object_page = op.from;
  } else if (op.shared) {
    const ObjectId id{next_object_++};
    objects_[id].kind = FileKind::kMemory;
    objects_[id].pages.resize(op.count);
    area.object = id;
  }
  area.start = space.place_for(op.count);
  space.areas.push_back(std::move(area));
  ++counters_.syscalls;
  counters_.nanoseconds += cost::kMmapSyscall;
  return Outcome::kOk;
}

Outcome Machine::unmap(Process& process, const Operation& op) {
  AddressSpace& space = spaces_.at(process.space);
  if (space.find(op.name) == nullptr) return Outcome::kInvalid;
  remove_area(space, op.name);
  ++counters_.syscalls;
  counters_.nanoseconds += cost::kSyscall;
  return Outcome::kOk;
}

void Machine::remove_area(AddressSpace& space, const std::string& name) {
  const auto area = std::ranges::find(space.areas, name, &Area::name);
  COWFS_CHECK(area != space.areas.end());
  for (std::uint32_t i = 0; i < area->pages; ++i) {
    const PageNumber page = area->page_at(i);
    if (Entry* entry = space.table.find(page)) zap(space, page, *entry);
  }
  const std::optional<ObjectId> object = area->object;
  space.areas.erase(area);
  space.table.drop_empty_tables();
  if (object) drop_object_if_unused(*object);
}

void Machine::zap(AddressSpace&, PageNumber, Entry& entry) {
  if (entry.swapped()) {
    --swap_[entry.slot].references;
    put_slot(entry.slot);
  } else if (entry.present() && entry.frame != kZeroFrame) {
    const FrameId id = entry.frame;
    Frame& frame = frames_[id];
    const bool noticed = frame.use == FrameUse::kCache && notices_writes(frame.owner.object);
    if (entry.dirty && !noticed) frame.dirty = true;
    if (has_bug(SeededBug::kFreeSharedFrame) && frame.references == 2 &&
        frame.use == FrameUse::kAnonymous) {
      frames_.release(id);
    }
    entry = Entry{};
    put_frame(id);
  }
  entry = Entry{};
}

std::optional<PageRange> Machine::clipped(const Area& area, const PageRange& pages) const {
  if (pages.whole) return PageRange{0, area.pages - 1, true};
  if (pages.first > pages.last || pages.last >= area.pages) return std::nullopt;
  return pages;
}

Outcome Machine::dont_need(Process& process, const Operation& op) {
  AddressSpace& space = spaces_.at(process.space);
  const Area* area = space.find(op.name);
  if (area == nullptr) return Outcome::kInvalid;
  const auto pages = clipped(*area, op.pages);
  if (!pages) return Outcome::kInvalid;
  for (std::uint32_t i = pages->first; i <= pages->last; ++i) {
    const PageNumber page = area->page_at(i);
    if (Entry* entry = space.table.find(page)) zap(space, page, *entry);
  }
  ++counters_.syscalls;
  counters_.nanoseconds += cost::kSyscall;
  return Outcome::kOk;
}

Outcome Machine::protect(Process& process, const Operation& op) {
  AddressSpace& space = spaces_.at(process.space);
  Area* area = space.find(op.name);
  if (area == nullptr) return Outcome::kInvalid;
  const bool was_writable = area->writable();
  area->access = op.access;
  ++counters_.syscalls;
  counters_.nanoseconds += cost::kSyscall;
  if (area->writable() && !was_writable && settings_.protect_restores)
    restore_permissions(space, *area);
  if (area->writable()) return Outcome::kOk;
  for (std::uint32_t i = 0; i < area->pages; ++i) {
    if (Entry* entry = space.table.find(area->page_at(i))) entry->writable = false;
  }
  return Outcome::kOk;
}

// Linux: can_change_pte_writable() and vma_wants_manual_pte_write_upgrade(), mm/mprotect.c and
// mm/mmap.c.
void Machine::restore_permissions(AddressSpace& space, Area& area) {
  for (std::uint32_t i = 0; i < area.pages; ++i) {
    Entry* entry = space.table.find(area.page_at(i));
    if (entry == nullptr || !entry->present() || entry->frame == kZeroFrame) continue;
    const Frame& frame = frames_[entry->frame];
    if (area.shared) {
      entry->writable = !notices_writes(*area.object) || entry->dirty;
    } else {
      entry->writable = frame.use == FrameUse::kAnonymous && frame.exclusive;
    }
  }
}

Outcome Machine::lock(Process& process, const Operation& op) {
  const auto [holder, taken] = locks_.try_emplace(op.name, process.name);
  ++counters_.syscalls;
  return taken || holder->second == process.name ? Outcome::kOk : Outcome::kBusy;
}

Outcome Machine::unlock(Process& process, const Operation& op) {
  const auto lock = locks_.find(op.name);
  if (lock == locks_.end() || lock->second != process.name) return Outcome::kInvalid;
  locks_.erase(lock);
  ++counters_.syscalls;
  return Outcome::kOk;
}

void Machine::emit(EventKind kind, const Event& about) {
  if (events_ == nullptr) return;
  events_->push_back(about);
  events_->back().kind = kind;
}

void Machine::emit_frame(EventKind kind, FrameId frame) {
  Event event{};
  event.frame = frame;
  emit(kind, event);
}

// ---- questions ----

const Process* Machine::process(std::string_view name) const {
  const auto found = processes_.find(name);
  return found == processes_.end() ? nullptr : &found->second;
}

const AddressSpace* Machine::space_of(std::string_view name) const {
  const Process* found = process(name);
  if (found == nullptr || found->state == ProcessState::kZombie) return nullptr;
  return &spaces_.at(found->space);
}

std::optional<ObjectId> Machine::file(std::string_view name) const {
  const auto found = files_.find(name);
  if (found == files_.end()) return std::nullopt;
  return found->second;
}

const Entry* Machine::entry(std::string_view process_name, std::string_view area_name,
                            std::uint32_t index) const {
  const AddressSpace* space = space_of(process_name);
  const Area* area = space == nullptr ? nullptr : space->find(area_name);
  if (area == nullptr || index >= area->pages) return nullptr;
  return space->table.find(area->page_at(index));
}

std::optional<std::string> Machine::peek(std::string_view process_name, std::string_view area_name,
                                         std::uint32_t index) const {
  const AddressSpace* space = space_of(process_name);
  const Area* area = space == nullptr ? nullptr : space->find(area_name);
  if (area == nullptr || index >= area->pages) return std::nullopt;
  const Entry* found = space->table.find(area->page_at(index));
  if (found != nullptr && found->present() && found->frame != kZeroFrame)
    return frames_[found->frame].bytes;
  if (found != nullptr && found->swapped()) return swap_[found->slot].bytes;
  if (!area->object || (found != nullptr && found->present()))
    return std::string(settings_.page_size, '\0');
  const MemoryObject& object = objects_.at(*area->object);
  const std::uint32_t page = area->object_page + index;
  if (page >= object.pages.size()) return std::nullopt;
  return page_of_object(object, page);
}

std::size_t Machine::threads() const {
  std::set<std::uint32_t> threads;
  for (const auto& [name, one] : processes_) {
    if (one.state != ProcessState::kZombie) threads.insert(one.thread);
  }
  return threads.size();
}

std::size_t Machine::page_tables() const {
  std::size_t count = 0;
  for (const auto& [id, space] : spaces_) count += space.table.tables();
  return count;
}

// ---- what the kernel of an oracle chose ----

void Machine::adopt_unmapped(std::string_view process_name, std::string_view area,
                             std::uint32_t index) {
  Entry* found = const_cast<Entry*>(entry(process_name, area, index));
  if (found != nullptr) zap(spaces_.at(process(process_name)->space), PageNumber{}, *found);
}

void Machine::adopt_copy(std::string_view process_name, std::string_view area,
                         std::uint32_t index) {
  Entry* found = const_cast<Entry*>(entry(process_name, area, index));
  if (found == nullptr || !found->present()) return;
  guarded_.push_back(found->frame);
  const auto copy = take_frame(FrameUse::kAnonymous);
  guarded_.clear();
  if (!copy) return;
  const FrameId old = found->frame;
  frames_[*copy].bytes = frames_[old].bytes;
  frames_[*copy].exclusive = frames_[old].exclusive;
  frames_[*copy].dirty = true;
  found->frame = *copy;
  put_frame(old);
}

}  // namespace cowfs::sim
