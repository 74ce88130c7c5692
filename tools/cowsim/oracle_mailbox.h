// How the oracle's controller talks to its actors: shared memory at a fixed address, one slot an
// actor.
//
// The controller writes a request and sets `turn`; the actor does it, writes the reply and sets
// `turn` back. One request is under way at a time, so that nothing moves while the page maps are
// read.
#pragma once

#include <atomic>
#include <cstdint>

namespace cowfs::oracle {

inline constexpr std::uint64_t kMailboxAddress = 0x2100'0000'0000;
inline constexpr std::uint64_t kAreaBase = 0x2000'0000'0000;  // page 0 of the simulator's addresses
inline constexpr std::uint32_t kSlots = 32;

enum class Turn : std::uint32_t { kIdle, kRequested, kDone };

enum class Task : std::uint32_t {
  kRead,
  kWrite,
  kMap,
  kUnmap,
  kProtect,
  kDontneed,
  kMsync,
  kPread,
  kPwrite,
  kFork,
  kVfork,
  kExec,
  kExit,
};

enum class Answer : std::uint32_t { kOk, kSegv, kBus, kFailed };

struct Slot {
  std::atomic<Turn> turn;
  Task task;
  std::uint64_t address;
  std::uint64_t length;
  std::int32_t protection;
  std::int32_t flags;
  std::int32_t fd;
  std::int64_t file_offset;
  std::uint8_t value;  // both ways
  std::uint32_t child_slot;
  Answer answer;
  std::int32_t error;
  std::int32_t pid;      // of the new process
  std::uint64_t faults;  // that the access took
};

struct Mailbox {
  Slot slots[kSlots];
};

/// Sleeps while `turn` has this value.
void wait_while(std::atomic<Turn>& turn, Turn value, int timeout_ms);
void set_turn(std::atomic<Turn>& turn, Turn value);

/// Maps the mailbox behind `fd` where everybody expects it; nullptr: it cannot be.
Mailbox* map_mailbox(int fd);

/// Serves requests until one ends the process.
[[noreturn]] void serve(Mailbox& mailbox, std::uint32_t slot, int mailbox_fd);

}  // namespace cowfs::oracle
