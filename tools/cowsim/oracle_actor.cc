// The processes of the oracle: they do what they are told, and count the faults of each access.
#include <linux/futex.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <ctime>
#include <string>

#include "tools/cowsim/commands.h"
#include "tools/cowsim/oracle_mailbox.h"

namespace cowfs::oracle {
namespace {

constexpr std::size_t kStackSize = std::size_t{64} << 10;

// A signal handler has nothing but globals to reach its process. Each actor runs one access at a
// time.
sigjmp_buf g_escape;
volatile sig_atomic_t g_signal = 0;
alignas(4096) volatile std::uint8_t g_dummy_page[4096];

void escape(int signal) {
  g_signal = signal;
  siglongjmp(g_escape, 1);
}

void install_handlers() {
  struct sigaction action{};
  action.sa_handler = escape;
  action.sa_flags = SA_NODEFER;
  ::sigaction(SIGSEGV, &action, nullptr);
  ::sigaction(SIGBUS, &action, nullptr);
  ::signal(SIGCHLD, SIG_IGN);
}

std::uint64_t faults_so_far() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return static_cast<std::uint64_t>(usage.ru_minflt) + static_cast<std::uint64_t>(usage.ru_majflt);
}

/// One access, and the faults between the two looks at the counters.
__attribute__((noinline)) Answer measured_access(volatile std::uint8_t* place, bool write,
                                                 std::uint8_t& value, std::uint64_t& faults) {
  if (sigsetjmp(g_escape, 1) != 0) return g_signal == SIGBUS ? Answer::kBus : Answer::kSegv;
  const std::uint64_t before = faults_so_far();
  if (write) {
    *place = value;
  } else {
    value = *place;
  }
  faults = faults_so_far() - before;
  return Answer::kOk;
}

void access(Slot& slot) {
  const bool write = slot.task == Task::kWrite;
  std::uint64_t faults = 0;
  std::uint8_t value = slot.value;
  // After a fork the first rounds fault on this process's own stack and data.
  for (int round = 0; round < 3; ++round) {
    std::uint8_t dummy = 0;
    (void)measured_access(g_dummy_page, true, dummy, faults);
    (void)measured_access(g_dummy_page, false, dummy, faults);
  }
  slot.answer =
      measured_access(reinterpret_cast<volatile std::uint8_t*>(slot.address), write, value, faults);
  slot.value = value;
  slot.faults = faults;
}

void finish_call(Slot& slot, bool ok) {
  slot.answer = ok ? Answer::kOk : Answer::kFailed;
  slot.error = ok ? 0 : errno;
}

struct Birth {
  Mailbox* mailbox;
  std::uint32_t slot;
  int mailbox_fd;
};

int begin_vfork_child(void* argument) {
  const Birth birth = *static_cast<Birth*>(argument);
  Slot& slot = birth.mailbox->slots[birth.slot];
  slot.pid = ::getpid();
  set_turn(slot.turn, Turn::kDone);  // the parent cannot answer: it is suspended
  serve(*birth.mailbox, birth.slot, birth.mailbox_fd);
}

void make_child(Mailbox& mailbox, Slot& slot, int mailbox_fd) {
  if (slot.task == Task::kVfork) {
    // A stack is never used twice: what the child leaves on it must not meet the next one.
    void* stack =
        ::mmap(nullptr, kStackSize, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    Birth birth{&mailbox, slot.child_slot, mailbox_fd};
    const int pid = stack == MAP_FAILED
                        ? -1
                        : ::clone(begin_vfork_child, static_cast<char*>(stack) + kStackSize,
                                  CLONE_VM | CLONE_VFORK | SIGCHLD, &birth);
    return finish_call(slot, pid > 0);
  }
  const std::uint32_t child_slot = slot.child_slot;
  const pid_t pid = ::fork();
  if (pid == 0) serve(mailbox, child_slot, mailbox_fd);
  slot.pid = pid;
  finish_call(slot, pid > 0);
}

void start_anew(std::uint32_t slot, int mailbox_fd) {
  const std::string slot_text = std::to_string(slot);
  const std::string fd_text = std::to_string(mailbox_fd);
  ::execl("/proc/self/exe", "cowsim", "--oracle-actor", slot_text.c_str(), fd_text.c_str(),
          nullptr);
}

void call(Slot& slot) {
  void* address = reinterpret_cast<void*>(slot.address);
  switch (slot.task) {
    case Task::kMap:
      return finish_call(
          slot, ::mmap(address, slot.length, slot.protection, slot.flags | MAP_FIXED_NOREPLACE,
                       slot.fd, slot.file_offset) == address);
    case Task::kUnmap: return finish_call(slot, ::munmap(address, slot.length) == 0);
    case Task::kProtect:
      return finish_call(slot, ::mprotect(address, slot.length, slot.protection) == 0);
    case Task::kDontneed:
      return finish_call(slot, ::madvise(address, slot.length, MADV_DONTNEED) == 0);
    case Task::kMsync: return finish_call(slot, ::msync(address, slot.length, MS_SYNC) == 0);
    case Task::kPread: {
      std::uint8_t byte = 0;
      const bool ok = ::pread(slot.fd, &byte, 1, slot.file_offset) == 1;
      slot.value = byte;
      return finish_call(slot, ok);
    }
    case Task::kPwrite:
      return finish_call(slot, ::pwrite(slot.fd, &slot.value, 1, slot.file_offset) == 1);
    default: return finish_call(slot, false);
  }
}

}  // namespace

void wait_while(std::atomic<Turn>& turn, Turn value, int timeout_ms) {
  const timespec timeout{timeout_ms / 1000, timeout_ms % 1000 * 1'000'000L};
  if (turn.load() != value) return;
  ::syscall(SYS_futex, &turn, FUTEX_WAIT, static_cast<std::uint32_t>(value),
            timeout_ms < 0 ? nullptr : &timeout, nullptr, 0);
}

void set_turn(std::atomic<Turn>& turn, Turn value) {
  turn.store(value);
  ::syscall(SYS_futex, &turn, FUTEX_WAKE, 1, nullptr, nullptr, 0);
}

Mailbox* map_mailbox(int fd) {
  void* wanted = reinterpret_cast<void*>(kMailboxAddress);
  void* got = ::mmap(wanted, sizeof(Mailbox), PROT_READ | PROT_WRITE,
                     MAP_SHARED | MAP_FIXED_NOREPLACE, fd, 0);
  return got == wanted ? static_cast<Mailbox*>(got) : nullptr;
}

void serve(Mailbox& mailbox, std::uint32_t number, int mailbox_fd) {
  // Actors do not outlive the controller for long: without a request for a minute they leave.
  Slot& slot = mailbox.slots[number];
  for (;;) {
    int waits = 0;
    while (slot.turn.load() != Turn::kRequested) {
      wait_while(slot.turn, slot.turn.load() == Turn::kIdle ? Turn::kIdle : Turn::kDone, 1000);
      if (++waits > 60) ::_exit(1);
    }
    switch (slot.task) {
      case Task::kRead:
      case Task::kWrite: access(slot); break;
      case Task::kFork:
      case Task::kVfork: make_child(mailbox, slot, mailbox_fd); break;
      case Task::kExec:
        start_anew(number, mailbox_fd);
        finish_call(slot, false);
        break;
      case Task::kExit: ::_exit(0);
      default: call(slot); break;
    }
    set_turn(slot.turn, Turn::kDone);
  }
}

}  // namespace cowfs::oracle

namespace cowfs {

int oracle_actor(int argc, const char* const* argv) {
  using namespace oracle;
  if (argc != 4) return 2;
  const auto number = static_cast<std::uint32_t>(std::atoi(argv[2]));
  const int fd = std::atoi(argv[3]);
  Mailbox* mailbox = map_mailbox(fd);
  if (mailbox == nullptr || number >= kSlots) return 2;
  ::prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
  install_handlers();
  Slot& slot = mailbox->slots[number];
  slot.pid = ::getpid();
  slot.answer = Answer::kOk;
  set_turn(slot.turn, Turn::kDone);
  serve(*mailbox, number, fd);
}

}  // namespace cowfs
