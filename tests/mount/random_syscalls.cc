// random_syscalls --seed N --steps N [--every N --hook COMMAND] [--log FILE] REFERENCE TRIED
//
// Runs one random sequence of system calls in two directories, on a filesystem that is trusted
// (ext4) and on one that is tried, and compares after each step: the result, errno, the data
// returned, and what stat says about every file named in it.
//
// How: one process a directory. Both make the same steps from the same seed, and write one line a
// step to a pipe; this program reads the two pipes and compares the lines. As root each process has
// its directory as root directory (chroot), so that
// `..` and absolute links stay inside, and takes each step as root or as one of two ordinary users.
// The first difference ends the run with 1, the steps before it and the command that replays it.
// --hook runs COMMAND after every N steps, while both stand still with their files open.
//
// Not compared, because good filesystems differ: sizes and positions of directories, st_blocks,
// inode numbers, atime, where exactly data and holes lie (what SEEK_DATA and SEEK_HOLE promise is
// checked instead). Of mtime and ctime: whether a step changed them, and explicit values.
#include <sys/wait.h>

#include <deque>
#include <fstream>

#include "tests/mount/random_steps.h"

namespace {

using namespace mount_test;

struct Run {
  std::uint64_t seed = 1;
  std::uint64_t steps = 1000;
  std::uint64_t every = 0;
  std::string hook;
  std::string log;
  std::string directory[2];
};

struct Worker {
  FILE* lines = nullptr;  // what it did
  int go = -1;            // a byte lets it go on after a hook
  pid_t pid = -1;
};

Worker start(const Run& run, const std::string& directory) {
  int out[2];
  int go[2];
  must(::pipe2(out, O_CLOEXEC), "pipe");
  must(::pipe2(go, O_CLOEXEC), "pipe");
  const auto pid = static_cast<pid_t>(must(::fork(), "fork"));
  if (pid == 0) {
    ::close(out[0]);
    ::close(go[1]);
    Side side(directory, run.seed, out[1], go[0]);
    for (std::uint64_t step = 1; step <= run.steps; ++step) {
      side.step(step);
      if (run.every != 0 && step % run.every == 0) side.pause();
    }
    ::_exit(0);
  }
  ::close(out[1]);
  ::close(go[0]);
  return {::fdopen(out[0], "r"), go[1], pid};
}

// The next line, without its end; empty at the end of the run.
std::string next_line(const Worker& worker) {
  std::string line;
  for (int c = std::fgetc(worker.lines); c != EOF && c != '\n'; c = std::fgetc(worker.lines)) {
    line += static_cast<char>(c);
  }
  return line;
}

// A reference whose clock ticks coarsely may have missed a change that the other shows: "m=" there
// and "m+" here is no difference.
std::string without_coarse_times(const std::string& reference, std::string tried) {
  for (std::size_t i = 0; i + 1 < std::min(reference.size(), tried.size()); ++i) {
    const bool is_time = (reference[i] == 'm' || reference[i] == 'c') && reference[i + 1] == '=' &&
                         tried[i] == reference[i];
    if (is_time && tried[i + 1] == '+') tried[i + 1] = '=';
  }
  return tried;
}

// True when two changes of a file in a row always give two times.
bool has_fine_clock(const std::string& directory) {
  const std::string path = directory + "/clock";
  const Fd fd = open_file(path, O_RDWR | O_CREAT);
  bool fine = true;
  for (int i = 0; i < 50; ++i) {
    const struct stat before = stat_of(fd.get());
    write_all(fd.get(), pattern(1, 0, 8), 0);
    const struct stat after = stat_of(fd.get());
    fine = fine && (before.st_mtim.tv_nsec != after.st_mtim.tv_nsec ||
                    before.st_mtim.tv_sec != after.st_mtim.tv_sec);
  }
  must(::unlink(path.c_str()), "unlink " + path);
  return fine;
}

class Comparison {
 public:
  explicit Comparison(const Run& run) : run_(run), log_(run.log) {}

  int run() {
    const bool fine_clock = has_fine_clock(run_.directory[0]);
    for (int i = 0; i < 2; ++i) prepare(run_.directory[i]);
    for (int i = 0; i < 2; ++i) worker_[i] = start(run_, run_.directory[i]);
    std::uint64_t hooks = 0;
    while (true) {
      const std::string reference = next_line(worker_[0]);
      const std::string tried = next_line(worker_[1]);
      if (reference.empty() && tried.empty()) break;
      remember(reference);
      if (reference != (fine_clock ? tried : without_coarse_times(reference, tried)))
        return differ(reference, tried);
      if (reference == Side::kPauseLine && !hook(++hooks)) return 1;
    }
    return finish();
  }

 private:
  static void prepare(const std::string& directory) {
    if (::geteuid() == 0) must(::chmod(directory.c_str(), 01777), "chmod " + directory);
  }

  bool hook(std::uint64_t count) {
    const std::string command = run_.hook + " " + std::to_string(count);
    if (std::system(command.c_str()) != 0) {
      std::fprintf(stderr, "FAILED: the hook: %s\n%s\n", command.c_str(), replay().c_str());
      return false;
    }
    for (const Worker& worker : worker_) must(::write(worker.go, "g", 1), "write");
    return true;
  }

  void remember(const std::string& line) {
    if (log_.is_open()) log_ << line << '\n';
    recent_.push_back(line);
    if (recent_.size() > 40) recent_.pop_front();
  }

  [[nodiscard]] std::string replay() const {
    return "replay: random_syscalls --seed " + std::to_string(run_.seed) + " --steps " +
           std::to_string(run_.steps) +
           (run_.every == 0 ? "" : " --every " + std::to_string(run_.every)) +
           " --log FILE REFERENCE TRIED";
  }

  int differ(const std::string& reference, const std::string& tried) {
    for (const std::string& line : recent_) std::fprintf(stderr, "  %s\n", line.c_str());
    std::fprintf(stderr, "FAILED: the last step differs:\n  reference: %s\n  tried:     %s\n%s\n",
                 reference.c_str(), tried.c_str(), replay().c_str());
    return 1;
  }

  int finish() {
    for (const Worker& worker : worker_) {
      int status = 0;
      must(::waitpid(worker.pid, &status, 0), "waitpid");
      expect(WIFEXITED(status) && WEXITSTATUS(status) == 0, "a worker failed; " + replay());
    }
    return 0;
  }

  const Run& run_;
  Worker worker_[2];
  std::ofstream log_;
  std::deque<std::string> recent_;
};

Run parse(std::span<char*> arguments) {
  Run run;
  int directories = 0;
  for (std::size_t i = 1; i < arguments.size(); ++i) {
    const std::string_view argument = arguments[i];
    const auto value = [&] {
      expect(i + 1 < arguments.size(), std::string(argument) + " needs a value");
      return std::string(arguments[++i]);
    };
    if (argument == "--seed") run.seed = std::stoull(value());
    else if (argument == "--steps") run.steps = std::stoull(value());
    else if (argument == "--every") run.every = std::stoull(value());
    else if (argument == "--hook") run.hook = value();
    else if (argument == "--log") run.log = value();
    else if (directories < 2) run.directory[directories++] = argument;
  }
  expect(directories == 2,
         "usage: random_syscalls --seed N --steps N [--every N --hook COMMAND] REFERENCE TRIED");
  return run;
}

}  // namespace

int main(int argc, char** argv) {
  const Run run = parse(std::span(argv, static_cast<std::size_t>(argc)));
  return Comparison(run).run();
}
