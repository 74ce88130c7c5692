// What a machine is like: its size, and which of two kernels it has.
//
// Profile `textbook` follows the rules that textbooks give; profile `linux` adds what Linux 6 does
// besides (docs/simulator.md): fork copies entries only of areas that ever had anonymous memory, a
// read fault of a file maps the cached pages around, the first write to each clean page of a disk
// file is noticed, mprotect gives the write permission of sole owners back at once, close writes
// nothing.
//
// Every difference is a field of its own here, so that a test can turn one rule at a time.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "lib/base/error.h"

namespace cowfs::sim {

enum class Profile : std::uint8_t { kTextbook, kLinux };
enum class Policy : std::uint8_t { kFifo, kClock, kLru };

/// Mistakes that can be planted in the machine, to see that an invariant finds each
/// (lib/sim/checker.h).
enum class SeededBug : std::uint8_t {
  kNone,
  kForgetReference,      // fork does not count its reference on a shared frame
  kForgetParentProtect,  // fork leaves the parent's entries writable
  kCopyAfterWrite,       // the write lands in the shared frame before it is copied
  kLeakOldFrame,         // a copy keeps the reference on the old frame
  kSkipDirty,            // replacement drops a modified page without writing it
  kFreeSharedFrame,      // unmapping frees a frame that others still map
  kWakeParentEarly,      // a vfork parent runs while its child still has its memory
  kCopySharedArea,       // the first write to a shared area makes a private copy
  kLoseZeroFill,         // a new page shows what its frame held before
  kReuseSharedFrame,     // one of two owners takes the frame instead of copying it
  kNoReprotectAtMsync,   // pages written back stay writable, so that later writes go unnoticed
  kDoubleFreeSlot,       // a swap slot is given back twice
};
inline constexpr int kSeededBugs = 12;

std::string_view seeded_bug_name(SeededBug bug);

struct MachineSettings {
  std::uint32_t frames = 16;       // of physical memory
  std::uint32_t swap_slots = 8;    // pages of the swap area
  std::uint32_t page_size = 4096;  // bytes
  Profile profile = Profile::kTextbook;
  Policy policy = Policy::kClock;
  bool full_copy_fork = false;  // fork=full: the traditional fork copies at once
  bool reuse = true;            // the last owner of a page takes it instead of copying it
  bool swap_programs = false;   // backing=swap: program pages are paged to swap, not to their file
  std::uint32_t eager_stack = 0;  // stack pages that fork copies at once
  std::uint32_t pid_limit = 32768;
  // Set by the profile unless named:
  bool close_writes_back = true;       // close writes back and unmaps
  bool fork_copies_all_tables = true;  // not only of areas that had anonymous memory
  bool protect_restores = false;       // mprotect gives write permission back without a fault
  bool write_notify = false;           // the first write to a clean page of a disk file faults
  std::uint32_t fault_around = 1;      // pages mapped around a read fault of a file
  std::uint32_t readahead = 1;         // pages read from disk at a fault
  SeededBug bug = SeededBug::kNone;    // not part of the trace language
};

/// The settings of a profile, everything else as above.
MachineSettings settings_of(Profile profile);

/// "machine frames=16 ...": every field whose value is not the default of its profile.
std::string to_text(const MachineSettings& settings);

/// Sets one field from its text form ("frames", "64"). kInvalidArgument says why not.
Result<void> set_field(MachineSettings& settings, std::string_view key, std::string_view value);

}  // namespace cowfs::sim
