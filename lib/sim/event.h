// What happened inside of one operation, in order: the log, the captions and `cowsim explain` read
// it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lib/sim/ids.h"

namespace cowfs::sim {

enum class EventKind : std::uint8_t {
  kMissingFault,     // no entry, or one that is in swap
  kProtectionFault,  // a write through an entry without write permission
  kSegv,             // the area does not allow it, or there is none
  kBus,              // beyond the end of the file
  kOutOfMemory,      // no frame and nothing that can be replaced
  kCowBreak,         // the fault is recognised as a write to a copy-on-write page
  kAllocate,         // a frame from the free list
  kZeroFill,         // it is filled with zeros
  kCopy,             // it gets the bytes of another frame
  kReuse,            // the last owner takes the frame: nothing is copied
  kMapZero,          // the entry names the zero frame
  kMapCache,         // the entry names the page of the file in memory
  kEntry,            // the page table entry is changed
  kWritable,         // write permission restored: w=1
  kRetry,            // the handler returns, the CPU executes the access again
  kFaultAround,      // count pages around the faulting one were mapped too
  kReadAhead,        // count further pages were read from disk
  kFileRead,         // a page is read from its file
  kFileWrite,        // a page is written to its file
  kSwapIn,
  kSwapOut,
  kDropClean,   // a clean page is overwritten: its backing store has it
  kVictim,      // replacement chose this frame
  kFree,        // a frame goes to the free list
  kShare,       // fork: count entries were copied and their frames are shared now
  kProtect,     // count entries lost their write permission: w=0
  kCopyAtFork,  // fork copied count pages at once
  kNewSpace,    // a new, empty address space
  kDropSpace,   // the last user of an address space left it
  kSuspend,     // the parent waits for its vfork child
  kResume,
  kNoticeWrite,  // the first write to a clean page of a file is noted: the page is dirty now
  kGrowStack,
  kVforkWarning,  // a vfork child did something else than exec or exit
  kRaceWarning,   // two processes wrote one shared page without a common lock
};

std::string_view event_name(EventKind kind);

struct Event {
  EventKind kind;
  std::string process;  // whose page
  std::string area;
  std::uint32_t page = 0;  // index in the area
  std::optional<FrameId> frame;
  std::optional<FrameId> from;  // of a copy
  std::optional<SlotId> slot;
  std::uint32_t count = 0;
};

/// "copy f3->f7", for logs: stable.
std::string to_text(const Event& event);

/// A sentence for a student.
std::string in_words(const Event& event);

/// "f7", "zero".
std::string frame_name(FrameId frame);

using Events = std::vector<Event>;

}  // namespace cowfs::sim
