// One operation of a trace: what a process does, or what is done to the machine.
//
// The text form is the trace language (docs/simulator.md); lib/sim/trace.h reads it, to_text()
// writes it. An operation whose names do not exist is no error of the program: the machine answers
// kInvalid and changes nothing, so that a trace stays a trace when a shrinker takes lines out of
// it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace cowfs::sim {

enum class Verb : std::uint8_t {
  // The machine's own.
  kFile,
  kProgram,
  kProcess,
  kWarm,
  kWriteback,
  kEvict,
  kReclaim,
  kPicture,
  kRemount,
  kKill,
  // A process's.
  kMap,
  kUnmap,
  kRead,
  kWrite,
  kFetch,
  kCopy,
  kFork,
  kVfork,
  kExec,
  kExit,
  kWait,
  kProtect,
  kDontneed,
  kMsync,
  kOpen,
  kClose,
  kStat,
  kTruncate,
  kPread,
  kPwrite,
  kPin,
  kUnpin,
  kLock,
  kUnlock,
};
inline constexpr int kVerbs = static_cast<int>(Verb::kUnlock) + 1;

std::string_view verb_name(Verb verb);

struct PageRange {
  std::uint32_t first = 0;
  std::uint32_t last = 0;  // included
  bool whole = true;       // no range was given: all pages of the area
};

/// Pages of the areas of a program.
struct ProgramLayout {
  std::uint32_t text = 0;
  std::uint32_t data = 0;
  std::uint32_t bss = 0;
  std::uint32_t heap = 0;
  std::uint32_t stack = 0;
};

enum class FileKind : std::uint8_t {
  kDisk,    // has a disk behind it
  kMemory,  // tmpfs, or the memory of a shared anonymous area: backed by swap
};

enum class Access : std::uint8_t { kReadOnly, kReadWrite, kReadExecute };

struct Operation {
  Verb verb = Verb::kExit;
  std::string process;  // who does it; the new process of kProcess
  std::string name;     // area; file of file operations; lock; picture
  std::string
      other;         // child of fork; program of exec; file of map, "anon" for none; source of copy
  PageRange pages;   // of the area, or of the file
  PageRange source;  // of kCopy
  std::uint32_t offset = 0;  // bytes into the page
  std::string bytes;         // what is written
  std::uint32_t count = 0;   // pages of a new area or file
  std::uint32_t from = 0;    // first page of the file that an area maps
  bool shared = false;
  Access access = Access::kReadWrite;
  FileKind kind = FileKind::kDisk;
  std::string fill = "seq";  // of a file: seq, zero, or one character
  ProgramLayout layout;
};

/// One line of the trace language, without a newline.
std::string to_text(const Operation& operation);

/// Bytes as the trace language writes them: 'C', "several", or 0x00 for one that cannot be shown.
std::string quoted(std::string_view bytes);

/// What a page of a new file holds.
std::string filled_page(std::string_view fill, std::uint32_t page, std::uint32_t page_size);

}  // namespace cowfs::sim
