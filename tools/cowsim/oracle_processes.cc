#include "tools/cowsim/oracle_processes.h"
#include "tools/cowsim/commands.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <set>

namespace cowfs::oracle {
namespace {

constexpr int kPatienceMs = 20'000;
constexpr std::uint64_t kPresentBit = std::uint64_t{1} << 63;
constexpr std::uint64_t kFrameMask = (std::uint64_t{1} << 55) - 1;

std::unexpected<Error> system_failure(std::string_view what) {
  return fail(ErrorCode::kIo, fmt::format("{}: {}", what, std::strerror(errno)));
}

std::uint64_t address_of(const sim::Area& area, std::uint32_t index) {
  return kAreaBase + raw(area.page_at(index)) * kPage;
}

int protection_of(sim::Access access) {
  return access == sim::Access::kReadOnly ? PROT_READ : PROT_READ | PROT_WRITE;
}

const sim::Area* area_of(const sim::Operation& op, const sim::Machine& machine) {
  const sim::AddressSpace* space = machine.space_of(op.process);
  return space == nullptr ? nullptr : space->find(op.name);
}

/// Waits until a process, whoever's child it is, is gone.
void wait_for_end(int pid) {
  const UniqueFd handle(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  if (!handle) return;
  pollfd ready{handle.get(), POLLIN, 0};
  (void)::poll(&ready, 1, kPatienceMs);
}

const Observation kNotPossible{sim::Outcome::kInvalid, {}, 0};

}  // namespace

Result<std::unique_ptr<Processes>> Processes::start(std::string disk) {
  std::unique_ptr<Processes> all(new Processes);
  all->disk_ = std::move(disk);
  all->mailbox_fd_.reset(::memfd_create("cowsim-mailbox", 0));
  if (!all->mailbox_fd_ || ::ftruncate(all->mailbox_fd_.get(), sizeof(Mailbox)) != 0)
    return system_failure("memfd");
  all->mailbox_ = map_mailbox(all->mailbox_fd_.get());
  if (all->mailbox_ == nullptr) return system_failure("mmap of the mailbox");
  all->map_counts_.reset(::open("/proc/kpagecount", O_RDONLY | O_CLOEXEC));
  return all;
}

Processes::~Processes() {
  end_all();
  if (mailbox_ != nullptr) ::munmap(mailbox_, sizeof(Mailbox));
}

void Processes::end_all() {
  for (const auto& [name, actor] : actors_) ::kill(actor.pid, SIGKILL);
  for (const auto& [name, actor] : actors_) {
    wait_for_end(actor.pid);
    (void)::waitpid(actor.pid, nullptr, 0);
  }
  actors_.clear();
}

bool Processes::wait_for(Slot& slot) {
  for (int waited = 0; slot.turn.load() != Turn::kDone && waited < kPatienceMs / 100; ++waited) {
    wait_while(slot.turn, slot.turn.load() == Turn::kIdle ? Turn::kIdle : Turn::kRequested, 100);
  }
  return slot.turn.load() == Turn::kDone;
}

Result<Observation> Processes::request(Slot& slot) {
  set_turn(slot.turn, Turn::kRequested);
  if (!wait_for(slot)) return fail(ErrorCode::kIo, "an actor does not answer");
  Observation seen;
  switch (slot.answer) {
    case Answer::kOk: break;
    case Answer::kSegv: seen.outcome = sim::Outcome::kSegv; break;
    case Answer::kBus: seen.outcome = sim::Outcome::kBus; break;
    case Answer::kFailed:
      return fail(ErrorCode::kIo,
                  fmt::format("an actor's system call failed: {}", std::strerror(slot.error)));
  }
  seen.faults = slot.faults;
  return seen;
}

Result<Observation> Processes::perform(const sim::Operation& op, const sim::Machine& machine) {
  switch (op.verb) {
    case sim::Verb::kFile: return make_file(op);
    case sim::Verb::kWarm:  // new files are in memory already
      return machine.file(op.name) ? Observation{} : kNotPossible;
    case sim::Verb::kProgram:
    case sim::Verb::kPicture: return Observation{};
    case sim::Verb::kProcess:
      if (!op.other.empty() && !machine.file(op.other)) return kNotPossible;
      return first_process(op);
    default: break;
  }
  const auto found = actors_.find(op.process);
  if (found == actors_.end()) return kNotPossible;
  Actor& actor = found->second;
  const sim::Process* process = machine.process(op.process);
  if (process != nullptr && process->state == sim::ProcessState::kVforkWait) {
    return Observation{sim::Outcome::kSuspended, {}, 0};
  }
  const bool of_file = op.verb == sim::Verb::kPread || op.verb == sim::Verb::kPwrite;
  const sim::Area* area = area_of(op, machine);
  if (area != nullptr && area->from_program && !of_file) {
    return fail(ErrorCode::kNotSupported,
                "the oracle has not the areas of a program: '" + sim::to_text(op) + "'");
  }
  switch (op.verb) {
    case sim::Verb::kRead:
    case sim::Verb::kWrite: return access(op, actor, machine);
    case sim::Verb::kMap: return map(op, actor, machine);
    case sim::Verb::kUnmap:
    case sim::Verb::kProtect:
    case sim::Verb::kDontneed:
    case sim::Verb::kMsync: return change_area(op, actor, machine);
    case sim::Verb::kPread:
    case sim::Verb::kPwrite: return use_file(op, actor);
    case sim::Verb::kFork:
    case sim::Verb::kVfork: return make_child(op, actor);
    case sim::Verb::kExec:
      if (!machine.file(op.other)) return kNotPossible;
      return leave(op, actor);
    case sim::Verb::kExit: return leave(op, actor);
    default:
      return fail(ErrorCode::kNotSupported, "the oracle cannot do '" + sim::to_text(op) + "'");
  }
}

Result<Observation> Processes::make_file(const sim::Operation& op) {
  // Processes inherit the files: one that runs already could not reach a new one.
  if (!actors_.empty()) {
    return fail(ErrorCode::kNotSupported,
                "the oracle makes files before the first process: '" + sim::to_text(op) + "'");
  }
  UniqueFd file;
  const bool disk = op.kind == sim::FileKind::kDisk;
  if (disk) {
    if (disk_.empty()) return fail(ErrorCode::kNotSupported, "a disk file needs --disk");
    file.reset(::open(disk_.c_str(), O_TMPFILE | O_RDWR, 0600));
  } else {
    file.reset(::memfd_create("cowsim-file", 0));
  }
  if (!file) return system_failure(disk ? "new file in " + disk_ : "new file");
  // One page a call: the filesystem then caches single pages and no larger pieces.
  for (std::uint32_t i = 0; i < op.count; ++i) {
    const std::string page = sim::filled_page(op.fill, i, kPage);
    if (::pwrite(file.get(), page.data(), page.size(), i * static_cast<off_t>(kPage)) !=
        static_cast<ssize_t>(kPage)) {
      return system_failure("write of a new file");
    }
  }
  if (disk && ::fsync(file.get()) != 0) return system_failure("fsync");
  files_[op.name] = std::move(file);
  return Observation{};
}

Result<Observation> Processes::first_process(const sim::Operation& op) {
  if (actors_.contains(op.process)) return kNotPossible;
  const std::uint32_t number = free_slot();
  Slot& slot = mailbox_->slots[number];
  slot.turn = Turn::kIdle;
  const std::string slot_text = std::to_string(number);
  const std::string fd_text = std::to_string(mailbox_fd_.get());
  const pid_t pid = ::fork();
  if (pid == 0) {
    ::execl("/proc/self/exe", "cowsim", "--oracle-actor", slot_text.c_str(), fd_text.c_str(),
            nullptr);
    ::_exit(1);
  }
  if (pid < 0) return system_failure("fork");
  COWFS_TRY(add_actor(op.process, number, pid));
  if (!wait_for(slot)) return fail(ErrorCode::kIo, "an actor does not start");
  COWFS_TRY(add_actor(op.process, number, pid));  // exec gave it new memory
  return Observation{};
}

Result<void> Processes::add_actor(const std::string& name, std::uint32_t slot, int pid) {
  Actor& actor = actors_[name];
  actor.slot = slot;
  actor.pid = pid;
  actor.page_map.reset(::open(fmt::format("/proc/{}/pagemap", pid).c_str(), O_RDONLY | O_CLOEXEC));
  if (!actor.page_map) return system_failure("pagemap");
  actor.memory.reset(::open(fmt::format("/proc/{}/mem", pid).c_str(), O_RDONLY | O_CLOEXEC));
  return {};
}

std::uint32_t Processes::free_slot() const {
  std::set<std::uint32_t> used;
  for (const auto& [name, actor] : actors_) used.insert(actor.slot);
  std::uint32_t slot = 0;
  while (used.contains(slot)) ++slot;
  return std::min(slot, kSlots - 1);
}

Result<Observation> Processes::access(const sim::Operation& op, const Actor& actor,
                                      const sim::Machine& machine) {
  const sim::Area* area = area_of(op, machine);
  if (area == nullptr) return Observation{sim::Outcome::kSegv, {}, 0};
  if (op.offset >= kPage || op.bytes.size() > 1 || op.pages.first != op.pages.last)
    return kNotPossible;
  Slot& slot = mailbox_->slots[actor.slot];
  slot.task = op.verb == sim::Verb::kRead ? Task::kRead : Task::kWrite;
  slot.address = address_of(*area, 0) + op.pages.first * kPage + op.offset;
  slot.value = op.bytes.empty() ? 0 : static_cast<std::uint8_t>(op.bytes[0]);
  COWFS_ASSIGN(Observation seen, request(slot));
  if (op.verb == sim::Verb::kRead && seen.outcome == sim::Outcome::kOk) {
    seen.value = std::string(1, static_cast<char>(slot.value));
  }
  return seen;
}

Result<Observation> Processes::map(const sim::Operation& op, const Actor& actor,
                                   const sim::Machine& machine) {
  const sim::AddressSpace* space = machine.space_of(op.process);
  if (space == nullptr || space->find(op.name) != nullptr || op.count == 0) return kNotPossible;
  Slot& slot = mailbox_->slots[actor.slot];
  slot.task = Task::kMap;
  slot.address = kAreaBase + raw(space->place_for(op.count)) * kPage;
  slot.length = op.count * kPage;
  slot.protection = protection_of(op.access);
  slot.flags = op.shared ? MAP_SHARED : MAP_PRIVATE;
  slot.fd = -1;
  slot.file_offset = 0;
  if (op.other == "anon") {
    slot.flags |= MAP_ANONYMOUS;
  } else {
    const auto file = files_.find(op.other);
    if (file == files_.end()) return kNotPossible;
    slot.fd = file->second.get();
    slot.file_offset = op.from * static_cast<std::int64_t>(kPage);
  }
  return request(slot);
}

Result<Observation> Processes::change_area(const sim::Operation& op, const Actor& actor,
                                           const sim::Machine& machine) {
  const sim::Area* area = area_of(op, machine);
  if (area == nullptr) return kNotPossible;
  const std::uint32_t first = op.pages.whole ? 0 : op.pages.first;
  const std::uint32_t last = op.pages.whole ? area->pages - 1 : op.pages.last;
  if (op.verb == sim::Verb::kDontneed && (first > last || last >= area->pages)) return kNotPossible;
  Slot& slot = mailbox_->slots[actor.slot];
  const bool part = op.verb == sim::Verb::kDontneed;
  slot.address = address_of(*area, part ? first : 0);
  slot.length = (part ? last - first + 1 : area->pages) * kPage;
  slot.protection = protection_of(op.access);
  switch (op.verb) {
    case sim::Verb::kUnmap: slot.task = Task::kUnmap; break;
    case sim::Verb::kProtect: slot.task = Task::kProtect; break;
    case sim::Verb::kDontneed: slot.task = Task::kDontneed; break;
    default: slot.task = Task::kMsync; break;
  }
  return request(slot);
}

Result<Observation> Processes::use_file(const sim::Operation& op, const Actor& actor) {
  const auto file = files_.find(op.name);
  if (file == files_.end()) return kNotPossible;
  Slot& slot = mailbox_->slots[actor.slot];
  slot.task = op.verb == sim::Verb::kPread ? Task::kPread : Task::kPwrite;
  slot.fd = file->second.get();
  slot.file_offset = op.pages.first * static_cast<std::int64_t>(kPage) + op.offset;
  slot.value = op.bytes.empty() ? 0 : static_cast<std::uint8_t>(op.bytes[0]);
  COWFS_ASSIGN(Observation seen, request(slot));
  if (op.verb == sim::Verb::kPread) seen.value = std::string(1, static_cast<char>(slot.value));
  return seen;
}

Result<Observation> Processes::make_child(const sim::Operation& op, const Actor& actor) {
  if (actors_.contains(op.other)) return kNotPossible;
  const bool vfork = op.verb == sim::Verb::kVfork;
  const std::uint32_t number = free_slot();
  Slot& child = mailbox_->slots[number];
  child.turn = Turn::kIdle;
  Slot& slot = mailbox_->slots[actor.slot];
  slot.task = vfork ? Task::kVfork : Task::kFork;
  slot.child_slot = number;
  if (vfork) {
    set_turn(slot.turn, Turn::kRequested);
    if (!wait_for(child)) return fail(ErrorCode::kIo, "a vfork child does not start");
    COWFS_TRY(add_actor(op.other, number, child.pid));
    actors_[op.other].suspended_parent = op.process;
    return Observation{};
  }
  COWFS_ASSIGN(Observation seen, request(slot));
  COWFS_TRY(add_actor(op.other, number, slot.pid));
  return seen;
}

Result<Observation> Processes::leave(const sim::Operation& op, Actor& actor) {
  Slot& slot = mailbox_->slots[actor.slot];
  const std::string parent = actor.suspended_parent;
  slot.task = op.verb == sim::Verb::kExit ? Task::kExit : Task::kExec;
  set_turn(slot.turn, Turn::kRequested);
  if (op.verb == sim::Verb::kExec) {
    if (!wait_for(slot)) return fail(ErrorCode::kIo, "an actor does not come back from exec");
    actor.suspended_parent.clear();
    // The open page map still shows the old memory.
    COWFS_TRY(add_actor(op.process, actor.slot, actor.pid));
  } else {
    wait_for_end(actor.pid);
    (void)::waitpid(actor.pid, nullptr, 0);
    actors_.erase(op.process);
  }
  // The parent answers its own vfork request now.
  if (!parent.empty() && !wait_for(mailbox_->slots[actors_.at(parent).slot])) {
    return fail(ErrorCode::kIo, "a vfork parent does not go on");
  }
  return Observation{};
}

std::vector<PageState> Processes::pages(const std::string& process, const sim::Area& area) {
  std::vector<std::uint64_t> words(area.pages);
  const auto size = static_cast<ssize_t>(words.size() * sizeof(std::uint64_t));
  const auto offset = static_cast<off_t>(address_of(area, 0) / kPage * sizeof(std::uint64_t));
  std::vector<PageState> out(area.pages);
  if (::pread(actors_.at(process).page_map.get(), words.data(), static_cast<std::size_t>(size),
              offset) != size)
    return out;
  for (std::size_t i = 0; i < words.size(); ++i) {
    out[i] = {(words[i] & kPresentBit) != 0, words[i] & kFrameMask};
  }
  return out;
}

std::optional<std::string> Processes::bytes(const std::string& process, const sim::Area& area,
                                            std::uint32_t index) {
  std::string out(kPage, '\0');
  if (::pread(actors_.at(process).memory.get(), out.data(), out.size(),
              static_cast<off_t>(address_of(area, index))) != static_cast<ssize_t>(kPage))
    return std::nullopt;
  return out;
}

std::optional<std::uint64_t> Processes::map_count(std::uint64_t frame) {
  std::uint64_t count = 0;
  const auto offset = static_cast<off_t>(frame * sizeof count);
  if (!map_counts_ || ::pread(map_counts_.get(), &count, sizeof count, offset) != sizeof count)
    return std::nullopt;
  return count;
}

}  // namespace cowfs::oracle
