// fork, vfork, exec, exit and wait.
#include <algorithm>

#include "lib/base/check.h"
#include "lib/sim/machine.h"

namespace cowfs::sim {

std::uint32_t Machine::next_pid() {
  const auto taken = [this](std::uint32_t pid) {
    return std::ranges::any_of(processes_,
                               [pid](const auto& item) { return item.second.pid == pid; });
  };
  for (std::uint32_t tried = 0; tried < settings_.pid_limit; ++tried) {
    const std::uint32_t pid = next_pid_;
    next_pid_ = next_pid_ + 1 >= settings_.pid_limit ? 1 : next_pid_ + 1;
    if (!taken(pid)) return pid;
  }
  return 0;
}

SpaceId Machine::new_space() {
  const SpaceId id{next_space_++};
  spaces_[id].users = 1;
  return id;
}

Process& Machine::add_process(const std::string& name, const std::string& parent, SpaceId space) {
  Process& process = processes_[name];
  process.name = name;
  process.parent = parent;
  process.pid = next_pid();
  process.space = space;
  return process;
}

Outcome Machine::start_process(const Operation& op) {
  const auto program = file(op.other);
  if (processes_.contains(op.process) || (!op.other.empty() && !program)) return Outcome::kInvalid;
  if (processes_.size() + 1 >= settings_.pid_limit) return Outcome::kOutOfMemory;
  if (program && is_mapped_shared(*program)) return Outcome::kBusy;
  Process& process = add_process(op.process, "", new_space());
  process.thread = next_thread_++;
  return program ? load_program(spaces_.at(process.space), *program) : Outcome::kOk;
}

Outcome Machine::load_program(AddressSpace& space, ObjectId program) {
  for (const ProgramArea& part : program_areas(objects_.at(program).layout)) {
    Area area;
    area.name = part.name;
    area.kind = part.kind;
    area.start = part.start;
    area.pages = part.pages;
    area.access = part.access;
    area.grows_down = part.kind == AreaKind::kStack;
    area.from_program = part.file_page.has_value();
    if (part.file_page) area.object = program;
    area.object_page = part.file_page.value_or(0);
    space.areas.push_back(std::move(area));
  }
  return Outcome::kOk;
}

Outcome Machine::fork(Process& parent, const Operation& op, StepResult& result) {
  if (processes_.contains(op.other)) return Outcome::kInvalid;
  if (processes_.size() + 1 >= settings_.pid_limit) return Outcome::kOutOfMemory;
  ++counters_.syscalls;
  counters_.nanoseconds += cost::kFork;
  Process& child = add_process(op.other, parent.name, new_space());
  child.thread = next_thread_++;
  const Outcome outcome = copy_tables(parent, child);
  if (outcome != Outcome::kOk) {
    drop_space(child.space);
    processes_.erase(op.other);
    return outcome;
  }
  parent.result = child.pid;
  child.result = 0;
  result.number = child.pid;
  return Outcome::kOk;
}

/// Linux copies the entries only of areas that ever had anonymous memory (vma_needs_copy(),
/// mm/memory.c).
Outcome Machine::copy_tables(Process& parent, Process& child) {
  AddressSpace& from = spaces_.at(parent.space);
  AddressSpace& to = spaces_.at(child.space);
  to.areas = from.areas;
  const std::uint64_t entries_before = counters_.fork_entries;
  const std::uint64_t copies_before = counters_.fork_copies;
  std::uint32_t protected_entries = 0;
  for (Area& area : from.areas) {
    if (!settings_.fork_copies_all_tables && (area.shared || !area.anonymous_memory)) continue;
    for (std::uint32_t i = 0; i < area.pages; ++i) {
      const PageNumber page = area.page_at(i);
      const Entry* entry = from.table.find(page);
      if (entry == nullptr || entry->state == Entry::State::kNone) continue;
      const bool was_writable = entry->writable;
      guarded_.clear();
      const MemoryAccess none{parent, AccessKind::kRead, 0, {}, nullptr, false};
      const Outcome outcome = copy_entry({parent, from, area, i, page, false, none}, to);
      if (outcome != Outcome::kOk) return outcome;
      if (was_writable && !entry->writable) ++protected_entries;
    }
  }
  Event event{};
  event.count = static_cast<std::uint32_t>(counters_.fork_entries - entries_before);
  if (event.count > 0) emit(EventKind::kShare, event);
  event.count = protected_entries;
  if (event.count > 0) emit(EventKind::kProtect, event);
  event.count = static_cast<std::uint32_t>(counters_.fork_copies - copies_before);
  if (event.count > 0) emit(EventKind::kCopyAtFork, event);
  return Outcome::kOk;
}

/// A page that the child gets a copy of at once: all private memory with fork=full, the first pages
/// of the stack with eager-stack, and what is pinned (the pin must go on naming the parent's page).
bool Machine::copies_at_fork(const Area& area, std::uint32_t index, const Entry& entry) const {
  if (area.shared || (entry.present() && entry.frame == kZeroFrame)) return false;
  if (settings_.full_copy_fork) {
    return entry.swapped() || frames_[entry.frame].use == FrameUse::kAnonymous || area.from_program;
  }
  if (area.kind == AreaKind::kStack && index < settings_.eager_stack) return true;
  return entry.present() && frames_[entry.frame].pins > 0 && frames_[entry.frame].exclusive;
}

Outcome Machine::copy_entry(const Fault& parent, AddressSpace& child_space) {
  Entry& entry = parent.space.table.at(parent.page);
  if (copies_at_fork(parent.area, parent.index, entry))
    return copy_page_for_child(parent, child_space);
  Entry& copy = child_space.table.at(parent.page);
  copy = entry;
  copy.accessed = false;
  ++counters_.fork_entries;
  counters_.nanoseconds += cost::kForkEntry;
  if (entry.swapped()) {
    ++swap_[entry.slot].references;
    return Outcome::kOk;
  }
  if (entry.frame == kZeroFrame) return Outcome::kOk;
  if (!has_bug(SeededBug::kForgetReference)) frames_.add_reference(entry.frame);
  if (parent.area.shared) return Outcome::kOk;
  frames_[entry.frame].exclusive = false;
  copy.writable = false;
  if (!has_bug(SeededBug::kForgetParentProtect)) entry.writable = false;
  return Outcome::kOk;
}

Outcome Machine::copy_page_for_child(const Fault& parent, AddressSpace& child_space) {
  const Entry& entry = parent.space.table.at(parent.page);
  if (entry.present()) guarded_.push_back(entry.frame);
  // A page in swap is read from its slot, which taking a frame does not touch: it has a reference.
  const auto fresh = take_frame(FrameUse::kAnonymous);
  if (!fresh) return Outcome::kOutOfMemory;
  Frame& frame = frames_[*fresh];
  frame.bytes = entry.swapped() ? swap_[entry.slot].bytes : frames_[entry.frame].bytes;
  if (entry.swapped()) ++counters_.swap_in;
  frame.exclusive = true;
  frame.dirty = true;
  frame.copied_at_fork = true;
  Entry& copy = child_space.table.at(parent.page);
  copy = Entry{};
  copy.state = Entry::State::kPresent;
  copy.frame = *fresh;
  copy.writable = parent.area.writable();
  child_space.containing(parent.page)->anonymous_memory = true;
  ++counters_.fork_copies;
  ++counters_.fork_entries;
  counters_.nanoseconds += cost::kCopyPage + cost::kForkEntry;
  return Outcome::kOk;
}

Outcome Machine::vfork(Process& parent, const Operation& op, StepResult& result) {
  if (processes_.contains(op.other)) return Outcome::kInvalid;
  if (processes_.size() + 1 >= settings_.pid_limit) return Outcome::kOutOfMemory;
  ++counters_.syscalls;
  counters_.nanoseconds += cost::kVfork;
  Process& child = add_process(op.other, parent.name, parent.space);
  child.thread = parent.thread;
  child.vfork_parent = parent.name;
  ++spaces_.at(parent.space).users;
  if (!has_bug(SeededBug::kWakeParentEarly)) parent.state = ProcessState::kVforkWait;
  parent.result = child.pid;
  result.number = child.pid;
  Event event{};
  event.process = parent.name;
  emit(EventKind::kSuspend, event);
  return Outcome::kOk;
}

void Machine::drop_space(SpaceId id) {
  AddressSpace& space = spaces_.at(id);
  while (!space.areas.empty()) remove_area(space, std::string(space.areas.back().name));
  spaces_.erase(id);
}

/// The process's part in its address space ends; a parent that waits for that runs again.
void Machine::leave_space(Process& process) {
  release_pins(process.name);
  if (--spaces_.at(process.space).users == 0) {
    emit(EventKind::kDropSpace);
    drop_space(process.space);
  }
  if (process.vfork_parent.empty()) return;
  processes_.find(process.vfork_parent)->second.state = ProcessState::kRunning;
  Event event{};
  event.process = process.vfork_parent;
  emit(EventKind::kResume, event);
  process.vfork_parent.clear();
}

void Machine::release_pins(const std::string& process) {
  std::erase_if(pins_, [&](const auto& pin) {
    if (pin.second.first != process) return false;
    --frames_[pin.second.second].pins;
    put_frame(pin.second.second);
    return true;
  });
}

Outcome Machine::exec(Process& process, std::string_view program) {
  const auto object = file(program);
  if (!object) return Outcome::kInvalid;
  if (is_mapped_shared(*object)) return Outcome::kBusy;
  ++counters_.syscalls;
  counters_.nanoseconds += cost::kExec;
  const bool was_vfork_child = !process.vfork_parent.empty();
  leave_space(process);
  process.space = new_space();
  if (was_vfork_child) process.thread = next_thread_++;
  Event event{};
  event.process = process.name;
  emit(EventKind::kNewSpace, event);
  return load_program(spaces_.at(process.space), *object);
}

Outcome Machine::exit(Process& process) {
  ++counters_.syscalls;
  leave_space(process);
  std::erase_if(locks_, [&](const auto& lock) { return lock.second == process.name; });
  process.state = ProcessState::kZombie;
  // Children without a parent are reaped by nobody in particular, at once.
  std::vector<std::string> reaped;
  for (auto& [name, child] : processes_) {
    if (child.parent != process.name) continue;
    child.parent.clear();
    if (child.state == ProcessState::kZombie) reaped.push_back(name);
  }
  if (process.parent.empty()) reaped.push_back(process.name);
  for (const std::string& name : reaped) processes_.erase(name);
  return Outcome::kOk;
}

Outcome Machine::wait(Process& process, const Operation& op) {
  const auto child = processes_.find(op.other);
  if (child == processes_.end() || child->second.parent != process.name) return Outcome::kInvalid;
  if (child->second.state != ProcessState::kZombie) return Outcome::kBusy;
  ++counters_.syscalls;
  processes_.erase(child);
  return Outcome::kOk;
}

}  // namespace cowfs::sim
