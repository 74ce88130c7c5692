#include "lib/sim/expectation.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "lib/sim/session.h"

namespace cowfs::sim {
namespace {

struct KindName {
  std::string_view word;
  ExpectKind kind;
};

constexpr std::array<KindName, 14> kKinds{{{"frame", ExpectKind::kFrame},
                                           {"mm", ExpectKind::kSpace},
                                           {"refs", ExpectKind::kReferences},
                                           {"read", ExpectKind::kRead},
                                           {"outcome", ExpectKind::kOutcome},
                                           {"value", ExpectKind::kValue},
                                           {"pte", ExpectKind::kEntry},
                                           {"log", ExpectKind::kLog},
                                           {"state", ExpectKind::kState},
                                           {"pid", ExpectKind::kPid},
                                           {"result", ExpectKind::kResult},
                                           {"backing", ExpectKind::kBacking},
                                           {"disk", ExpectKind::kDisk},
                                           {"file", ExpectKind::kFile}}};

/// p1:C.2, or with `process` false the name of a process alone.
PlaceInMemory read_memory_place(TokenReader& in) {
  const std::string text = in.word("PROCESS:AREA.PAGE");
  PlaceInMemory place;
  const std::size_t colon = text.find(':');
  const std::size_t dot = text.find('.', colon == std::string::npos ? 0 : colon);
  const auto page = dot == std::string::npos ? std::nullopt
                                             : parse_number(std::string_view(text).substr(dot + 1));
  if (colon == std::string::npos || !page) {
    in.complain(fmt::format("'{}': expected PROCESS:AREA.PAGE", text));
    return place;
  }
  return {text.substr(0, colon), text.substr(colon + 1, dot - colon - 1), *page};
}

bool read_comparison(TokenReader& in) {
  if (in.accept("==")) return true;
  if (in.accept("!=")) return false;
  (void)in.word("== or !=");
  in.complain("expected == or !=");
  return true;
}

void read_number(TokenReader& in, Expectation& expect) {
  const std::string text = in.word("a number");
  const bool sign = text.starts_with('+') || text.starts_with('-');
  const auto number = parse_number(std::string_view(text).substr(sign ? 1 : 0));
  if (!number) return in.complain(fmt::format("'{}': expected a number, +N or -N", text));
  expect.moved = sign;
  expect.number = text.starts_with('-') ? -std::int64_t{*number} : std::int64_t{*number};
}

void read_file_page(TokenReader& in, Expectation& expect) {
  const TokenReader::Place place = in.place();
  if (place.pages.whole) in.complain("expected FILE.PAGE");
  expect.left.area = place.name;
  expect.left.page = place.pages.first;
  expect.bytes = in.bytes();
}

void read_rest(TokenReader& in, Expectation& expect) {
  switch (expect.kind) {
    case ExpectKind::kFrame:
      expect.left = read_memory_place(in);
      expect.equal = read_comparison(in);
      expect.right = read_memory_place(in);
      return;
    case ExpectKind::kSpace:
      expect.left.process = in.name("a process");
      expect.equal = read_comparison(in);
      expect.right.process = in.name("a process");
      return;
    case ExpectKind::kReferences:
      expect.left = read_memory_place(in);
      expect.number = in.number("references", 0, 1U << 30);
      return;
    case ExpectKind::kRead: {
      expect.left.process = in.name("a process");
      const TokenReader::Place place = in.place();
      if (place.pages.whole) in.complain("expected AREA.PAGE");
      expect.left.area = place.name;
      expect.left.page = place.pages.first;
      expect.number = place.offset;
      expect.bytes = in.bytes();
      return;
    }
    case ExpectKind::kValue: expect.bytes = in.bytes(); return;
    case ExpectKind::kOutcome:
      expect.word = in.name("ok, segv, bus, oom, suspended, busy or invalid");
      return;
    case ExpectKind::kEntry:
    case ExpectKind::kBacking:
      expect.left = read_memory_place(in);
      expect.word = in.word("a kind");
      return;
    case ExpectKind::kLog:
      while (in.more()) expect.words.push_back(in.word("an event"));
      if (expect.words.empty()) (void)in.word("an event");
      return;
    case ExpectKind::kState:
      expect.left.process = in.name("a process");
      expect.word = in.word("run, vfork-wait, zombie or gone");
      return;
    case ExpectKind::kPid:
    case ExpectKind::kResult:
      expect.left.process = in.name("a process");
      return read_number(in, expect);
    case ExpectKind::kDisk:
    case ExpectKind::kFile: return read_file_page(in, expect);
    case ExpectKind::kGauge: return read_number(in, expect);
  }
}

std::string state_of(const Machine& machine, const std::string& name) {
  const Process* process = machine.process(name);
  if (process == nullptr) return "gone";
  constexpr std::array<std::string_view, 3> names{"run", "vfork-wait", "zombie"};
  return std::string(names[static_cast<std::size_t>(process->state)]);
}

std::optional<FrameId> frame_of(const Machine& machine, const PlaceInMemory& place) {
  const Entry* entry = machine.entry(place.process, place.area, place.page);
  if (entry == nullptr || !entry->present()) return std::nullopt;
  return entry->frame;
}

using Unmet = std::optional<std::string>;

template <typename Seen, typename Wanted>
Unmet compare(const Seen& seen, const Wanted& wanted) {
  if (seen == wanted) return std::nullopt;
  return fmt::format("it is {}", seen);
}

Unmet compare_frames(const Expectation& expect, const Machine& machine) {
  const auto left = frame_of(machine, expect.left);
  const auto right = frame_of(machine, expect.right);
  if (!left || !right) return "a page is not in memory";
  if ((*left == *right) == expect.equal) return std::nullopt;
  return fmt::format("the frames are {} and {}", frame_name(*left), frame_name(*right));
}

Unmet compare_references(const Expectation& expect, const Machine& machine) {
  const auto frame = frame_of(machine, expect.left);
  if (!frame) return "the page is not in memory";
  const std::uint32_t references = *frame == kZeroFrame ? 0 : machine.frames()[*frame].references;
  return compare(std::int64_t{references}, expect.number);
}

Unmet compare_bytes(const std::optional<std::string>& page, std::size_t offset,
                    const std::string& bytes) {
  if (!page) return "there is no such page";
  const std::string seen = page->substr(std::min(offset, page->size()), bytes.size());
  if (seen == bytes) return std::nullopt;
  return "it is " + quoted(seen);
}

Unmet compare_log(const Expectation& expect, const Events& events) {
  std::size_t next = 0;
  for (const Event& event : events) {
    if (next < expect.words.size() && event_name(event.kind) == expect.words[next]) ++next;
  }
  if (next == expect.words.size()) return std::nullopt;
  std::string seen;
  for (const Event& event : events) seen += " " + std::string(event_name(event.kind));
  return fmt::format("no '{}' in:{}", expect.words[next], seen);
}

Unmet compare_process(const Expectation& expect, const Machine& machine) {
  const Process* left = machine.process(expect.left.process);
  if (left == nullptr) return "there is no such process";
  if (expect.kind == ExpectKind::kPid) return compare(std::int64_t{left->pid}, expect.number);
  if (expect.kind == ExpectKind::kResult)
    return compare(static_cast<std::int64_t>(left->result), expect.number);
  const Process* right = machine.process(expect.right.process);
  if (right == nullptr) return "there is no such process";
  if ((left->space == right->space) == expect.equal) return std::nullopt;
  return expect.equal ? "they have different ones" : "they share one";
}

}  // namespace

Expectation read_expectation(TokenReader& in) {
  Expectation expect;
  const std::string word = in.word("what to expect");
  const auto known = std::ranges::find(kKinds, word, &KindName::word);
  if (known != kKinds.end()) {
    expect.kind = known->kind;
  } else if (is_gauge(word)) {
    expect.word = word;
  } else {
    in.complain(fmt::format("cannot expect '{}'", word));
    return expect;
  }
  read_rest(in, expect);
  return expect;
}

std::string entry_kind(const Machine& machine, const PlaceInMemory& place) {
  const AddressSpace* space = machine.space_of(place.process);
  const Area* area = space == nullptr ? nullptr : space->find(place.area);
  const Entry* entry = machine.entry(place.process, place.area, place.page);
  if (area == nullptr || entry == nullptr || entry->state == Entry::State::kNone) return "none";
  if (entry->swapped()) return "swap";
  if (entry->frame == kZeroFrame) return "zero";
  if (entry->writable) return "rw";
  return !area->shared && area->writable() ? "cow" : "ro";
}

std::string backing_kind(const Machine& machine, const PlaceInMemory& place) {
  const AddressSpace* space = machine.space_of(place.process);
  const Area* area = space == nullptr ? nullptr : space->find(place.area);
  if (area == nullptr || place.page >= area->pages) return "none";
  const Entry* entry = machine.entry(place.process, place.area, place.page);
  if (entry != nullptr && entry->swapped()) return "swap";
  const bool own = entry != nullptr && entry->present() && entry->frame != kZeroFrame &&
                   machine.frames()[entry->frame].use == FrameUse::kAnonymous;
  if (own) return "anon";
  if (!area->object) return "zero";
  return machine.objects().at(*area->object).kind == FileKind::kDisk ? "file" : "anon";
}

std::optional<std::string> unmet(const Expectation& expect, const Session& session) {
  const Machine& machine = session.machine();
  switch (expect.kind) {
    case ExpectKind::kFrame: return compare_frames(expect, machine);
    case ExpectKind::kReferences: return compare_references(expect, machine);
    case ExpectKind::kRead:
      return compare_bytes(machine.peek(expect.left.process, expect.left.area, expect.left.page),
                           static_cast<std::size_t>(expect.number), expect.bytes);
    case ExpectKind::kDisk:
      return compare_bytes(machine.disk_page(expect.left.area, expect.left.page), 0, expect.bytes);
    case ExpectKind::kFile:
      return compare_bytes(machine.file_page(expect.left.area, expect.left.page), 0, expect.bytes);
    case ExpectKind::kOutcome:
      return compare(outcome_name(session.last().outcome), std::string_view(expect.word));
    case ExpectKind::kValue:
      if (session.last().value == expect.bytes) return std::nullopt;
      return "it is " + quoted(session.last().value);
    case ExpectKind::kEntry: return compare(entry_kind(machine, expect.left), expect.word);
    case ExpectKind::kBacking: return compare(backing_kind(machine, expect.left), expect.word);
    case ExpectKind::kLog: return compare_log(expect, session.last().events);
    case ExpectKind::kState: return compare(state_of(machine, expect.left.process), expect.word);
    case ExpectKind::kSpace:
    case ExpectKind::kPid:
    case ExpectKind::kResult: return compare_process(expect, machine);
    case ExpectKind::kGauge:
      if (expect.moved) return compare(session.moved(expect.word), expect.number);
      return compare(static_cast<std::int64_t>(gauge(machine, expect.word).value_or(0)),
                     expect.number);
  }
  return std::nullopt;
}

}  // namespace cowfs::sim
