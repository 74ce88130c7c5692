// Random traces: the same seed and wish give the same operations.
//
// Most operations make sense (names exist, the process runs); some do not, on purpose.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "lib/sim/operation.h"
#include "lib/sim/random.h"
#include "lib/sim/reference_model.h"
#include "lib/sim/settings.h"

namespace cowfs::sim {

/// What a trace may contain: what all of those who will run it can do.
struct TraceWish {
  MachineSettings settings;
  std::uint32_t steps = 120;
  std::uint32_t most_processes = 5;
  std::uint32_t most_areas = 6;
  std::uint32_t most_area_pages = 6;
  bool files = true;       // file mappings, pread, pwrite; files f0 (disk) and f1 (tmpfs)
  bool disk_files = true;  // f0 as well, not only f1
  bool truncate = true;
  bool shared = true;  // shared mappings
  bool vfork = true;
  bool exec = true;
  bool protect = true;
  bool unmap = true;
  bool replacement = true;   // evict, reclaim
  bool kernel_state = true;  // pins, locks, close: what only a machine has
  bool violations = true;    // accesses beyond the end and against the permissions
  bool restarts = false;     // remount, kill
  ProgramLayout program{.text = 2, .data = 1, .bss = 1, .heap = 1, .stack = 1};
};

/// For `cowsim fuzz`: everything, on a small machine; the profile, policy and size follow the seed.
TraceWish fuzz_wish(std::uint64_t seed);
/// For real processes: what Linux can be made to do one operation at a time, with memory enough.
TraceWish kernel_wish(Profile profile, bool disk_files);
/// For one process that makes page faults of its own.
TraceWish live_wish();
/// For files: private memory, fork, give back, exit. All systems can do this.
TraceWish common_wish(bool restarts);

std::vector<Operation> generate(const TraceWish& wish, std::uint64_t seed);

}  // namespace cowfs::sim
