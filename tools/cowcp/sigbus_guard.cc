#include "tools/cowcp/sigbus_guard.h"

#include <csetjmp>
#include <csignal>
#include <cstdint>
#include <cstring>

namespace cowfs {
namespace {

struct Guard {
  sigjmp_buf escape;
  std::uintptr_t from = 0;
  std::size_t size = 0;
};

thread_local Guard* volatile current = nullptr;

constexpr int kFromSource = 1;
constexpr int kFromTarget = 2;

void on_sigbus(int signal, siginfo_t* info, void*) {
  Guard* guard = current;
  if (guard == nullptr) {
    ::signal(signal, SIG_DFL);  // the instruction is run again, and ends the program
    return;
  }
  const auto address = reinterpret_cast<std::uintptr_t>(info->si_addr);
  const bool in_source = address >= guard->from && address - guard->from < guard->size;
  siglongjmp(guard->escape, in_source ? kFromSource : kFromTarget);
}

}  // namespace

void install_sigbus_guard() {
  struct sigaction action{};
  action.sa_sigaction = on_sigbus;
  action.sa_flags = SA_SIGINFO | SA_NODEFER;
  ::sigaction(SIGBUS, &action, nullptr);
}

GuardedCopy copy_guarded(void* to, const void* from, std::size_t size) {
  Guard guard;
  guard.from = reinterpret_cast<std::uintptr_t>(from);
  guard.size = size;
  const int escaped = sigsetjmp(guard.escape, 0);
  if (escaped != 0) {
    current = nullptr;
    return escaped == kFromSource ? GuardedCopy::kSourceFailed : GuardedCopy::kTargetFailed;
  }
  current = &guard;
  std::memcpy(to, from, size);
  current = nullptr;
  return GuardedCopy::kDone;
}

}  // namespace cowfs
