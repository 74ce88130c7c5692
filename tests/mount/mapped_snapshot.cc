// mapped_snapshot LIVE_DIR VOLUMES_DIR COMMAND PREFIX
//
// Checks which bytes of shared mappings are in a snapshot: all that were stored before it was asked
// for, none stored after. Files of several sizes in LIVE_DIR are mapped by this process (and one by
// a second process); in each round every page gets the round's bytes through the mappings, then
// `COMMAND PREFIX<round>` takes a snapshot, then other bytes are stored. At the end the files below
// VOLUMES_DIR/PREFIX<round>/ hold their own round's bytes, and the live files the last stores.
#include <sys/mman.h>
#include <sys/wait.h>

#include "tests/mount/support.h"

namespace {

using namespace mount_test;

constexpr int kRounds = 6;
constexpr std::size_t kSizes[] = {4096, 3 * 4096 + 100, 1 << 20, (3 << 20) + 17};
constexpr std::uint64_t kAfter = 1'000'000;  // seeds of what is stored after a round's snapshot

std::string name_of(std::size_t file) { return "mapped" + std::to_string(file); }
std::uint64_t seed_of(std::uint64_t round, std::size_t file) { return round * 100 + file; }

struct Mapping {
  char* bytes;
  std::size_t size;
};

// The descriptor is closed at once: the mapping alone keeps the file dirty.
Mapping map_file(const std::string& path, std::size_t size) {
  const Fd fd = open_file(path, O_RDWR | O_CREAT);
  must(::ftruncate(fd.get(), static_cast<off_t>(size)), "ftruncate");
  void* map = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd.get(), 0);
  expect(map != MAP_FAILED, "mmap " + path + ": " + std::strerror(errno));
  return {static_cast<char*>(map), size};
}

void store(const Mapping& mapping, std::uint64_t seed) {
  const std::vector<char> bytes = pattern(seed, 0, mapping.size);
  std::memcpy(mapping.bytes, bytes.data(), bytes.size());
}

void store_in_child(const Mapping& mapping, std::uint64_t seed) {
  const auto pid = static_cast<pid_t>(must(::fork(), "fork"));
  if (pid == 0) {
    store(mapping, seed);
    ::_exit(0);
  }
  int status = 0;
  must(::waitpid(pid, &status, 0), "waitpid");
  expect(status == 0, "the child failed");
}

void check_files(const std::string& directory, std::uint64_t round, std::uint64_t added) {
  for (std::size_t file = 0; file < std::size(kSizes); ++file) {
    const std::string path = directory + "/" + name_of(file);
    const Fd fd = open_file(path, O_RDONLY);
    expect_bytes(pattern(seed_of(round, file) + added, 0, kSizes[file]),
                 read_range(fd.get(), 0, kSizes[file] + 1), path);
  }
}

}  // namespace

int main(int argc, char** argv) {
  expect(argc == 5, "usage: mapped_snapshot LIVE_DIR VOLUMES_DIR COMMAND PREFIX");
  const std::string live = argv[1];
  const std::string volumes = argv[2];
  std::vector<Mapping> mappings;
  for (std::size_t file = 0; file < std::size(kSizes); ++file) {
    mappings.push_back(map_file(live + "/" + name_of(file), kSizes[file]));
  }
  for (std::uint64_t round = 1; round <= kRounds; ++round) {
    for (std::size_t file = 0; file < mappings.size(); ++file) {
      if (file % 2 == 0) store(mappings[file], seed_of(round, file));
      else store_in_child(mappings[file], seed_of(round, file));
    }
    const std::string command = std::string(argv[3]) + " " + argv[4] + std::to_string(round);
    expect(std::system(command.c_str()) == 0, command + " failed");
    for (std::size_t file = 0; file < mappings.size(); ++file)
      store(mappings[file], seed_of(round, file) + kAfter);
    check_files(volumes + "/" + argv[4] + std::to_string(round), round, 0);
  }
  for (std::uint64_t round = 1; round <= kRounds; ++round) {
    check_files(volumes + "/" + argv[4] + std::to_string(round), round, 0);
  }
  check_files(live, kRounds, kAfter);
  return 0;
}
