// How large the windows of cowcp's method mmap and the buffer of its method read-write should be.
//
//   bench_copy_sizes DIR [MIB] [ROUNDS]      default: 1024 MiB, 10 rounds
//
// Copies a file inside of DIR with each size once a round, each round beginning with another one,
// and prints a Markdown table of the medians in ms. The source is in the page cache; the target is
// new each time.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <string>
#include <vector>

#include "tools/cowcp/data_copy.h"
#include "tools/cowcp/sigbus_guard.h"

namespace cowfs {
namespace {

constexpr std::uint64_t kKiB = 1024;
constexpr std::uint64_t kMiB = 1024 * kKiB;

struct Way {
  bool mapped;
  std::uint64_t bytes;
  std::vector<double> times{};
};

double median(std::vector<double> values) {
  std::ranges::sort(values);
  return values[values.size() / 2];
}

void make_source(int fd, std::uint64_t size) {
  std::mt19937_64 random(1);
  std::vector<std::uint64_t> block(kMiB / sizeof(std::uint64_t));
  for (std::uint64_t& word : block) word = random();
  for (std::uint64_t at = 0; at < size; at += kMiB) {
    if (::pwrite(fd, block.data(), kMiB, static_cast<off_t>(at)) != static_cast<ssize_t>(kMiB)) {
      std::perror("bench_copy_sizes");
      std::exit(1);
    }
  }
}

double time_once(const Way& way, int from, const std::string& target, std::uint64_t size) {
  ::unlink(target.c_str());
  ::sync();
  const UniqueFd to(::open(target.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  struct stat from_status{};
  struct stat to_status{};
  ::fstat(from, &from_status);
  ::fstat(to.get(), &to_status);
  const DataEnds ends{from, to.get(), from_status, to_status, true};
  std::atomic<std::uint64_t> bytes = 0;
  const auto begin = std::chrono::steady_clock::now();
  const auto done = way.mapped ? copy_by_mapping(ends, 0, size, {bytes}, way.bytes)
                               : copy_by_reading(ends, 0, size, false, {bytes}, way.bytes);
  const std::chrono::duration<double, std::milli> time = std::chrono::steady_clock::now() - begin;
  if (!done || *done != size) {
    fmt::print(stderr, "bench_copy_sizes: the copy failed\n");
    std::exit(1);
  }
  return time.count();
}

int run(const std::string& directory, std::uint64_t mib, std::size_t rounds) {
  install_sigbus_guard();
  std::vector<Way> ways;
  for (const std::uint64_t size : {1, 4, 8, 16, 32}) ways.push_back({true, size * kMiB});
  for (const std::uint64_t size : {64, 128, 256, 512, 1024}) ways.push_back({false, size * kKiB});
  const std::string source = directory + "/copy_sizes.from";
  const std::string target = directory + "/copy_sizes.to";
  const UniqueFd from(::open(source.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  make_source(from.get(), mib * kMiB);
  for (std::size_t round = 0; round <= rounds; ++round) {
    for (std::size_t i = 0; i < ways.size(); ++i) {
      Way& way = ways[(i + round) % ways.size()];
      const double time = time_once(way, from.get(), target, mib * kMiB);
      if (round > 0) way.times.push_back(time);  // the first one warms up
    }
  }
  ::unlink(source.c_str());
  ::unlink(target.c_str());
  fmt::print("| method | size | ms |\n| --- | ---: | ---: |\n");
  for (const Way& way : ways) {
    fmt::print("| {} | {} KiB | {:.1f} |\n", way.mapped ? "mmap" : "read-write", way.bytes / kKiB,
               median(way.times));
  }
  return 0;
}

}  // namespace
}  // namespace cowfs

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fputs("usage: bench_copy_sizes DIR [MIB] [ROUNDS]\n", stderr);
    return 2;
  }
  const std::uint64_t mib = argc > 2 ? std::strtoull(argv[2], nullptr, 10) : 1024;
  const std::size_t rounds = argc > 3 ? std::strtoull(argv[3], nullptr, 10) : 10;
  return cowfs::run(argv[1], std::max<std::uint64_t>(mib, 1), std::max<std::size_t>(rounds, 1));
}
