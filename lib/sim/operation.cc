#include "lib/sim/operation.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace cowfs::sim {
namespace {

constexpr std::array<std::string_view, kVerbs> kNames{
    "file",     "program",  "proc",  "warm",  "writeback", "evict", "reclaim",
    "snapshot", "remount",  "kill",  "map",   "unmap",     "read",  "write",
    "fetch",    "copy",     "fork",  "vfork", "exec",      "exit",  "wait",
    "protect",  "dontneed", "msync", "open",  "close",     "stat",  "truncate",
    "pread",    "pwrite",   "pin",   "unpin", "lock",      "unlock"};

std::string range_text(const PageRange& pages) {
  if (pages.whole) return "";
  if (pages.first == pages.last) return fmt::format(".{}", pages.first);
  return fmt::format(".{}-{}", pages.first, pages.last);
}

std::string place_text(const Operation& op) {
  return op.name + range_text(op.pages) + (op.offset == 0 ? "" : fmt::format("+{}", op.offset));
}

std::string_view access_text(Access access) {
  constexpr std::array<std::string_view, 3> texts{"ro", "rw", "rx"};
  return texts[static_cast<std::size_t>(access)];
}

std::string file_text(const Operation& op) {
  const std::string fill = op.fill == "seq" || op.fill == "zero"
                               ? op.fill
                               : quoted(std::string_view(op.fill).substr(0, 1));
  return fmt::format("file {} pages={} fill={} kind={}", op.name, op.count, fill,
                     op.kind == FileKind::kDisk ? "disk" : "tmpfs");
}

std::string program_text(const Operation& op) {
  return fmt::format("program {} text={} data={} bss={} heap={} stack={}", op.name, op.layout.text,
                     op.layout.data, op.layout.bss, op.layout.heap, op.layout.stack);
}

std::string map_text(const Operation& op) {
  return fmt::format("map {} {} {} {} {}{}", op.name, op.other, op.shared ? "shared" : "private",
                     op.count, access_text(op.access),
                     op.from == 0 ? "" : fmt::format(" from={}", op.from));
}

/// The words after the verb of what a process does.
std::string arguments(const Operation& op) {
  switch (op.verb) {
    case Verb::kWrite:
    case Verb::kPwrite: return place_text(op) + " " + quoted(op.bytes);
    case Verb::kCopy: return place_text(op) + " " + op.other + range_text(op.source);
    case Verb::kFork:
    case Verb::kVfork:
    case Verb::kExec:
    case Verb::kWait: return op.other;
    case Verb::kExit: return "";
    case Verb::kProtect: return op.name + " " + std::string(access_text(op.access));
    case Verb::kTruncate: return fmt::format("{} {}", op.name, op.count);
    default: return place_text(op);
  }
}

}  // namespace

std::string_view verb_name(Verb verb) { return kNames[static_cast<std::size_t>(verb)]; }

std::string quoted(std::string_view bytes) {
  const bool plain = std::ranges::all_of(bytes, [](char byte) {
    return byte >= ' ' && byte <= '~' && byte != '\'' && byte != '"' && byte != '\\';
  });
  if (bytes.size() == 1 && plain) return fmt::format("'{}'", bytes);
  if (bytes.size() == 1) return fmt::format("{}", static_cast<unsigned char>(bytes[0]));
  if (plain) return fmt::format("\"{}\"", bytes);
  std::string out = "0x";
  for (const char byte : bytes) out += fmt::format("{:02x}", static_cast<unsigned char>(byte));
  return out;
}

std::string to_text(const Operation& op) {
  std::string verb(verb_name(op.verb));
  switch (op.verb) {
    case Verb::kFile: return file_text(op);
    case Verb::kProgram: return program_text(op);
    case Verb::kProcess:
      return "proc " + op.process + (op.other.empty() ? "" : " exec " + op.other);
    case Verb::kWarm: return verb + " " + op.name;
    case Verb::kWriteback:
    case Verb::kReclaim:
    case Verb::kRemount:
    case Verb::kKill: return verb;
    case Verb::kEvict: return verb + " " + op.process + " " + place_text(op);
    case Verb::kPicture: return verb + " " + op.name;
    case Verb::kMap: return op.process + " " + map_text(op);
    default: break;
  }
  const std::string rest = arguments(op);
  return op.process + " " + verb + (rest.empty() ? "" : " " + rest);
}

std::string filled_page(std::string_view fill, std::uint32_t page, std::uint32_t page_size) {
  if (fill == "zero") return std::string(page_size, '\0');
  const char letter = fill == "seq" ? static_cast<char>('a' + page % 26) : fill[0];
  return std::string(page_size, letter);
}

}  // namespace cowfs::sim
