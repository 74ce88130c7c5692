// Every fuzz target on its seeds and on what was kept of fuzzing: what crashed once, and what reached code that nothing else reached.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "tests/fuzz/seeds.h"
#include "tests/fuzz/target.h"

namespace cowfs::fuzz {
namespace {

namespace stdfs = std::filesystem;

std::string content_of(const stdfs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

class FuzzTarget : public ::testing::TestWithParam<Target> {};

TEST_P(FuzzTarget, TakesItsSeeds) {
  std::size_t count = 0;
  for (const Seed& seed : make_seeds()) {
    if (seed.target != GetParam().name) continue;
    GetParam().run(seed.input);
    ++count;
  }
  EXPECT_GT(count, 0u);
}

TEST_P(FuzzTarget, TakesWhatWasKept) {
  const stdfs::path folder = stdfs::path(COWFS_TEST_DATA_DIR) / GetParam().name;
  std::size_t count = 0;
  for (const auto& entry : stdfs::directory_iterator(folder)) {
    SCOPED_TRACE(entry.path().string());
    GetParam().run(content_of(entry.path()));
    ++count;
  }
  EXPECT_GT(count, 0u);
}

TEST_P(FuzzTarget, TakesNothing) { GetParam().run({}); }

INSTANTIATE_TEST_SUITE_P(Every, FuzzTarget, ::testing::ValuesIn(targets()),
                         [](const auto& about) { return std::string(about.param.name); });

}  // namespace
}  // namespace cowfs::fuzz
