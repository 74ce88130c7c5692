// Every fuzz target on its seeds, on random changes of them, and on what was kept of fuzzing: what
// crashed once, and what reached code that nothing else reached.
//
// COWFS_FUZZ_RUNS=N: so many random changes, with COWFS_SEED=N from another beginning;
// COWFS_FUZZ_INPUT=FILE: each input is written there before it is tried, so that one that ends the
// test can be had.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>

#include "tests/fuzz/seeds.h"
#include "tests/fuzz/target.h"
#include "tests/support/sanitized.h"

namespace cowfs::fuzz {
namespace {

namespace stdfs = std::filesystem;

std::string content_of(const stdfs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::uint64_t number_from(const char* variable, std::uint64_t otherwise) {
  const char* value = std::getenv(variable);
  return value == nullptr ? otherwise : std::strtoull(value, nullptr, 10);
}

/// Bytes changed, added, taken away, or put in from elsewhere in the input: a few times.
std::string changed(std::string input, std::mt19937_64& random) {
  for (std::uint64_t times = 1 + random() % 6; times > 0; --times) {
    const std::size_t at = input.empty() ? 0 : random() % input.size();
    switch (random() % 5) {
      case 0:
      case 1:
        if (!input.empty()) input[at] = static_cast<char>(random());
        break;
      case 2: input.insert(at, std::string(1 + random() % 8, static_cast<char>(random()))); break;
      case 3: input.erase(at, 1 + random() % 4); break;
      default: input.insert(at, input.substr(random() % (input.size() + 1), random() % 24));
    }
    if (random() % 3 == 0) input.push_back(static_cast<char>(random()));
  }
  return input;
}

void try_input(const Target& target, const std::string& input) {
  if (const char* path = std::getenv("COWFS_FUZZ_INPUT"))
    std::ofstream(path, std::ios::binary) << input;
  target.run(input);
}

class FuzzTarget : public ::testing::TestWithParam<Target> {};

TEST_P(FuzzTarget, TakesItsSeeds) {
  std::size_t count = 0;
  for (const Seed& seed : make_seeds()) {
    if (seed.target != GetParam().name) continue;
    try_input(GetParam(), seed.input);
    ++count;
  }
  EXPECT_GT(count, 0u);
}

TEST_P(FuzzTarget, TakesRandomChangesOfItsSeeds) {
  std::vector<std::string> inputs;
  for (const Seed& seed : make_seeds()) {
    if (seed.target == GetParam().name) inputs.push_back(seed.input);
  }
  ASSERT_FALSE(inputs.empty());
  std::mt19937_64 random(number_from("COWFS_SEED", 1));
  for (std::uint64_t left = number_from("COWFS_FUZZ_RUNS", kSanitized ? 20 : 100); left > 0;
       --left) {
    try_input(GetParam(), changed(inputs[random() % inputs.size()], random));
  }
}

TEST_P(FuzzTarget, TakesWhatWasKept) {
  const stdfs::path folder = stdfs::path(COWFS_TEST_DATA_DIR) / GetParam().name;
  std::size_t count = 0;
  for (const auto& entry : stdfs::directory_iterator(folder)) {
    SCOPED_TRACE(entry.path().string());
    try_input(GetParam(), content_of(entry.path()));
    ++count;
  }
  EXPECT_GT(count, 0u);
}

TEST_P(FuzzTarget, TakesNothing) { try_input(GetParam(), {}); }

INSTANTIATE_TEST_SUITE_P(Every, FuzzTarget, ::testing::ValuesIn(targets()),
                         [](const auto& about) { return std::string(about.param.name); });

}  // namespace
}  // namespace cowfs::fuzz
