#include "fs/daemonize.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "fs/exit_codes.h"

namespace cowfs {

namespace {

[[noreturn]] void wait_for(pid_t child, const UniqueFd& pipe) {
  char byte = 0;
  ssize_t got = 0;
  do {
    got = ::read(pipe.get(), &byte, 1);
  } while (got < 0 && errno == EINTR);
  if (got == 1) ::_exit(kExitOk);
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {}
  ::_exit(WIFEXITED(status) && WEXITSTATUS(status) != 0 ? WEXITSTATUS(status) : kExitSystem);
}

}  // namespace

Result<Launch> Launch::in_background() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) {
    return fail(ErrorCode::kIo, std::string("pipe: ") + std::strerror(errno));
  }
  UniqueFd reading(ends[0]);
  UniqueFd writing(ends[1]);
  const pid_t child = ::fork();
  if (child < 0) return fail(ErrorCode::kIo, std::string("fork: ") + std::strerror(errno));
  if (child != 0) {
    writing.reset();
    wait_for(child, reading);
  }
  reading.reset();
  // What the caller has open is no business of a daemon: it would keep pipes and other mounts busy.
  if (writing.get() > STDERR_FILENO + 1)
    ::close_range(STDERR_FILENO + 1, static_cast<unsigned>(writing.get()) - 1, 0);
  ::close_range(static_cast<unsigned>(writing.get()) + 1, ~0U, 0);
  ::setsid();
  if (::chdir("/") != 0)
    return fail(ErrorCode::kIo,
                std::string("chdir /: ") + std::strerror(errno));  // keeps no other mount busy
  return Launch(std::move(writing));
}

void Launch::ready() {
  if (!in_background_) return;
  const UniqueFd null(::open("/dev/null", O_RDWR | O_CLOEXEC));
  for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (null) ::dup2(null.get(), fd);
  }
  const char byte = 1;
  while (::write(parent_.get(), &byte, 1) < 0 && errno == EINTR) {}
  parent_.reset();
}

}  // namespace cowfs
