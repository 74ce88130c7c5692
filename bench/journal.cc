// What the journal costs, on a store in a folder of the host, without a mount; prints `name value
// unit` a line.
//
//   bench_journal append DIR COUNT     COUNT transactions of two puts: us each, journal bytes each, and the longest time one took while checkpoints
//                                      ran beside them; how long a checkpoint kept changes out at most
//   bench_journal recover DIR COUNT    COUNT transactions on 50,000 inodes without a checkpoint, the process "dies", the store is opened again: seconds
//
// DIR must not exist; it is removed at the end.

#include <fmt/format.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <string>

#include "lib/storage/host_storage.h"
#include "lib/store/key.h"
#include "lib/store/store.h"

namespace cowfs {
namespace {

// So many that the changed nodes alone do not call for a checkpoint.
constexpr std::uint64_t kInodes = 50'000;

using Clock = std::chrono::steady_clock;

template <typename T>
T or_die(Result<T> result) {
  if (result) return std::move(*result);
  fmt::print(stderr, "bench_journal: {}\n", result.error().text);
  std::exit(1);
}

void or_die(const Result<void>& result) {
  if (result) return;
  fmt::print(stderr, "bench_journal: {}\n", result.error().text);
  std::exit(1);
}

double seconds_since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

std::unique_ptr<Store> open_store(const std::string& path, bool background) {
  StoreOptions options;
  options.background = background;
  options.journal_bytes = std::uint64_t{4} << 30;  // no checkpoint for want of room
  return or_die(Store::open(or_die(HostStorage::open(path, StorageMode::kReadWrite)), options));
}

// As the creation of a file is: an inode's item and a name's.
double commit_one(Store& store, std::uint64_t number) {
  const auto begin = Clock::now();
  Operation operation(store);
  UpdateView view(store, operation);
  Transaction transaction;
  transaction.put(kMainVolume, key_of(16 + number, KeyKind::kInode).take(), std::string(112, 'i'));
  transaction.put(kMainVolume, key_of(2, KeyKind::kName).be(number * 0x9e3779b97f4a7c15u).take(),
                  std::string(40, 'n'));
  or_die(view.commit(transaction));
  return seconds_since(begin);
}

void append(const std::string& path, std::uint64_t count) {
  auto store = open_store(path, true);
  double longest = 0;
  const auto begin = Clock::now();
  for (std::uint64_t i = 0; i < count; ++i) longest = std::max(longest, commit_one(*store, i));
  fmt::print("transaction {:.2f} us\n", seconds_since(begin) / static_cast<double>(count) * 1e6);
  fmt::print("longest_transaction {:.2f} ms\n", longest * 1e3);
  or_die(store->checkpoint());
  const StoreCounters counters = store->counters();
  fmt::print("checkpoints {} times\n", counters.checkpoints);
  fmt::print("longest_stall {:.2f} ms\n",
             static_cast<double>(counters.longest_stall.count()) / 1e3);
  or_die(store->close());
}

void recover(const std::string& path, std::uint64_t count) {
  {
    auto store = open_store(path, false);
    for (std::uint64_t i = 0; i < count; ++i) commit_one(*store, i % kInodes);
    fmt::print("journal_bytes {:.0f} bytes\n",
               static_cast<double>(store->counters().journal_bytes) / static_cast<double>(count));
  }
  const auto begin = Clock::now();
  auto store = open_store(path, false);
  fmt::print("recovery {:.2f} s\n", seconds_since(begin));
  fmt::print("replayed {} records\n", store->counters().replayed);
}

int run(int argc, char** argv) {
  if (argc != 4 || std::filesystem::exists(argv[2])) {
    fmt::print(stderr, "usage: bench_journal append|recover DIR COUNT (DIR must not exist)\n");
    return 2;
  }
  const std::string what = argv[1];
  const std::string path = argv[2];
  {
    auto storage = or_die(HostStorage::create(path));
    or_die(Store::format(*storage));
  }
  const std::uint64_t count = std::strtoull(argv[3], nullptr, 10);
  if (what == "append") append(path, count);
  else recover(path, count);
  std::filesystem::remove_all(path);
  return 0;
}

}  // namespace
}  // namespace cowfs

int main(int argc, char** argv) { return cowfs::run(argc, argv); }
