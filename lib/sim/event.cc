#include "lib/sim/event.h"

#include <fmt/format.h>

#include <array>

namespace cowfs::sim {
namespace {

constexpr std::array<std::string_view, 35> kNames{"missing-fault", "protection-fault",
                                                  "segv",          "bus",
                                                  "oom",           "cow-break",
                                                  "alloc",         "zero-fill",
                                                  "copy",          "reuse",
                                                  "map-zero",      "map-cache",
                                                  "pte",           "w=1",
                                                  "retry",         "fault-around",
                                                  "read-ahead",    "file-read",
                                                  "file-write",    "swap-in",
                                                  "swap-out",      "drop-clean",
                                                  "victim",        "free",
                                                  "share",         "w=0",
                                                  "copy-at-fork",  "new-mm",
                                                  "drop-mm",       "suspend",
                                                  "resume",        "notice-write",
                                                  "grow-stack",    "vfork-warning",
                                                  "race-warning"};
static_assert(kNames.size() == static_cast<std::size_t>(EventKind::kRaceWarning) + 1);

std::string frame_of(const Event& event) {
  return event.frame ? frame_name(*event.frame) : std::string("no frame");
}

std::string place(const Event& event) {
  return event.area.empty() ? event.process
                            : fmt::format("{}:{}.{}", event.process, event.area, event.page);
}

std::string plural(std::uint32_t count, std::string_view what) {
  return fmt::format("{} {}{}", count, what, count == 1 ? "" : what.ends_with('y') ? "" : "s");
}

std::string entries(std::uint32_t count) {
  return count == 1 ? "1 page table entry" : fmt::format("{} page table entries", count);
}

std::string memory_words(const Event& event) {
  const std::string frame = frame_of(event);
  switch (event.kind) {
    case EventKind::kAllocate:
      return fmt::format("The kernel takes frame {} from the free list.", frame);
    case EventKind::kZeroFill: return fmt::format("Frame {} is filled with zeros.", frame);
    case EventKind::kCopy:
      return fmt::format("The bytes of frame {} are copied to frame {}.",
                         event.from ? frame_name(*event.from) : "?", frame);
    case EventKind::kReuse:
      return fmt::format(
          "Nobody else refers to frame {} any more: nothing is copied, its last owner takes it.",
          frame);
    case EventKind::kMapZero:
      return "The page was never written: its entry names the one frame of zeros, read-only.";
    case EventKind::kMapCache:
      return fmt::format("The entry names frame {}, where the page of the file is in memory.",
                         frame);
    case EventKind::kEntry:
      return fmt::format("The page table entry of {} names frame {} now.", place(event), frame);
    case EventKind::kFileRead:
      return fmt::format("A page of {} is read from disk into frame {}.", event.area, frame);
    case EventKind::kFileWrite:
      return fmt::format("The modified page in frame {} is written to its file.", frame);
    case EventKind::kSwapIn:
      return fmt::format("The page is read from swap slot {} into frame {}.",
                         event.slot ? raw(*event.slot) : 0, frame);
    case EventKind::kSwapOut:
      return fmt::format(
          "The page in frame {} has no file and was modified: it is written to swap slot {}.",
          frame, event.slot ? raw(*event.slot) : 0);
    case EventKind::kDropClean:
      return fmt::format(
          "The page in frame {} was not modified: its backing store has it, nothing is written.",
          frame);
    case EventKind::kVictim:
      return fmt::format("No frame is free: replacement chooses frame {}.", frame);
    case EventKind::kFree: return fmt::format("Frame {} goes to the free list.", frame);
    default: return "";
  }
}

std::string process_words(const Event& event) {
  switch (event.kind) {
    case EventKind::kShare:
      return fmt::format("{} copied; parent and child share the frames.",
                         event.count == 1 ? "1 page table entry is"
                                          : fmt::format("{} page table entries are", event.count));
    case EventKind::kProtect:
      return fmt::format("{} {} write permission (w=0).", entries(event.count),
                         event.count == 1 ? "loses" : "lose");
    case EventKind::kCopyAtFork:
      return fmt::format("fork copies {} at once.", plural(event.count, "page"));
    case EventKind::kNewSpace:
      return fmt::format("{} gets an address space of its own.", event.process);
    case EventKind::kDropSpace:
      return "The old address space has no user any more: its frames are given back.";
    case EventKind::kSuspend:
      return fmt::format("{} is suspended: its child runs in its address space until exec or exit.",
                         event.process);
    case EventKind::kResume: return fmt::format("{} runs again.", event.process);
    case EventKind::kVforkWarning:
      return fmt::format("Warning: {} is a vfork child and should do nothing but exec or exit.",
                         event.process);
    case EventKind::kRaceWarning:
      return fmt::format("Warning: {} is written by several processes without a common lock.",
                         place(event));
    default: return "";
  }
}

}  // namespace

std::string_view event_name(EventKind kind) { return kNames[static_cast<std::size_t>(kind)]; }

std::string frame_name(FrameId frame) {
  return frame == kZeroFrame ? "zero" : fmt::format("f{}", raw(frame));
}

std::string to_text(const Event& event) {
  std::string out(event_name(event.kind));
  if (event.from && event.frame)
    return out + fmt::format(" {}->{}", frame_name(*event.from), frame_name(*event.frame));
  if (event.frame) out += " " + frame_name(*event.frame);
  if (event.slot) out += fmt::format(" s{}", raw(*event.slot));
  if (event.count != 0) out += fmt::format(" {}", event.count);
  return out;
}

std::string in_words(const Event& event) {
  switch (event.kind) {
    case EventKind::kMissingFault:
      return fmt::format("Page fault: {} is not in memory.", place(event));
    case EventKind::kProtectionFault:
      return fmt::format("Protection fault: a write to {}, whose entry does not allow writing.",
                         place(event));
    case EventKind::kSegv:
      return fmt::format("{} must not do this: segmentation violation.", event.process);
    case EventKind::kBus:
      return fmt::format("{} is beyond the end of its file: bus error.", place(event));
    case EventKind::kOutOfMemory:
      return "No frame is free and none can be replaced: out of memory.";
    case EventKind::kCowBreak:
      return "The area is private and allows writing: the kernel recognises a copy-on-write page.";
    case EventKind::kWritable: return "The entry allows writing now (w=1).";
    case EventKind::kRetry: return "The handler returns, and the CPU executes the access again.";
    case EventKind::kFaultAround:
      return fmt::format("{} of the file around it, in memory already, mapped in the same fault.",
                         event.count == 1 ? "1 page" : fmt::format("{} pages", event.count));
    case EventKind::kReadAhead:
      return fmt::format("{} after it read ahead.", plural(event.count, "page"));
    case EventKind::kNoticeWrite:
      return "It is the first write since the page was clean: the kernel notes that it is dirty.";
    case EventKind::kGrowStack: return fmt::format("The stack grows down to {}.", place(event));
    default: break;
  }
  const std::string memory = memory_words(event);
  return memory.empty() ? process_words(event) : memory;
}

}  // namespace cowfs::sim
