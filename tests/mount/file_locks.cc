// file_locks DIR: fcntl record locks, open file description locks and flock exclude each other
// between processes as locks do.
#include <sys/file.h>
#include <sys/wait.h>

#include <functional>

#include "tests/mount/support.h"

namespace {

using namespace mount_test;

// Runs `work` in a child with descriptors of its own; its result, 0 to 255.
int in_child(const std::function<int()>& work) {
  const auto pid = static_cast<pid_t>(must(::fork(), "fork"));
  if (pid == 0) ::_exit(work());
  int status = 0;
  must(::waitpid(pid, &status, 0), "waitpid");
  expect(WIFEXITED(status), "the child was killed");
  return WEXITSTATUS(status);
}

struct flock range_lock(short type, off_t start, off_t length) {
  struct flock lock{};
  lock.l_type = type;
  lock.l_whence = SEEK_SET;
  lock.l_start = start;
  lock.l_len = length;
  return lock;
}

int try_range(const std::string& path, short type, off_t start, off_t length) {
  const Fd fd = open_file(path, O_RDWR);
  struct flock lock = range_lock(type, start, length);
  if (::fcntl(fd.get(), F_SETLK, &lock) == 0) return 0;
  return errno == EAGAIN || errno == EACCES ? 1 : 2;
}

void check_record_locks(const std::string& path) {
  const Fd fd = open_file(path, O_RDWR);
  struct flock lock = range_lock(F_WRLCK, 100, 50);
  must(::fcntl(fd.get(), F_SETLK, &lock), "F_SETLK");
  expect(in_child([&] { return try_range(path, F_WRLCK, 149, 10); }) == 1,
         "an overlapping write lock was granted");
  expect(in_child([&] { return try_range(path, F_RDLCK, 100, 1); }) == 1,
         "an overlapping read lock was granted");
  expect(in_child([&] { return try_range(path, F_WRLCK, 150, 10); }) == 0,
         "a lock beside was refused");
  expect(in_child([&] {
           const Fd other = open_file(path, O_RDWR);
           struct flock query = range_lock(F_WRLCK, 0, 0);
           if (::fcntl(other.get(), F_GETLK, &query) != 0) return 2;
           return query.l_type == F_WRLCK && query.l_start == 100 && query.l_len == 50 &&
                          query.l_pid == ::getppid()
                      ? 0
                      : 1;
         }) == 0,
         "F_GETLK does not tell the holder");
  lock = range_lock(F_UNLCK, 100, 25);
  must(::fcntl(fd.get(), F_SETLK, &lock), "partial unlock");
  expect(in_child([&] { return try_range(path, F_WRLCK, 100, 25); }) == 0,
         "the unlocked part is still locked");
  expect(in_child([&] { return try_range(path, F_WRLCK, 125, 1); }) == 1,
         "the rest is no more locked");
  // POSIX: the close of any descriptor of the file drops the process's locks.
  { const Fd other = open_file(path, O_RDONLY); }
  expect(in_child([&] { return try_range(path, F_WRLCK, 125, 1); }) == 0,
         "a lock outlived the close of another descriptor");
}

void check_description_locks(const std::string& path) {
  const Fd fd = open_file(path, O_RDWR);
  const Fd same_process = open_file(path, O_RDWR);
  struct flock lock = range_lock(F_WRLCK, 0, 10);
  must(::fcntl(fd.get(), F_OFD_SETLK, &lock), "F_OFD_SETLK");
  must_fail(::fcntl(same_process.get(), F_OFD_SETLK, &lock), EAGAIN,
            "a second description in the same process");
}

int try_flock(const std::string& path, int kind) {
  const Fd fd = open_file(path, O_RDWR);
  if (::flock(fd.get(), kind | LOCK_NB) == 0) return 0;
  return errno == EWOULDBLOCK ? 1 : 2;
}

void check_flock(const std::string& path) {
  Fd fd = open_file(path, O_RDWR);
  must(::flock(fd.get(), LOCK_SH), "flock shared");
  expect(in_child([&] { return try_flock(path, LOCK_SH); }) == 0,
         "a second shared flock was refused");
  expect(in_child([&] { return try_flock(path, LOCK_EX); }) == 1,
         "an exclusive flock was granted beside a shared one");
  must(::flock(fd.get(), LOCK_EX), "flock exclusive");
  expect(in_child([&] { return try_flock(path, LOCK_SH); }) == 1,
         "a shared flock was granted beside an exclusive one");
  fd = Fd();
  expect(in_child([&] { return try_flock(path, LOCK_EX); }) == 0, "flock outlived its descriptor");
}

void check_waiting(const std::string& path) {
  int ready[2];
  must(::pipe(ready), "pipe");
  Fd fd = open_file(path, O_RDWR);
  struct flock lock = range_lock(F_WRLCK, 0, 0);
  must(::fcntl(fd.get(), F_SETLK, &lock), "F_SETLK");
  const auto pid = static_cast<pid_t>(must(::fork(), "fork"));
  if (pid == 0) {
    const Fd other = open_file(path, O_RDWR);
    must(::write(ready[1], "r", 1), "write");
    struct flock wanted = range_lock(F_WRLCK, 0, 0);
    ::_exit(::fcntl(other.get(), F_SETLKW, &wanted) == 0 ? 0 : 1);
  }
  char byte = 0;
  must(::read(ready[0], &byte, 1), "read");
  lock = range_lock(F_UNLCK, 0, 0);
  must(::fcntl(fd.get(), F_SETLK, &lock), "unlock");
  int status = 0;
  must(::waitpid(pid, &status, 0), "waitpid");
  expect(status == 0, "a waiting lock was not granted");
}

}  // namespace

int main(int argc, char** argv) {
  expect(argc == 2, "usage: file_locks DIR");
  const std::string path = std::string(argv[1]) + "/locked";
  { const Fd fd = open_file(path, O_RDWR | O_CREAT); }
  check_record_locks(path);
  check_description_locks(path);
  check_flock(path);
  check_waiting(path);
  must(::unlink(path.c_str()), "unlink");
  return 0;
}
