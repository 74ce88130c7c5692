// The simulator against page faults of its own process.
#include <fmt/format.h>

#include <map>
#include <set>

#include "lib/sim/generator.h"
#include "lib/sim/runner.h"
#include "lib/sim/session.h"
#include "tools/common/message.h"
#include "tools/common/print_text.h"
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

/// Whether a LiveMachine has what the operation needs: it has no disk, no programs, no replacement.
bool is_possible(const sim::Operation& op) {
  using sim::Verb;
  static const std::set<Verb> possible{
      Verb::kProgram, Verb::kWarm,  Verb::kWriteback, Verb::kPicture, Verb::kRemount,
      Verb::kKill,    Verb::kMap,   Verb::kUnmap,     Verb::kRead,    Verb::kWrite,
      Verb::kFork,    Verb::kVfork, Verb::kExit,      Verb::kProtect, Verb::kDontneed,
      Verb::kMsync,   Verb::kPread, Verb::kPwrite};
  if (op.verb == Verb::kFile) return op.kind == sim::FileKind::kMemory;
  if (op.verb == Verb::kProcess) return op.other.empty();
  return possible.contains(op.verb);
}

Result<void> expect_possible(const sim::MachineSettings& settings,
                             const std::vector<sim::Operation>& operations) {
  for (const sim::Operation& op : operations) {
    if (!is_possible(op))
      return fail(ErrorCode::kNotSupported, "live cannot do '" + sim::to_text(op) + "'");
  }
  if (settings.page_size != kPage)
    return fail(ErrorCode::kNotSupported, "live has pages of 4096 bytes");
  if (settings.profile == sim::Profile::kTextbook || sim::profiles_agree(settings, operations))
    return {};
  return fail(ErrorCode::kNotSupported,
              "live follows the textbook, and profile=linux does otherwise in this trace");
}

/// One access, or an operation that is none, on both: what differs; empty: they agree.
std::string compare_step(const sim::Operation& op, sim::Machine& machine, LiveMachine& live,
                         sim::StepResult& simulated) {
  const sim::AddressSpace* space = machine.space_of(op.process);
  const bool maps = op.verb == sim::Verb::kMap && space != nullptr && op.count > 0;
  const sim::PageNumber place = maps ? space->place_for(op.count) : sim::PageNumber{};
  const sim::StepResult real = live.apply(op, place);
  simulated = machine.apply(op);
  if (real.outcome != simulated.outcome) {
    return fmt::format("ends with {}, in the simulator with {}", sim::outcome_name(real.outcome),
                       sim::outcome_name(simulated.outcome));
  }
  if (simulated.outcome == sim::Outcome::kOk && real.value != simulated.value) {
    return fmt::format("reads {}, in the simulator {}", sim::quoted(real.value),
                       sim::quoted(simulated.value));
  }
  std::string difference = compare_counts(machine, live);
  return difference.empty() ? compare_pages(machine, live) : difference;
}

/// What differs; empty: all agree.
Result<std::string> compare_live(const sim::MachineSettings& settings,
                                 const std::vector<sim::Operation>& operations) {
  sim::Machine machine(settings);
  COWFS_ASSIGN(const auto live, LiveMachine::create(settings.frames));
  for (const sim::Operation& op : operations) {
    for (const sim::Operation& part : sim::single_accesses(op, machine)) {
      sim::StepResult simulated;
      const std::string difference = compare_step(part, machine, *live, simulated);
      if (!difference.empty() && sim::ran_out_of_frames(simulated)) {
        return fail(ErrorCode::kNotSupported, fmt::format("'{}': live replaces no pages: the trace "
                                                          "needs a machine with more frames",
                                                          sim::to_text(op)));
      }
      if (!difference.empty()) return fmt::format("'{}': {}", sim::to_text(op), difference);
      if (simulated.outcome != sim::Outcome::kOk) break;
    }
  }
  return std::string();
}

}  // namespace

ExitCode run_live(const LiveOptions& options) {
  if (!options.file.empty()) {
    return compare_file(options.file, [&](sim::Trace trace) -> Result<std::string> {
      trace.settings.bug = options.bug;
      const auto operations = sim::operations_of(trace);
      COWFS_TRY(expect_possible(trace.settings, operations));
      return compare_live(trace.settings, operations);
    });
  }
  const SeedRange& seeds = options.seeds;
  sim::TraceWish wish = sim::live_wish();
  wish.settings.bug = options.bug;
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
  print_text("{} seeds, {} steps, all agree\n", seeds.last - seeds.first + 1, steps);
  return finish_output(kCowsim, ExitCode::kOk);
}

}  // namespace cowfs
