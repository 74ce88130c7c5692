// Times one kind of work on a directory and prints `name value unit` a line: what `bench/run`
// compares between filesystems.
//
//   bench_probe create DIR COUNT        COUNT files of 4 KiB, 200 a directory: us a file
//   bench_probe seqwrite FILE MIB       sequential write in 1 MiB calls and one fsync: MiB/s
//   bench_probe seqread FILE MIB        sequential read in 1 MiB calls, of the first MIB: MiB/s (who wants it cold drops the caches before)
//   bench_probe warmread FILE COUNT     random 4 KiB reads of a file that was just read whole: us a read (median)
//   bench_probe overwrite FILE COUNT    random 4 KiB overwrites: us a write (median, and the mean)
//   bench_probe snapshot DIR COUNT      snapshots of the volume that DIR lies in, by ioctl, deleted again: ms each (best, median)
//   bench_probe fork DIR COUNT          the same for forks
//   bench_probe firstwrite FILE COUNT   a snapshot, then the first 4 KiB write: us (median), beside plain writes and the write after an
//                                       ioctl that changes nothing, in the same run
//   bench_probe fsync DIR WRITERS       WRITERS threads, each overwriting its own file of 16 MiB at random, 4 KiB and fdatasync, for three
//                                       seconds: syncs/s in all, and the 99th percentile of one (ms)
//   bench_probe fsyncnew DIR WRITERS    the same, each creating files of 4 KiB with fsync
//   bench_probe fsyncbeside DIR MIB     overwrite and fdatasync beside a thread that streams MIB: 99th percentile and longest (ms)
//
// Times are of the call itself, by CLOCK_MONOTONIC. Random places are from a fixed seed.

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <future>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "lib/api/ioctl.h"
#include "lib/base/unique_fd.h"

namespace cowfs {
namespace {

constexpr std::size_t kBlock = 4096;
constexpr std::size_t kFilesADirectory = 200;

[[noreturn]] void die(const std::string& what) {
  fmt::print(stderr, "bench_probe: {}: {}\n", what, std::strerror(errno));
  std::exit(1);
}

double seconds_of(const std::function<void()>& work) {
  const auto begin = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

double median(std::vector<double> values) {
  std::ranges::sort(values);
  return values.empty() ? 0 : values[values.size() / 2];
}

UniqueFd open_or_die(const std::string& path, int flags) {
  UniqueFd fd(::open(path.c_str(), flags | O_CLOEXEC, 0644));
  if (!fd) die(path);
  return fd;
}

void create_files(const std::string& directory, std::size_t count) {
  const std::vector<char> block(kBlock, 'x');
  const double seconds = seconds_of([&] {
    for (std::size_t i = 0; i < count; ++i) {
      const std::string folder = fmt::format("{}/d{}", directory, i / kFilesADirectory);
      if (i % kFilesADirectory == 0 && ::mkdir(folder.c_str(), 0755) != 0) die(folder);
      const UniqueFd fd =
          open_or_die(fmt::format("{}/f{}", folder, i), O_CREAT | O_EXCL | O_WRONLY);
      if (::write(fd.get(), block.data(), kBlock) != static_cast<ssize_t>(kBlock)) die("write");
    }
  });
  fmt::print("create {:.3f} us\n", seconds / static_cast<double>(count) * 1e6);
}

void write_in_sequence(const std::string& file, std::size_t mib) {
  const std::vector<char> buffer(1 << 20, 'x');
  const UniqueFd fd = open_or_die(file, O_CREAT | O_TRUNC | O_WRONLY);
  const double seconds = seconds_of([&] {
    for (std::size_t i = 0; i < mib; ++i) {
      if (::write(fd.get(), buffer.data(), buffer.size()) != static_cast<ssize_t>(buffer.size()))
        die("write");
    }
    if (::fsync(fd.get()) != 0) die("fsync");
  });
  fmt::print("seqwrite {:.1f} MiB/s\n", static_cast<double>(mib) / seconds);
}

void read_in_sequence(const std::string& file, std::size_t mib) {
  std::vector<char> buffer(1 << 20);
  const UniqueFd fd = open_or_die(file, O_RDONLY);
  const double seconds = seconds_of([&] {
    for (std::size_t i = 0; i < mib; ++i) {
      if (::read(fd.get(), buffer.data(), buffer.size()) != static_cast<ssize_t>(buffer.size()))
        die("read");
    }
  });
  fmt::print("seqread {:.1f} MiB/s\n", static_cast<double>(mib) / seconds);
}

class RandomBlocks {
 public:
  explicit RandomBlocks(const UniqueFd& fd) {
    struct stat status{};
    if (::fstat(fd.get(), &status) != 0) die("fstat");
    blocks_ = static_cast<std::uint64_t>(status.st_size) / kBlock;
    if (blocks_ == 0) die("the file has no block");
  }
  off_t next() { return static_cast<off_t>(random_() % blocks_ * kBlock); }

 private:
  std::mt19937_64 random_{42};
  std::uint64_t blocks_ = 0;
};

void read_warm(const std::string& file, std::size_t count) {
  const UniqueFd fd = open_or_die(file, O_RDONLY);
  std::vector<char> buffer(1 << 20);
  while (::read(fd.get(), buffer.data(), buffer.size()) > 0) {}
  RandomBlocks places(fd);
  std::vector<double> times;
  for (std::size_t i = 0; i < count; ++i) {
    const off_t at = places.next();
    times.push_back(seconds_of([&] {
      if (::pread(fd.get(), buffer.data(), kBlock, at) != static_cast<ssize_t>(kBlock))
        die("pread");
    }));
  }
  fmt::print("warmread {:.3f} us\n", median(times) * 1e6);
}

double timed_write(const UniqueFd& fd, off_t at) {
  static const std::vector<char> kBytes(kBlock, 'y');
  return seconds_of([&] {
    if (::pwrite(fd.get(), kBytes.data(), kBlock, at) != static_cast<ssize_t>(kBlock))
      die("pwrite");
  });
}

void overwrite(const std::string& file, std::size_t count) {
  const UniqueFd fd = open_or_die(file, O_WRONLY);
  RandomBlocks places(fd);
  std::vector<double> times;
  for (std::size_t i = 0; i < count; ++i) times.push_back(timed_write(fd, places.next()));
  double sum = 0;
  for (const double time : times) sum += time;
  fmt::print("overwrite {:.3f} us\noverwrite_mean {:.3f} us\n", median(times) * 1e6,
             sum / static_cast<double>(count) * 1e6);
}

double make_volume(const UniqueFd& fd, api::Kind kind, const std::string& name) {
  api::CreateVolume request{};
  request.kind = raw(kind);
  if (!api::set_name(request.name, name)) die("name");
  return seconds_of([&] {
    if (::ioctl(fd.get(), api::kIoctlCreateVolume, &request) != 0) die("snapshot");
  });
}

void delete_volume(const UniqueFd& fd, const std::string& name) {
  api::DeleteVolume request{};
  if (!api::set_name(request.name, name)) die("name");
  if (::ioctl(fd.get(), api::kIoctlDeleteVolume, &request) != 0) die("delete");
}

// A request that changes nothing: what comes after it finds caches and threads as after a snapshot.
void ask_for_space(const UniqueFd& fd) {
  api::DescribeSpace request{};
  if (::ioctl(fd.get(), api::kIoctlDescribeSpace, &request) != 0) die("space");
}

void make_volumes(const std::string& directory, std::size_t count, api::Kind kind) {
  const UniqueFd fd = open_or_die(directory, O_RDONLY | O_DIRECTORY);
  std::vector<double> times;
  for (std::size_t i = 0; i < count; ++i) {
    const std::string name = fmt::format("bench-{}-{}", ::getpid(), i);
    times.push_back(make_volume(fd, kind, name));
    delete_volume(fd, name);
  }
  const char* what = kind == api::Kind::kSnapshot ? "snapshot" : "fork";
  fmt::print("{}_best {:.3f} ms\n", what, *std::ranges::min_element(times) * 1e3);
  fmt::print("{}_median {:.3f} ms\n", what, median(times) * 1e3);
}

void write_after_snapshot(const std::string& file, std::size_t count) {
  const UniqueFd fd = open_or_die(file, O_RDWR);
  RandomBlocks places(fd);
  std::vector<double> first;
  std::vector<double> plain;
  std::vector<double> after_request;
  for (std::size_t i = 0; i < count; ++i) {
    ask_for_space(fd);
    after_request.push_back(timed_write(fd, places.next()));
  }
  for (std::size_t i = 0; i < count; ++i) {
    const std::string name = fmt::format("bench-{}-{}", ::getpid(), i);
    make_volume(fd, api::Kind::kSnapshot, name);
    const off_t at = places.next();
    first.push_back(timed_write(fd, at));
    for (int again = 0; again < 5; ++again) plain.push_back(timed_write(fd, at));
    delete_volume(fd, name);
  }
  fmt::print("firstwrite {:.3f} us\nplainwrite {:.3f} us\nwriteafterioctl {:.3f} us\n",
             median(first) * 1e6, median(plain) * 1e6, median(after_request) * 1e6);
}

using Durations = std::vector<double>;

// One thread's file of overwritten blocks.
Durations overwrite_and_sync(const std::string& file, const std::atomic<bool>& stop) {
  const UniqueFd fd = open_or_die(file, O_WRONLY);
  RandomBlocks places(fd);
  Durations times;
  while (!stop) {
    const off_t at = places.next();
    times.push_back(timed_write(fd, at) + seconds_of([&] {
                      if (::fdatasync(fd.get()) != 0) die("fdatasync");
                    }));
  }
  return times;
}

Durations create_and_sync(const std::string& prefix, const std::atomic<bool>& stop) {
  Durations times;
  while (!stop) {
    times.push_back(seconds_of([&] {
      const UniqueFd fd =
          open_or_die(prefix + std::to_string(times.size()), O_CREAT | O_EXCL | O_WRONLY);
      timed_write(fd, 0);
      if (::fsync(fd.get()) != 0) die("fsync");
    }));
  }
  return times;
}

double percentile99(Durations times) {
  std::ranges::sort(times);
  return times.empty() ? 0 : times[(times.size() - 1) * 99 / 100];
}

void make_file(const std::string& file, std::size_t mib) {
  const std::vector<char> buffer(1 << 20, 'x');
  const UniqueFd fd = open_or_die(file, O_CREAT | O_TRUNC | O_WRONLY);
  for (std::size_t i = 0; i < mib; ++i) {
    if (::write(fd.get(), buffer.data(), buffer.size()) != static_cast<ssize_t>(buffer.size()))
      die(file);
  }
  if (::fsync(fd.get()) != 0) die(file);
}

void sync_in_threads(const std::string& directory, std::size_t writers, bool new_files) {
  constexpr std::chrono::seconds kTime{3};
  std::atomic<bool> stop = false;
  std::vector<std::future<Durations>> threads;
  for (std::size_t i = 0; i < writers; ++i) {
    const std::string file = fmt::format("{}/w{}-", directory, i);
    if (!new_files) make_file(file, 16);
  }
  for (std::size_t i = 0; i < writers; ++i) {
    const std::string file = fmt::format("{}/w{}-", directory, i);
    threads.push_back(std::async(std::launch::async, [&stop, file, new_files] {
      return new_files ? create_and_sync(file, stop) : overwrite_and_sync(file, stop);
    }));
  }
  std::this_thread::sleep_for(kTime);
  stop = true;
  Durations all;
  for (auto& thread : threads) {
    const Durations times = thread.get();
    all.insert(all.end(), times.begin(), times.end());
  }
  const std::string name = fmt::format("{}_{}", new_files ? "fsyncnew" : "fsync", writers);
  fmt::print("{} {:.0f} 1/s\n{}_p99 {:.3f} ms\n", name,
             static_cast<double>(all.size()) / static_cast<double>(kTime.count()), name,
             percentile99(all) * 1e3);
}

void sync_beside_a_stream(const std::string& directory, std::size_t mib) {
  make_file(directory + "/synced", 16);
  std::atomic<bool> stop = false;
  auto syncing = std::async(std::launch::async,
                            [&] { return overwrite_and_sync(directory + "/synced", stop); });
  make_file(directory + "/stream", mib);
  stop = true;
  const Durations times = syncing.get();
  fmt::print(
      "fsyncbeside_p99 {:.3f} ms\nfsyncbeside_longest {:.3f} ms\nfsyncbeside_count {} times\n",
      percentile99(times) * 1e3, *std::ranges::max_element(times) * 1e3, times.size());
}

int run(const std::string& what, const std::string& path, std::size_t count) {
  if (what == "create") create_files(path, count);
  else if (what == "seqwrite") write_in_sequence(path, count);
  else if (what == "seqread") read_in_sequence(path, count);
  else if (what == "warmread") read_warm(path, count);
  else if (what == "overwrite") overwrite(path, count);
  else if (what == "snapshot") make_volumes(path, count, api::Kind::kSnapshot);
  else if (what == "fork") make_volumes(path, count, api::Kind::kFork);
  else if (what == "firstwrite") write_after_snapshot(path, count);
  else if (what == "fsync") sync_in_threads(path, count, false);
  else if (what == "fsyncnew") sync_in_threads(path, count, true);
  else if (what == "fsyncbeside") sync_beside_a_stream(path, count);
  else return 2;
  return 0;
}

}  // namespace
}  // namespace cowfs

int main(int argc, char** argv) {
  const std::size_t count = argc == 4 ? std::strtoull(argv[3], nullptr, 10) : 0;
  const int code = count == 0 ? 2 : cowfs::run(argv[1], argv[2], count);
  if (code == 2)
    fmt::print(stderr,
               "usage: bench_probe "
               "create|seqwrite|seqread|warmread|overwrite|snapshot|fork|firstwrite|fsync|fsyncnew|"
               "fsyncbeside PATH COUNT\n");
  return code;
}
