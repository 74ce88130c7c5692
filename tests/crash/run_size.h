// How much of the crash harness one run does.
#pragma once

#include <cstdint>
#include <cstdlib>

#include "lib/storage/crash_chooser.h"

namespace cowfs {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool kSanitized = true;
#else
inline constexpr bool kSanitized = false;
#endif

struct RunSize {
  std::uint64_t seeds;     // 1 to this
  std::size_t operations;  // of each history
  std::uint64_t choices;   // at each cut
  std::size_t stride;      // between cuts
};

inline RunSize run_size() {
  if (std::getenv("COWFS_LONG") != nullptr) return {400, 150, 3 * kCrashVariants, 1};
  if (kSanitized) return {4, 150, kCrashVariants, 7};
  return {56, 150, kCrashVariants, 1};
}

}  // namespace cowfs
