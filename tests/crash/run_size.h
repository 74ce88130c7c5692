// How much of the crash harness one run does.
#pragma once

#include <cstdint>
#include <cstdlib>

#include "lib/storage/crash_chooser.h"
#include "tests/support/sanitized.h"

namespace cowfs {

struct RunSize {
  std::uint64_t first_seed;
  std::uint64_t last_seed;
  std::size_t operations;  // of each history
  std::uint64_t choices;   // at each cut
  std::size_t stride;      // between cuts
};

inline RunSize run_size() {
  RunSize size{1, 24, 150, kCrashVariants, 1};
  if (kSanitized) size = {1, 4, 150, kCrashVariants, 7};
  if (std::getenv("COWFS_LONG") != nullptr) size = {1, 400, 150, 3 * kCrashVariants, 1};
  if (const char* seed = std::getenv("COWFS_SEED")) {
    size.first_seed = size.last_seed = std::strtoull(seed, nullptr, 0);
  }
  return size;
}

}  // namespace cowfs
