// fuzz_seeds DIR: writes DIR/TARGET/seed-N, for libFuzzer to begin with.
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>

#include "tests/fuzz/seeds.h"

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: fuzz_seeds DIR\n");
    return 2;
  }
  std::map<std::string, int> counts;
  for (const auto& [target, input] : cowfs::fuzz::make_seeds()) {
    const auto folder = std::filesystem::path(argv[1]) / target;
    std::filesystem::create_directories(folder);
    std::ofstream file(folder / ("seed-" + std::to_string(++counts[target])), std::ios::binary);
    file << input;
    if (!file.flush()) return 1;
  }
  return 0;
}
