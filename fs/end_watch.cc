#include "fs/end_watch.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstring>
#include <utility>

namespace cowfs {

namespace {

sigset_t end_signals() {
  sigset_t set;
  ::sigemptyset(&set);
  for (const int signal : {SIGTERM, SIGINT, SIGHUP}) ::sigaddset(&set, signal);
  return set;
}

void watch(const UniqueFd& signals, int stop, const std::function<void(int)>& on_signal) {
  while (true) {
    pollfd waiting[2] = {{signals.get(), POLLIN, 0}, {stop, POLLIN, 0}};
    if (::poll(waiting, 2, -1) < 0) continue;  // EINTR
    if (waiting[1].revents != 0) return;
    signalfd_siginfo info{};
    if (::read(signals.get(), &info, sizeof info) != sizeof info) continue;
    on_signal(static_cast<int>(info.ssi_signo));
  }
}

}  // namespace

void block_end_signals() {
  const sigset_t set = end_signals();
  ::pthread_sigmask(SIG_BLOCK, &set, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
}

Result<EndWatch> EndWatch::begin(std::function<void(int signal)> on_signal) {
  const sigset_t set = end_signals();
  UniqueFd signals(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
  UniqueFd stop(::eventfd(0, EFD_CLOEXEC));
  if (!signals || !stop) {
    return fail(ErrorCode::kIo, std::string("signals: ") + std::strerror(errno));
  }
  return EndWatch(std::move(signals), std::move(stop), std::move(on_signal));
}

EndWatch::EndWatch(UniqueFd signals, UniqueFd stop, std::function<void(int)> on_signal)
    : stop_(std::move(stop)),
      thread_([fds = std::move(signals), stop_fd = stop_.get(), act = std::move(on_signal)] {
        watch(fds, stop_fd, act);
      }) {}

EndWatch::~EndWatch() {
  if (!thread_.joinable()) return;
  const std::uint64_t one = 1;
  (void)!::write(stop_.get(), &one, sizeof one);
  thread_.join();
}

}  // namespace cowfs
