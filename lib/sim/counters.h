// What a machine counts, and what it would cost.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace cowfs::sim {

struct Counters {
  std::uint64_t missing_faults = 0;
  std::uint64_t protection_faults = 0;
  std::uint64_t major_faults = 0;   // that had to read from disk or swap
  std::uint64_t minor_faults = 0;   // all other successful ones
  std::uint64_t violations = 0;     // segv and bus
  std::uint64_t copies = 0;         // pages copied at a write
  std::uint64_t fork_copies = 0;    // pages copied by fork itself
  std::uint64_t wasted_copies = 0;  // of those, given back before the child ever used them
  std::uint64_t zero_fills = 0;
  std::uint64_t reuses = 0;
  std::uint64_t fork_entries = 0;  // page table entries copied by fork
  std::uint64_t swap_in = 0;
  std::uint64_t swap_out = 0;
  std::uint64_t file_in = 0;
  std::uint64_t file_out = 0;
  std::uint64_t syscalls = 0;
  std::uint64_t attempts = 0;  // of accesses: one more than its faults
  std::uint64_t vfork_warnings = 0;
  std::uint64_t race_warnings = 0;
  std::uint64_t nanoseconds = 0;  // by the cost model
};

struct CounterField {
  std::string_view name;
  std::uint64_t Counters::* member;
};

/// All of them with their names in the trace language.
std::span<const CounterField> counter_fields();

/// What things cost on the machine where docs/simulator.md was measured, in nanoseconds.
namespace cost {
inline constexpr std::uint64_t kSyscall = 300;
inline constexpr std::uint64_t kMmapSyscall = 1500;
inline constexpr std::uint64_t kFault = 400;
inline constexpr std::uint64_t kAllocate = 300;
inline constexpr std::uint64_t kCopyPage = 500;
inline constexpr std::uint64_t kDisk = 100'000;
inline constexpr std::uint64_t kFork = 19'000;
inline constexpr std::uint64_t kForkEntry = 18;
inline constexpr std::uint64_t kVfork = 9'000;
inline constexpr std::uint64_t kExec = 150'000;
inline constexpr std::uint64_t kHit = 16;
}  // namespace cost

}  // namespace cowfs::sim
