#include "lib/sim/session.h"

#include <fmt/format.h>

#include <algorithm>

namespace cowfs::sim {
namespace {

/// Whether the reference model can know the outcome: it knows nothing of frames, pins and
/// replacement.
bool outcome_is_specified(Verb verb) {
  return verb != Verb::kEvict && verb != Verb::kReclaim && verb != Verb::kPin &&
         verb != Verb::kUnpin;
}

bool same_entries(const Machine& one, const Machine& other) {
  for (const auto& [name, process] : one.processes()) {
    const AddressSpace* space = one.space_of(name);
    if (space == nullptr) continue;
    for (const Area& area : space->areas) {
      for (std::uint32_t i = 0; i < area.pages; ++i) {
        const Entry* left = one.entry(name, area.name, i);
        const Entry* right = other.entry(name, area.name, i);
        const bool present = left != nullptr && left->present();
        if (present != (right != nullptr && right->present())) return false;
        if (present && left->writable != right->writable) return false;
      }
    }
  }
  return true;
}

}  // namespace

bool ran_out_of_frames(const StepResult& result) {
  return result.outcome == Outcome::kOutOfMemory ||
         std::ranges::find(result.events, EventKind::kVictim, &Event::kind) != result.events.end();
}

bool profiles_agree(const MachineSettings& settings, const std::vector<Operation>& operations) {
  Machine one(settings);
  MachineSettings others = settings;
  const bool is_linux = settings.profile == Profile::kLinux;
  (void)set_field(others, "profile", is_linux ? "textbook" : "linux");
  Machine other(others);
  for (const Operation& op : operations) {
    if (one.apply(op).outcome != other.apply(op).outcome) return false;
    for (const auto count : {&Counters::missing_faults, &Counters::protection_faults,
                             &Counters::copies, &Counters::reuses}) {
      if (one.counters().*count != other.counters().*count) return false;
    }
    if (!same_entries(one, other)) return false;
  }
  return true;
}

std::vector<std::pair<std::string_view, std::uint64_t>> gauges(const Machine& machine) {
  std::vector<std::pair<std::string_view, std::uint64_t>> out;
  for (const CounterField& field : counter_fields())
    out.emplace_back(field.name, machine.counters().*field.member);
  out.emplace_back("free", machine.frames().free_list().size());
  out.emplace_back("used", machine.frames().used());
  out.emplace_back("peak", machine.frames().peak());
  out.emplace_back("slots", machine.swap().used());
  out.emplace_back("slots-peak", machine.swap().peak());
  out.emplace_back("tables", machine.page_tables());
  out.emplace_back("threads", machine.threads());
  out.emplace_back("processes", machine.processes().size());
  return out;
}

std::optional<std::uint64_t> gauge(const Machine& machine, std::string_view name) {
  for (const auto& [key, value] : gauges(machine)) {
    if (key == name) return value;
  }
  return std::nullopt;
}

bool is_gauge(std::string_view name) {
  return gauge(Machine(MachineSettings{.frames = 1}), name).has_value();
}

std::vector<Operation> single_pages(const Operation& op, const Machine& machine) {
  const bool access = op.verb == Verb::kRead || op.verb == Verb::kWrite || op.verb == Verb::kFetch;
  const bool file = op.verb == Verb::kPread || op.verb == Verb::kPwrite;
  PageRange pages = op.pages;
  if (access && pages.whole) {
    const AddressSpace* space = machine.space_of(op.process);
    const Area* area = space == nullptr ? nullptr : space->find(op.name);
    if (area == nullptr) return {op};
    pages = {0, area->pages - 1, false};
  }
  const bool several = pages.first < pages.last && (!pages.whole) &&
                       (access || file ||
                        (op.verb == Verb::kCopy && !op.source.whole &&
                         op.source.last - op.source.first == pages.last - pages.first));
  if (!several) return {op};
  std::vector<Operation> out;
  for (std::uint32_t i = pages.first; i <= pages.last; ++i) {
    out.push_back(op);
    out.back().pages = {i, i, false};
    const std::uint32_t source = op.source.first + (i - pages.first);
    out.back().source = {source, source, op.source.whole};
  }
  return out;
}

std::vector<Operation> single_accesses(const Operation& op, const Machine& machine) {
  std::vector<Operation> out;
  for (const Operation& page : single_pages(op, machine)) {
    const std::size_t size = page.bytes.size();
    const bool several = size > 1 && page.offset + size <= machine.settings().page_size;
    for (std::size_t i = 0; several && i < size; ++i) {
      out.push_back(page);
      out.back().offset += static_cast<std::uint32_t>(i);
      out.back().bytes = page.bytes.substr(i, 1);
    }
    if (!several) out.push_back(page);
  }
  return out;
}

Session::Session(const MachineSettings& settings)
    : machine_(settings), reference_(settings), before_(gauges(machine_)) {}

std::optional<Violation> Session::apply(const Operation& operation) {
  before_ = gauges(machine_);
  last_ = StepResult{};
  for (const Operation& one : single_pages(operation, machine_)) {
    if (auto violation = apply_one(one)) return violation;
    if (last_.outcome != Outcome::kOk) break;
  }
  if (auto violation = check_invariants(machine_)) return violation;
  return compare();
}

std::optional<Violation> Session::apply_one(const Operation& op) {
  StepResult result = machine_.apply(op);
  last_.outcome = result.outcome;
  last_.value += result.value;
  last_.number = result.number;
  last_.events.insert(last_.events.end(), result.events.begin(), result.events.end());
  // Without a frame nothing may have happened; the reference model is not asked at all.
  if (result.outcome == Outcome::kOutOfMemory) return std::nullopt;
  if (!outcome_is_specified(op.verb) && result.outcome != Outcome::kOk) return std::nullopt;
  const ReferenceModel::Answer answer = reference_.apply(op);
  if (answer.outcome != result.outcome) {
    return Violation{"I9", fmt::format("'{}' ended with {}, should with {}", to_text(op),
                                       outcome_name(result.outcome), outcome_name(answer.outcome))};
  }
  if (answer.value != result.value) {
    return Violation{"I9", fmt::format("'{}' read {}, should {}", to_text(op), quoted(result.value),
                                       quoted(answer.value))};
  }
  return std::nullopt;
}

std::optional<Violation> Session::compare() const {
  for (const std::string& process : reference_.live_processes()) {
    for (const auto& [area, pages] : reference_.areas(process)) {
      for (std::uint32_t i = 0; i < pages; ++i) {
        if (machine_.peek(process, area, i) == reference_.page(process, area, i)) continue;
        return Violation{
            "I9", fmt::format("{}:{}.{} has not the bytes that it should have", process, area, i)};
      }
    }
  }
  for (const auto& [file, pages] : reference_.files()) {
    for (std::uint32_t i = 0; i < pages; ++i) {
      if (machine_.file_page(file, i) == reference_.file_page(file, i)) continue;
      return Violation{"I9",
                       fmt::format("page {} of {} has not the bytes that it should have", i, file)};
    }
  }
  return std::nullopt;
}

std::optional<Violation> Session::finish() {
  // Children first: a parent that waits for its vfork child cannot exit.
  while (!machine_.processes().empty()) {
    const auto ready = std::ranges::find_if(machine_.processes(), [](const auto& item) {
      return item.second.state == ProcessState::kRunning;
    });
    if (ready == machine_.processes().end()) return Violation{"I7", "no process can run"};
    Operation exit;
    exit.process = ready->first;
    if (auto violation = apply(exit)) return violation;
  }
  return check_nothing_is_left(machine_);
}

std::int64_t Session::moved(std::string_view name) const {
  for (const auto& [key, value] : before_) {
    if (key == name) {
      return static_cast<std::int64_t>(gauge(machine_, name).value_or(0)) -
             static_cast<std::int64_t>(value);
    }
  }
  return 0;
}

}  // namespace cowfs::sim
