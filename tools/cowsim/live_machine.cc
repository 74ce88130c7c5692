#include "tools/cowsim/live_machine.h"

#include <setjmp.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "lib/base/check.h"
#include "tools/cowsim/commands.h"

namespace cowfs {
namespace {

using sim::Outcome;

constexpr std::uintptr_t kBase = 0x2200'0000'0000;
constexpr std::uintptr_t kWindow = std::uintptr_t{1} << 32;

// A signal handler has nothing but globals to reach its machine.
LiveMachine* g_machine = nullptr;
sigjmp_buf g_escape;

bool is_write([[maybe_unused]] void* context) {
#if defined(__x86_64__)
  constexpr greg_t kWriteBit = 2;  // of the page fault's error code
  return (static_cast<ucontext_t*>(context)->uc_mcontext.gregs[REG_ERR] & kWriteBit) != 0;
#else
  return false;
#endif
}

}  // namespace

Result<std::unique_ptr<LiveMachine>> LiveMachine::create(std::uint32_t frames) {
#if !defined(__x86_64__)
  return fail(ErrorCode::kNotSupported,
              "only x86-64 tells the handler whether a fault was a write");
#endif
  std::unique_ptr<LiveMachine> machine(new LiveMachine);
  machine->memory_size_ = (frames + 1) * kPage;
  machine->memory_fd_.reset(::memfd_create("cowsim-live", MFD_CLOEXEC));
  if (!machine->memory_fd_ ||
      ::ftruncate(machine->memory_fd_.get(), static_cast<off_t>(machine->memory_size_)) != 0) {
    return fail(ErrorCode::kIo, std::string("memfd: ") + std::strerror(errno));
  }
  void* all = ::mmap(nullptr, machine->memory_size_, PROT_READ | PROT_WRITE, MAP_SHARED,
                     machine->memory_fd_.get(), 0);
  if (all == MAP_FAILED) return fail(ErrorCode::kIo, std::string("mmap: ") + std::strerror(errno));
  machine->memory_ = static_cast<std::uint8_t*>(all);
  machine->frames_.resize(frames + 1);
  for (std::uint32_t i = frames; i > 0; --i) machine->free_.push_back(i);
  struct sigaction action{};
  action.sa_sigaction = on_signal;
  action.sa_flags = SA_SIGINFO | SA_NODEFER;
  ::sigaction(SIGSEGV, &action, &machine->old_segv_);
  ::sigaction(SIGBUS, &action, &machine->old_bus_);
  g_machine = machine.get();
  return machine;
}

LiveMachine::~LiveMachine() {
  while (!processes_.empty()) {
    const auto process = processes_.begin();
    if (process->second.space) leave(process->second);
    processes_.erase(process);
  }
  if (g_machine != this) return;
  ::sigaction(SIGSEGV, &old_segv_, nullptr);
  ::sigaction(SIGBUS, &old_bus_, nullptr);
  g_machine = nullptr;
  ::munmap(memory_, memory_size_);
}

void LiveMachine::on_signal(int signal, siginfo_t* info, void* context) {
  const auto address = reinterpret_cast<std::uintptr_t>(info->si_addr);
  const bool ours = g_machine != nullptr && signal == SIGSEGV && address >= kBase &&
                    address < kBase + kWindow * (g_machine->next_window_ + 1);
  if (!ours) {
    ::signal(signal, SIG_DFL);  // a mistake of this program: the same instruction ends it now
    return;
  }
  // The access was a single instruction of access(), so nothing was interrupted half way.
  if (!g_machine->handle(address, is_write(context))) siglongjmp(g_escape, 1);
}

// ---- the fault handler ----

bool LiveMachine::handle(std::uintptr_t address, bool write) {
  const auto window = static_cast<std::uint32_t>((address - kBase) / kWindow);
  const std::uint64_t number = (address - kBase) % kWindow / kPage;
  fault_outcome_ = Outcome::kSegv;
  for (auto& [name, process] : processes_) {
    if (!process.space || process.space->window != window) continue;
    for (Area& area : process.space->areas) {
      if (number < raw(area.start) || number >= raw(area.start) + area.pages.size()) continue;
      if (write && area.access != sim::Access::kReadWrite) return false;
      const auto index = static_cast<std::uint32_t>(number - raw(area.start));
      const bool done = area.pages[index].present
                            ? handle_protection(*process.space, area, index)
                            : handle_missing(*process.space, area, index, write);
      counts_.faults += done ? 1 : 0;
      return done;
    }
  }
  return false;
}

bool LiveMachine::handle_missing(Space& space, Area& area, std::uint32_t index, bool write) {
  if (!area.object) {
    if (write) return copy_page(space, area, index, std::nullopt);
    set_page(space, area, index, 0, false);
    return true;
  }
  const auto frame = object_frame(*area.object, area.from + index);
  if (!frame) return false;
  if (!area.shared && write) return copy_page(space, area, index, frame);
  ++frames_[*frame].references;
  set_page(space, area, index, *frame, area.shared && area.access == sim::Access::kReadWrite);
  return true;
}

bool LiveMachine::handle_protection(Space& space, Area& area, std::uint32_t index) {
  PageState& page = area.pages[index];
  if (area.shared) {
    set_page(space, area, index, page.frame, true);
    return true;
  }
  if (page.frame == 0) return copy_page(space, area, index, std::nullopt);
  Frame& frame = frames_[page.frame];
  if (!frame.exclusive && frame.references > 1) {
    const std::uint32_t old = page.frame;
    if (!copy_page(space, area, index, old)) return false;
    put_frame(old);
    return true;
  }
  if (!frame.exclusive) ++counts_.reuses;
  frame.exclusive = true;
  set_page(space, area, index, page.frame, true);
  return true;
}

bool LiveMachine::copy_page(Space& space, Area& area, std::uint32_t index,
                            std::optional<std::uint32_t> old) {
  const auto fresh = take_frame();
  if (!fresh) {
    fault_outcome_ = Outcome::kOutOfMemory;
    return false;
  }
  if (old) {
    std::memcpy(bytes(*fresh), bytes(*old), kPage);
    ++counts_.copies;
  } else {
    std::memset(bytes(*fresh), 0, kPage);
    ++counts_.zero_fills;
  }
  frames_[*fresh].exclusive = true;
  set_page(space, area, index, *fresh, true);
  return true;
}

std::optional<std::uint32_t> LiveMachine::object_frame(std::uint32_t object, std::uint32_t page) {
  auto& frames = objects_.at(object).frames;
  if (page >= frames.size()) {
    fault_outcome_ = Outcome::kBus;
    return std::nullopt;
  }
  if (!frames[page]) {
    frames[page] = take_frame();
    fault_outcome_ = Outcome::kOutOfMemory;
    if (!frames[page]) return std::nullopt;
    std::memset(bytes(*frames[page]), 0, kPage);
    ++counts_.zero_fills;
  }
  return frames[page];
}

void LiveMachine::set_page(Space& space, Area& area, std::uint32_t index, std::uint32_t frame,
                           bool writable) {
  area.pages[index] = {true, writable, frame};
  map_real(space, area, index);
}

/// Makes the real mapping what the entry says.
void LiveMachine::map_real(const Space& space, const Area& area, std::uint32_t index) {
  const PageState& page = area.pages[index];
  void* place = reinterpret_cast<void*>(address(space, area, index));
  const int protection = page.writable ? PROT_READ | PROT_WRITE : PROT_READ;
  void* got = page.present ? ::mmap(place, kPage, protection, MAP_SHARED | MAP_FIXED,
                                    memory_fd_.get(), static_cast<off_t>(page.frame * kPage))
                           : ::mmap(place, kPage, PROT_NONE,
                                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0);
  COWFS_CHECK(got == place);
}

// ---- operations ----

std::uintptr_t LiveMachine::address(const Space& space, const Area& area,
                                    std::uint32_t index) const {
  return kBase + space.window * kWindow + (raw(area.start) + index) * kPage;
}

std::uint8_t* LiveMachine::bytes(std::uint32_t frame) const { return memory_ + frame * kPage; }

std::optional<std::uint32_t> LiveMachine::take_frame() {
  if (free_.empty()) return std::nullopt;
  const std::uint32_t frame = free_.back();
  free_.pop_back();
  frames_[frame] = {1, false};
  return frame;
}

void LiveMachine::put_frame(std::uint32_t frame) {
  if (frame == 0 || --frames_[frame].references > 0) return;
  free_.insert(std::ranges::lower_bound(free_, frame, std::greater<>()), frame);
}

LiveMachine::Area* LiveMachine::find(Space& space, const std::string& name) const {
  const auto area = std::ranges::find(space.areas, name, &Area::name);
  return area == space.areas.end() ? nullptr : &*area;
}

sim::StepResult LiveMachine::apply(const sim::Operation& op, sim::PageNumber place) {
  sim::StepResult result;
  result.outcome = dispatch(op, place, result.value);
  if (result.outcome != Outcome::kOk) result.value.clear();
  return result;
}

Outcome LiveMachine::dispatch(const sim::Operation& op, sim::PageNumber place, std::string& value) {
  if (op.verb == sim::Verb::kFile) {
    Object& object = objects_[next_object_];
    object.named = true;
    for (std::uint32_t i = 0; i < op.count; ++i) {
      object.frames.push_back(take_frame());
      if (!object.frames.back()) return Outcome::kOutOfMemory;
      const std::string page = sim::filled_page(op.fill, i, kPage);
      std::memcpy(bytes(*object.frames.back()), page.data(), kPage);
    }
    files_[op.name] = next_object_++;
    return Outcome::kOk;
  }
  if (op.verb == sim::Verb::kProcess) {
    if (processes_.contains(op.process)) return Outcome::kInvalid;
    processes_[op.process].space = std::make_shared<Space>();
    processes_[op.process].space->window = next_window_++;
    return Outcome::kOk;
  }
  if (op.verb <= sim::Verb::kKill) return Outcome::kOk;
  const auto found = processes_.find(op.process);
  if (found == processes_.end() || found->second.zombie) return Outcome::kInvalid;
  Process& process = found->second;
  if (process.waits) return Outcome::kSuspended;
  Area* area = find(*process.space, op.name);
  switch (op.verb) {
    case sim::Verb::kRead:
    case sim::Verb::kWrite: return access(op, process, value);
    case sim::Verb::kMap: return map(op, process, place);
    case sim::Verb::kFork:
    case sim::Verb::kVfork: return fork(op, process);
    case sim::Verb::kExit: exit(op.process, process); return Outcome::kOk;
    case sim::Verb::kPread:
    case sim::Verb::kPwrite: return use_file(op, value);
    default: break;
  }
  if (area == nullptr) return Outcome::kInvalid;
  if (op.verb == sim::Verb::kProtect) protect(*process.space, *area, op.access);
  if (op.verb == sim::Verb::kUnmap)
    remove_area(*process.space, static_cast<std::size_t>(area - process.space->areas.data()));
  if (op.verb != sim::Verb::kDontneed) return Outcome::kOk;
  const auto count = static_cast<std::uint32_t>(area->pages.size());
  const std::uint32_t last = op.pages.whole ? count - 1 : op.pages.last;
  if (last >= count || op.pages.first > last) return Outcome::kInvalid;
  for (std::uint32_t i = op.pages.first; i <= last; ++i) zap(*process.space, *area, i);
  return Outcome::kOk;
}

/// Nothing with a destructor lives where a signal handler may jump to.
[[gnu::noinline]] bool LiveMachine::touch(volatile std::uint8_t* place, bool writes,
                                          std::uint8_t& byte) {
  if (sigsetjmp(g_escape, 1) != 0) return false;
  if (writes) *place = byte;
  else byte = *place;
  return true;
}

/// A real load or store. What it needs comes from the handler.
Outcome LiveMachine::access(const sim::Operation& op, Process& process, std::string& value) {
  const Area* area = find(*process.space, op.name);
  if (area == nullptr) return Outcome::kSegv;
  auto* place = reinterpret_cast<volatile std::uint8_t*>(
      address(*process.space, *area, op.pages.first) + op.offset);
  const bool writes = op.verb == sim::Verb::kWrite;
  std::uint8_t byte = writes ? static_cast<std::uint8_t>(op.bytes[0]) : 0;
  if (!touch(place, writes, byte)) return fault_outcome_;
  if (!writes) value = std::string(1, static_cast<char>(byte));
  return Outcome::kOk;
}

Outcome LiveMachine::map(const sim::Operation& op, Process& process, sim::PageNumber place) {
  if (find(*process.space, op.name) != nullptr || op.count == 0) return Outcome::kInvalid;
  Area area;
  area.name = op.name;
  area.start = place;
  area.access = op.access;
  area.shared = op.shared;
  area.from = op.from;
  area.pages.resize(op.count);
  if (op.other != "anon") {
    if (!files_.contains(op.other)) return Outcome::kInvalid;
    area.object = files_.at(op.other);
  } else if (op.shared) {
    area.object = next_object_++;
    objects_[*area.object].frames.resize(op.count);
  }
  if (area.object) ++objects_[*area.object].users;
  process.space->areas.push_back(std::move(area));
  const Area& added = process.space->areas.back();
  for (std::uint32_t i = 0; i < op.count; ++i) map_real(*process.space, added, i);
  return Outcome::kOk;
}

Outcome LiveMachine::use_file(const sim::Operation& op, std::string& value) {
  const auto file = files_.find(op.name);
  if (file == files_.end()) return Outcome::kInvalid;
  const auto frame = object_frame(file->second, op.pages.first);
  if (!frame) return Outcome::kInvalid;
  std::uint8_t& byte = bytes(*frame)[op.offset];
  if (op.verb == sim::Verb::kPwrite) {
    byte = static_cast<std::uint8_t>(op.bytes[0]);
  } else {
    value = std::string(1, static_cast<char>(byte));
  }
  return Outcome::kOk;
}

Outcome LiveMachine::fork(const sim::Operation& op, Process& process) {
  if (processes_.contains(op.other)) return Outcome::kInvalid;
  Process& child = processes_[op.other];
  child.parent = op.process;
  if (op.verb == sim::Verb::kVfork) {
    child.space = process.space;
    child.wakes = op.process;
    process.waits = true;
    ++process.space->users;
    return Outcome::kOk;
  }
  child.space = std::make_shared<Space>(*process.space);
  child.space->users = 1;
  child.space->window = next_window_++;
  for (std::size_t a = 0; a < process.space->areas.size(); ++a) {
    Area& from = process.space->areas[a];
    Area& to = child.space->areas[a];
    if (from.object) ++objects_[*from.object].users;
    for (std::uint32_t i = 0; i < from.pages.size(); ++i) {
      if (from.pages[i].present && from.pages[i].frame != 0) {
        ++frames_[from.pages[i].frame].references;
        if (!from.shared) frames_[from.pages[i].frame].exclusive = false;
      }
      if (!from.shared) to.pages[i].writable = false;
      map_real(*child.space, to, i);
    }
    // One call for all: what mprotect is for.
    if (from.shared) continue;
    for (PageState& page : from.pages) {
      if (page.present && page.writable) {
        page.writable = false;
        const auto index = static_cast<std::uint32_t>(&page - from.pages.data());
        COWFS_CHECK(::mprotect(reinterpret_cast<void*>(address(*process.space, from, index)), kPage,
                               PROT_READ) == 0);
      }
    }
  }
  return Outcome::kOk;
}

void LiveMachine::protect(Space& space, Area& area, sim::Access access) {
  area.access = access;
  if (access == sim::Access::kReadWrite)
    return;  // the next write faults, and is given the permission
  for (std::uint32_t i = 0; i < area.pages.size(); ++i) {
    if (!area.pages[i].present || !area.pages[i].writable) continue;
    area.pages[i].writable = false;
    COWFS_CHECK(::mprotect(reinterpret_cast<void*>(address(space, area, i)), kPage, PROT_READ) ==
                0);
  }
}

void LiveMachine::zap(Space& space, Area& area, std::uint32_t index) {
  const PageState page = area.pages[index];
  area.pages[index] = {};
  map_real(space, area, index);
  if (page.present) put_frame(page.frame);
}

void LiveMachine::remove_area(Space& space, std::size_t number) {
  Area& area = space.areas[number];
  for (std::uint32_t i = 0; i < area.pages.size(); ++i) zap(space, area, i);
  ::munmap(reinterpret_cast<void*>(address(space, area, 0)), area.pages.size() * kPage);
  if (area.object) {
    Object& object = objects_.at(*area.object);
    if (--object.users == 0 && !object.named) {
      for (const auto& frame : object.frames) {
        if (frame) put_frame(*frame);
      }
      objects_.erase(*area.object);
    }
  }
  space.areas.erase(space.areas.begin() + static_cast<std::ptrdiff_t>(number));
}

void LiveMachine::leave(Process& process) {
  if (--process.space->users == 0) {
    while (!process.space->areas.empty())
      remove_area(*process.space, process.space->areas.size() - 1);
  }
  process.space.reset();
  if (!process.wakes.empty() && processes_.contains(process.wakes))
    processes_[process.wakes].waits = false;
  process.wakes.clear();
}

void LiveMachine::exit(const std::string& name, Process& process) {
  leave(process);
  process.zombie = true;
  for (auto& [other, child] : processes_) {
    if (child.parent == name) child.parent.clear();
  }
  std::erase_if(processes_,
                [](const auto& item) { return item.second.zombie && item.second.parent.empty(); });
}

std::optional<LiveMachine::PageState> LiveMachine::page(const std::string& name,
                                                        const std::string& area_name,
                                                        std::uint32_t index) const {
  const auto process = processes_.find(name);
  if (process == processes_.end() || !process->second.space) return std::nullopt;
  const Area* area = find(*process->second.space, area_name);
  if (area == nullptr || index >= area->pages.size()) return std::nullopt;
  return area->pages[index];
}

LiveMachine::Counts LiveMachine::counts() const {
  Counts counts = counts_;
  counts.used = static_cast<std::uint32_t>(frames_.size() - 1 - free_.size());
  return counts;
}

}  // namespace cowfs
