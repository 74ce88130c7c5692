// exact_cut write DIR SHARED WRITERS     until SIGTERM: writers that keep counters in step
// exact_cut take SHARED COMMAND FILE     runs COMMAND (takes a snapshot); FILE gets the counters of
// before and after exact_cut check DIR FILE               the snapshot in DIR is one instant
// between FILE's two
//
// Each writer w counts rounds. In round i it writes, one call after another and never overlapping:
//   w/first   8 bytes at 0: i
//   w/record  64 KiB, all of them made from i, in one pwrite
//   w/log     appends one line of 16 bytes: i
//   w/at.i    is created, then w/at.(i-1) removed
//   w/name    is replaced by rename, its content i
//   w/last    8 bytes at 0: i
// and publishes in SHARED (a file outside, mapped) the round it has begun and the round it has
// finished. So in one instant first >= record >= log >= at >= name >= last >= first - 1, a record
// is never torn, the log has no gap, one at.* or two in a row exist; and what was finished before
// the snapshot was asked for is in it, what began after it returned is not.
#include <dirent.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include <atomic>
#include <csignal>
#include <fstream>
#include <set>

#include "tests/mount/support.h"

namespace {

using namespace mount_test;

constexpr std::size_t kMaxWriters = 64;
constexpr std::size_t kRecordBytes = 65536;
constexpr std::size_t kLogLineBytes = 16;

struct Shared {
  struct Counters {
    std::atomic<std::uint64_t> begun;
    std::atomic<std::uint64_t> finished;
  };
  std::atomic<std::uint64_t> writers;
  Counters of[kMaxWriters];
};

Shared* map_shared(const std::string& path) {
  const Fd fd = open_file(path, O_RDWR | O_CREAT);
  must(::ftruncate(fd.get(), sizeof(Shared)), "ftruncate");
  void* map = ::mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED, fd.get(), 0);
  expect(map != MAP_FAILED, "mmap");
  return static_cast<Shared*>(map);
}

volatile std::sig_atomic_t stopped = 0;

std::span<const char> bytes_of(const std::uint64_t& value) {
  return {reinterpret_cast<const char*>(&value), sizeof value};
}

class Writer {
 public:
  Writer(const std::string& dir, Shared::Counters& counters) : dir_(dir), counters_(counters) {
    must(::mkdir(dir_.c_str(), 0755), "mkdir " + dir_);
    first_ = open_file(dir_ + "/first", O_RDWR | O_CREAT);
    record_ = open_file(dir_ + "/record", O_RDWR | O_CREAT);
    log_ = open_file(dir_ + "/log", O_RDWR | O_CREAT | O_APPEND);
    last_ = open_file(dir_ + "/last", O_RDWR | O_CREAT);
  }

  void run() {
    for (std::uint64_t round = 1; stopped == 0; ++round) {
      counters_.begun = round;
      write_one(first_, bytes_of(round), 0);
      write_one(record_, pattern(round, 0, kRecordBytes), 0);
      char line[kLogLineBytes + 1];
      std::snprintf(line, sizeof line, "%015ju\n", static_cast<std::uintmax_t>(round));
      expect(::write(log_.get(), line, kLogLineBytes) == kLogLineBytes, "append to the log");
      open_file(dir_ + "/at." + std::to_string(round), O_WRONLY | O_CREAT | O_EXCL);
      if (round > 1) must(::unlink((dir_ + "/at." + std::to_string(round - 1)).c_str()), "unlink");
      {
        const Fd fresh = open_file(dir_ + "/name.new", O_WRONLY | O_CREAT | O_TRUNC);
        write_one(fresh, bytes_of(round), 0);
      }
      must(::rename((dir_ + "/name.new").c_str(), (dir_ + "/name").c_str()), "rename");
      write_one(last_, bytes_of(round), 0);
      counters_.finished = round;
    }
  }

 private:
  static void write_one(const Fd& fd, std::span<const char> bytes, off_t offset) {
    const auto n = ::pwrite(fd.get(), bytes.data(), bytes.size(), offset);
    expect(n == static_cast<ssize_t>(bytes.size()), std::string("pwrite: ") + std::strerror(errno));
  }

  std::string dir_;
  Shared::Counters& counters_;
  Fd first_, record_, log_, last_;
};

int write_until_stopped(const std::string& dir, const std::string& shared_path,
                        std::size_t writers) {
  Shared* shared = map_shared(shared_path);
  shared->writers = writers;
  struct sigaction action{};
  action.sa_handler = [](int) {
    stopped = 1;
  };  // without SA_RESTART: wait() below has to come back
  must(::sigaction(SIGTERM, &action, nullptr), "sigaction");
  std::vector<pid_t> children;
  for (std::size_t w = 0; w < writers; ++w) {
    const auto pid = static_cast<pid_t>(must(::fork(), "fork"));
    if (pid == 0) {
      Writer(dir + "/" + std::to_string(w), shared->of[w]).run();
      ::_exit(0);
    }
    children.push_back(pid);
  }
  bool failed = false;
  for (std::size_t ended = 0; ended < children.size();) {
    int status = 0;
    const pid_t pid = ::wait(&status);
    if (pid < 0 && errno == EINTR) {
      for (const pid_t child : children) ::kill(child, SIGTERM);
      continue;
    }
    ++ended;
    failed = failed || status != 0;
  }
  return failed ? 1 : 0;
}

int take(const std::string& shared_path, const std::string& command, const std::string& file) {
  Shared* shared = map_shared(shared_path);
  for (std::size_t w = 0; w < shared->writers; ++w) {
    while (shared->of[w].finished == 0) ::usleep(1000);
  }
  std::vector<std::uint64_t> finished_before;
  std::vector<std::uint64_t> begun_after;
  for (std::size_t w = 0; w < shared->writers; ++w)
    finished_before.push_back(shared->of[w].finished);
  expect(std::system(command.c_str()) == 0, command + " failed");
  for (std::size_t w = 0; w < shared->writers; ++w) begun_after.push_back(shared->of[w].begun);
  std::ofstream out(file);
  for (std::size_t w = 0; w < shared->writers; ++w)
    out << finished_before[w] << ' ' << begun_after[w] << '\n';
  return out.good() ? 0 : 1;
}

// The number in the first 8 bytes; 0 when the file is empty or missing.
std::uint64_t number_in(const std::string& path) {
  const Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (fd.get() < 0 && errno == ENOENT) return 0;
  must(fd.get(), "open " + path);
  std::uint64_t value = 0;
  const auto n = must(::pread(fd.get(), &value, sizeof value, 0), "read " + path);
  expect(n == 0 || n == sizeof value, path + " has " + std::to_string(n) + " bytes");
  return value;
}

std::uint64_t round_of_record(const std::string& path, std::uint64_t highest) {
  const Fd fd = open_file(path, O_RDONLY);
  const std::vector<char> bytes = read_range(fd.get(), 0, kRecordBytes);
  if (bytes.empty()) return 0;
  for (std::uint64_t round = highest; round + 2 > highest && round > 0; --round) {
    if (bytes == pattern(round, 0, kRecordBytes)) return round;
  }
  die(path + ": torn or of another round than " + std::to_string(highest));
}

std::uint64_t round_of_log(const std::string& path) {
  const Fd fd = open_file(path, O_RDONLY);
  const auto size = static_cast<std::uint64_t>(stat_of(fd.get()).st_size);
  expect(size % kLogLineBytes == 0, path + " ends within a line");
  const std::vector<char> bytes = read_range(fd.get(), 0, size);
  for (std::uint64_t line = 0; line < size / kLogLineBytes; ++line) {
    const std::string text(bytes.data() + line * kLogLineBytes, kLogLineBytes - 1);
    expect(
        text.find_first_not_of("0123456789") == std::string::npos && std::stoull(text) == line + 1,
        path + ": line " + std::to_string(line + 1) + " is '" + text + "'");
  }
  return size / kLogLineBytes;
}

std::uint64_t round_of_names(const std::string& dir) {
  std::set<std::uint64_t> rounds;
  DIR* stream = ::opendir(dir.c_str());
  expect(stream != nullptr, "opendir " + dir);
  while (const dirent* entry = ::readdir(stream)) {
    const std::string name = entry->d_name;
    if (name.starts_with("at.")) rounds.insert(std::stoull(name.substr(3)));
  }
  ::closedir(stream);
  if (rounds.empty()) return 0;
  expect(*rounds.rbegin() - *rounds.begin() == rounds.size() - 1 && rounds.size() <= 2,
         dir + ": at.* from " + std::to_string(*rounds.begin()) + " to " +
             std::to_string(*rounds.rbegin()));
  return *rounds.rbegin();
}

struct Rounds {
  std::uint64_t finished_before = 0;
  std::uint64_t begun_after = 0;
};

std::vector<Rounds> rounds_in(const std::string& file) {
  std::ifstream in(file);
  std::vector<Rounds> all;
  Rounds rounds;
  while (in >> rounds.finished_before >> rounds.begun_after) all.push_back(rounds);
  expect(!all.empty(), file + " is empty");
  return all;
}

// `steps` in the order of their writing, of one instant, at or after round `finished_before`.
void check_steps(const std::string& of, std::span<const std::uint64_t> steps,
                 const Rounds& rounds) {
  std::string seen;
  for (const std::uint64_t step : steps) seen += " " + std::to_string(step);
  for (std::size_t i = 1; i < steps.size(); ++i) {
    expect(steps[i] <= steps[i - 1] && steps[i] + 1 >= steps[0], of + ": not one instant:" + seen);
  }
  expect(steps.back() >= rounds.finished_before, of + ": round " +
                                                     std::to_string(rounds.finished_before) +
                                                     " was finished before, seen" + seen);
  expect(steps[0] <= rounds.begun_after,
         of + ": round " + std::to_string(rounds.begun_after) + " had begun after, seen" + seen);
}

int check(const std::string& dir, const std::string& file) {
  std::size_t writer = 0;
  for (const Rounds& rounds : rounds_in(file)) {
    const std::string of = dir + "/" + std::to_string(writer++);
    const std::uint64_t first = number_in(of + "/first");
    const std::uint64_t steps[] = {first,
                                   round_of_record(of + "/record", first),
                                   round_of_log(of + "/log"),
                                   round_of_names(of),
                                   number_in(of + "/name"),
                                   number_in(of + "/last")};
    check_steps(of, steps, rounds);
  }
  return 0;
}

// Names, sizes and new files are of one checkpoint. What was overwritten in place may be newer, and
// the last record torn.
int check_after_crash(const std::string& dir, const std::string& file) {
  std::size_t writer = 0;
  for (const Rounds& rounds : rounds_in(file)) {
    const std::string of = dir + "/" + std::to_string(writer++);
    const std::uint64_t steps[] = {round_of_log(of + "/log"), round_of_names(of),
                                   number_in(of + "/name")};
    check_steps(of, steps, rounds);
    for (const char* name : {"/first", "/last"}) {
      expect(number_in(of + name) >= rounds.finished_before,
             of + name + " went back to " + std::to_string(number_in(of + name)));
    }
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> arguments(argv, argv + argc);
  if (argc == 5 && arguments[1] == "write")
    return write_until_stopped(arguments[2], arguments[3], std::stoul(arguments[4]));
  if (argc == 5 && arguments[1] == "take") return take(arguments[2], arguments[3], arguments[4]);
  if (argc == 4 && arguments[1] == "check") return check(arguments[2], arguments[3]);
  if (argc == 4 && arguments[1] == "check-crash")
    return check_after_crash(arguments[2], arguments[3]);
  die("usage: exact_cut write|take|check …");
}
