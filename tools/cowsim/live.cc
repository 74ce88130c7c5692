// The simulator against page faults of its own process.
#include <fmt/format.h>

#include <map>

#include "lib/sim/generator.h"
#include "lib/sim/runner.h"
#include "lib/sim/session.h"
#include "tools/common/message.h"
#include "tools/cowsim/commands.h"
#include "tools/cowsim/live_machine.h"

namespace cowfs {
namespace {

std::string compare_counts(const sim::Machine& machine, const LiveMachine& live) {
  const LiveMachine::Counts seen = live.counts();
  const sim::Counters& counted = machine.counters();
  const auto differs = [](std::string_view what, std::uint64_t real, std::uint64_t simulated) {
    return real == simulated ? std::string()
                             : fmt::format("{} {}, the simulator has {}", real, what, simulated);
  };
  for (std::string difference :
       {differs("faults", seen.faults, counted.missing_faults + counted.protection_faults),
        differs("copies", seen.copies, counted.copies),
        differs("zero fills", seen.zero_fills, counted.zero_fills),
        differs("re-uses", seen.reuses, counted.reuses),
        differs("frames in use", seen.used, machine.frames().used())}) {
    if (!difference.empty()) return difference;
  }
  return {};
}

/// Entries alike, and the same pages in one frame.
std::string compare_pages(const sim::Machine& machine, const LiveMachine& live) {
  std::map<sim::FrameId, std::uint32_t> frames;
  std::map<std::uint32_t, sim::FrameId> owners;
  for (const auto& [name, process] : machine.processes()) {
    const sim::AddressSpace* space = machine.space_of(name);
    if (space == nullptr) continue;
    for (const sim::Area& area : space->areas) {
      for (std::uint32_t i = 0; i < area.pages; ++i) {
        const sim::Entry* entry = machine.entry(name, area.name, i);
        const auto page = live.page(name, area.name, i);
        const bool present = entry != nullptr && entry->present();
        if (!page || page->present != present)
          return fmt::format("{}:{}.{} is mapped in one of them", name, area.name, i);
        if (!present) continue;
        const auto [frame, new_frame] = frames.try_emplace(entry->frame, page->frame);
        const auto [owner, new_owner] = owners.try_emplace(page->frame, entry->frame);
        if (page->writable != entry->writable || frame->second != page->frame ||
            owner->second != entry->frame) {
          return fmt::format("{}:{}.{} differs in its frame or its rights", name, area.name, i);
        }
      }
    }
  }
  return {};
}

/// What differs; empty: all agree.
Result<std::string> compare_live(const sim::MachineSettings& settings,
                                 const std::vector<sim::Operation>& operations) {
  sim::Machine machine(settings);
  COWFS_ASSIGN(const auto live, LiveMachine::create(settings.frames));
  for (const sim::Operation& op : operations) {
    const sim::AddressSpace* space = machine.space_of(op.process);
    const bool maps = op.verb == sim::Verb::kMap && space != nullptr && op.count > 0;
    const sim::PageNumber place = maps ? space->place_for(op.count) : sim::PageNumber{};
    const sim::StepResult real = live->apply(op, place);
    const sim::StepResult simulated = machine.apply(op);
    std::string difference;
    if (real.outcome != simulated.outcome) {
      difference =
          fmt::format("ends with {}, in the simulator with {}", sim::outcome_name(real.outcome),
                      sim::outcome_name(simulated.outcome));
    } else if (simulated.outcome == sim::Outcome::kOk && real.value != simulated.value) {
      difference = fmt::format("reads {}, in the simulator {}", sim::quoted(real.value),
                               sim::quoted(simulated.value));
    }
    if (difference.empty()) difference = compare_counts(machine, *live);
    if (difference.empty()) difference = compare_pages(machine, *live);
    if (!difference.empty()) return fmt::format("'{}': {}", sim::to_text(op), difference);
  }
  return std::string();
}

}  // namespace

ExitCode run_live(const SeedRange& seeds, const std::string& file) {
  if (!file.empty()) {
    return compare_file(file, [](const sim::Trace& trace) {
      return compare_live(trace.settings, sim::operations_of(trace));
    });
  }
  const sim::TraceWish wish = sim::live_wish();
  std::uint64_t steps = 0;
  for (std::uint64_t seed = seeds.first; seed <= seeds.last; ++seed) {
    auto operations = sim::generate(wish, seed);
    steps += operations.size();
    const auto difference = compare_live(wish.settings, operations);
    if (!difference) return cannot(difference.error());
    if (difference->empty()) continue;
    operations = sim::shrink(std::move(operations), [&](const std::vector<sim::Operation>& fewer) {
      const auto now = compare_live(wish.settings, fewer);
      return now && !now->empty();
    });
    print_failing_trace(seed, compare_live(wish.settings, operations).value_or(*difference),
                        wish.settings, operations);
    return finish_output(kCowsim, ExitCode::kFailed);
  }
  fmt::print("{} seeds, {} steps, all agree\n", seeds.last - seeds.first + 1, steps);
  return finish_output(kCowsim, ExitCode::kOk);
}

}  // namespace cowfs
