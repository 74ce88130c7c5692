#include "tools/cowsim/systems.h"

#include <fmt/format.h>

#include <fstream>
#include <memory>
#include <optional>

#include "lib/sim/runner.h"
#include "lib/sim/session.h"
#include "tools/common/message.h"
#include "tools/common/print_text.h"
#include "tools/cowsim/file_comparison.h"

namespace cowfs {
namespace {

constexpr int kQuietRuns = 5;
constexpr int kMostRuns = 30;

/// Counts what the kernel does to pages whoever they belong to: it drops, reclaims, migrates them,
/// and holds their locks meanwhile.
std::uint64_t page_activity() {
  static const std::set<std::string> counters{"drop_pagecache", "drop_slab",
                                              "pgscan_kswapd",  "pgmigrate_success",
                                              "pgscan_direct",  "compact_isolated"};
  std::uint64_t sum = 0;
  std::ifstream in("/proc/vmstat");
  std::string name;
  for (std::uint64_t value = 0; in >> name >> value;) sum += counters.contains(name) ? value : 0;
  return sum;
}

/// The machine and whoever follows it.
class Race {
 public:
  Race(const Systems& systems, const sim::MachineSettings& settings)
      : systems_(systems), machine_(settings) {}

  Result<void> open() {
    if (systems_.kernel != nullptr) {
      COWFS_ASSIGN(processes_, oracle::Processes::start(systems_.kernel->disk));
      kernel_.emplace(*systems_.kernel, machine_, *processes_);
    }
    if (systems_.files == nullptr) return {};
    files_.emplace(*systems_.files, machine_);
    return files_->open();
  }

  Result<std::string> step(const sim::Operation& op, bool last) {
    ++steps_;
    const auto parts = sim::single_accesses(op, machine_);
    for (std::size_t i = 0; i < parts.size(); ++i) {
      bool stops = i + 1 == parts.size();
      COWFS_ASSIGN(std::string difference, part(parts[i], last, stops));
      if (!difference.empty()) return fmt::format("'{}': {}", sim::to_text(op), difference);
      if (stops) break;
    }
    return std::string();
  }

  /// The files go in any case; what that gives away is a difference only where there was none.
  Result<std::string> close(bool agreed) { return files_ ? files_->close(agreed) : std::string(); }

  Verdict verdict(std::string difference) const {
    return {std::move(difference),
            steps_,
            files_ ? files_->replays() : 0,
            0,
            kernel_ ? kernel_->adopted() : Adopted{},
            kernel_ ? kernel_->choices() : std::set<std::string>{}};
  }

 private:
  /// One access, or an operation that is none. `stops`: the last of its operation; so is one that
  /// fails.
  Result<std::string> part(const sim::Operation& op, bool last, bool& stops) {
    // What is done to the daemon does not concern the processes.
    const bool of_files = op.verb == sim::Verb::kRemount || op.verb == sim::Verb::kKill;
    if (kernel_ && !of_files) COWFS_TRY(kernel_->begin(op));
    const sim::StepResult result = machine_.apply(op);
    std::string difference;
    if (kernel_ && !of_files) difference = kernel_->follow(op, result);
    if (sim::ran_out_of_frames(result)) {
      return fail(ErrorCode::kNotSupported,
                  fmt::format("'{}': the simulator has no free frames left, the others have: the "
                              "trace needs a machine with more frames",
                              sim::to_text(op)));
    }
    stops = stops || result.outcome != sim::Outcome::kOk;
    last = last && stops;
    if (kernel_ && difference.empty() && last) difference = kernel_->compare_bytes();
    if (files_ && difference.empty()) return files_->follow(op, result, last);
    return difference;
  }

  const Systems& systems_;
  sim::Machine machine_;
  std::unique_ptr<oracle::Processes> processes_;
  std::optional<KernelComparison> kernel_;
  std::optional<FileComparison> files_;
  std::uint64_t steps_ = 0;
};

Result<Verdict> run_once(const Systems& systems, const sim::MachineSettings& settings,
                         const std::vector<sim::Operation>& operations) {
  Race race(systems, settings);
  COWFS_TRY(race.open());
  Result<std::string> difference;
  for (std::size_t i = 0; i < operations.size(); ++i) {
    difference = race.step(operations[i], i + 1 == operations.size());
    if (!difference || !difference->empty()) break;
  }
  const bool agreed = difference && difference->empty();
  auto closed = race.close(agreed);
  if (!difference) return std::unexpected(std::move(difference).error());
  if (!agreed) return race.verdict(std::move(*difference));
  if (!closed) return std::unexpected(std::move(closed).error());
  return race.verdict(std::move(*closed));
}

}  // namespace

std::string describe_choices(const Verdict& verdict) {
  std::string out = to_text(verdict.adopted);
  if (verdict.unsettled > 0)
    out += fmt::format("; {} traces met no quiet moment", verdict.unsettled);
  return out;
}

void Verdict::add(const Verdict& other) {
  steps += other.steps;
  replays += other.replays;
  unsettled += other.unsettled;
  adopted.add(other.adopted);
}

Result<Verdict> compare_systems(const Systems& systems, const sim::MachineSettings& settings,
                                const std::vector<sim::Operation>& operations) {
  const bool repeats =
      systems.kernel != nullptr && strictness_of(*systems.kernel) == Strictness::kWhereRepeated;
  std::uint64_t activity = repeats ? page_activity() : 0;
  COWFS_ASSIGN(Verdict all, run_once(systems, settings, operations));
  int quiet_runs = repeats && page_activity() == activity ? 1 : 0;
  for (int run = 1; repeats && all.difference.empty() && !all.choices.empty(); ++run) {
    if (quiet_runs == kQuietRuns) {
      all.difference = fmt::format("{}: the kernel chose otherwise in each of {} quiet runs ({})",
                                   *all.choices.begin(), quiet_runs, to_text(all.adopted));
      break;
    }
    if (run == kMostRuns) {
      ++all.unsettled;
      break;
    }
    activity = page_activity();
    COWFS_ASSIGN(Verdict again, run_once(systems, settings, operations));
    if (page_activity() == activity) ++quiet_runs;
    std::erase_if(all.choices, [&](const auto& choice) { return !again.choices.contains(choice); });
    all.adopted.add(again.adopted);
    all.replays += again.replays;
    all.difference = std::move(again.difference);
  }
  return all;
}

std::vector<sim::Operation> shrink_difference(const Systems& systems,
                                              const sim::MachineSettings& settings,
                                              std::vector<sim::Operation> operations, int tries) {
  return sim::shrink(std::move(operations), [&](const std::vector<sim::Operation>& fewer) {
    if (tries-- <= 0) return false;
    const auto verdict = compare_systems(systems, settings, fewer);
    return verdict && !verdict->difference.empty();
  });
}

std::vector<sim::Operation> operations_on_kernel(const sim::Trace& trace) {
  std::vector<sim::Operation> out;
  for (const sim::Operation& op : sim::operations_of(trace)) {
    out.push_back(op);
    if (op.verb != sim::Verb::kFile || op.kind != sim::FileKind::kDisk) continue;
    sim::Operation warm;
    warm.verb = sim::Verb::kWarm;
    warm.name = op.name;
    out.push_back(std::move(warm));
  }
  return out;
}

Result<std::string> compare_trace(const Systems& systems, const sim::Trace& trace) {
  COWFS_ASSIGN(const Verdict verdict,
               compare_systems(systems, trace.settings,
                               systems.kernel == nullptr ? sim::operations_of(trace)
                                                         : operations_on_kernel(trace)));
  if (verdict.adopted.total() > 0) print_text("{}\n", describe_choices(verdict));
  return verdict.difference;
}

}  // namespace cowfs
