// dirty_mapping store FILE SIZE SEED | dirty_mapping check FILE SIZE SEED
//
// `store` maps FILE shared, stores SEED's bytes in it through the mapping alone, says `ready`, and
// keeps the dirty pages and the descriptor until its standard input ends. `check` reads FILE and
// compares.
#include <sys/mman.h>

#include "tests/mount/support.h"

namespace {

using namespace mount_test;

void store(const std::string& path, std::size_t size, std::uint64_t seed) {
  const Fd fd = open_file(path, O_RDWR | O_CREAT);
  must(::ftruncate(fd.get(), static_cast<off_t>(size)), "ftruncate");
  void* map = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd.get(), 0);
  expect(map != MAP_FAILED, "mmap " + path);
  const std::vector<char> bytes = pattern(seed, 0, size);
  std::memcpy(map, bytes.data(), bytes.size());
  must(::write(STDOUT_FILENO, "ready\n", 6), "write");
  char byte = 0;
  while (::read(STDIN_FILENO, &byte, 1) > 0) {}
}

}  // namespace

int main(int argc, char** argv) {
  expect(argc == 5, "usage: dirty_mapping store|check FILE SIZE SEED");
  const std::size_t size = std::strtoull(argv[3], nullptr, 10);
  const std::uint64_t seed = std::strtoull(argv[4], nullptr, 10);
  if (std::string_view(argv[1]) == "store") {
    store(argv[2], size, seed);
    return 0;
  }
  const Fd fd = open_file(argv[2], O_RDONLY);
  expect_bytes(pattern(seed, 0, size), read_range(fd.get(), 0, size + 1), argv[2]);
}
