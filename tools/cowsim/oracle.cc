// The simulator against the kernel: the same operations on both, everything compared after each.
#include <fmt/format.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <memory>
#include <set>

#include "lib/sim/generator.h"
#include "lib/sim/runner.h"
#include "lib/sim/session.h"
#include "tools/common/message.h"
#include "tools/cowsim/commands.h"
#include "tools/cowsim/oracle_processes.h"

namespace cowfs {
namespace {

using sim::FrameId;
using sim::Outcome;

/// Where the kernel chose, and its choice was taken over.
struct Adopted {
  std::uint64_t left_out = 0;      // a page around a fault that was not mapped
  std::uint64_t copied = 0;        // a page that could have been re-used
  std::uint64_t written_back = 0;  // a page that had been written back, so that a write faulted
  std::uint64_t total() const { return left_out + copied + written_back; }
};

class Comparison {
 public:
  Comparison(const OracleOptions& options, const sim::MachineSettings& settings,
             oracle::Processes& kernel)
      : options_(options), machine_(settings), kernel_(kernel) {}

  /// What differs; empty: all agree. An Error: the kernel could not be asked.
  Result<std::string> step(const sim::Operation& op) {
    COWFS_ASSIGN(const oracle::Observation seen, kernel_.perform(op, machine_));
    const std::uint64_t faults_before = faults();
    target_was_dirty_ = is_dirty(op);
    const sim::StepResult result = machine_.apply(op);
    ++steps_;
    if (seen.outcome != result.outcome) {
      return fmt::format("the kernel says {}, the simulator {}", sim::outcome_name(seen.outcome),
                         sim::outcome_name(result.outcome));
    }
    if (seen.value != result.value) {
      return fmt::format("the kernel reads {}, the simulator {}", sim::quoted(seen.value),
                         sim::quoted(result.value));
    }
    if (options_.values_only) return std::string();
    const bool access = op.verb == sim::Verb::kRead || op.verb == sim::Verb::kWrite;
    if (access && result.outcome == Outcome::kOk) {
      const std::string difference = compare_faults(op, seen.faults, faults() - faults_before);
      if (!difference.empty()) return difference;
    }
    return compare_frames(op, result);
  }

  const Adopted& adopted() const { return adopted_; }
  std::uint64_t steps() const { return steps_; }

 private:
  std::uint64_t faults() const {
    return machine_.counters().missing_faults + machine_.counters().protection_faults;
  }

  bool is_dirty(const sim::Operation& op) const {
    const sim::Entry* entry = machine_.entry(op.process, op.name, op.pages.first);
    return entry != nullptr && entry->dirty;
  }

  bool may_be_written_back(const sim::Operation& op) const {
    const sim::AddressSpace* space = machine_.space_of(op.process);
    const sim::Area* area = space == nullptr ? nullptr : space->find(op.name);
    return op.verb == sim::Verb::kWrite && target_was_dirty_ && area != nullptr && area->shared &&
           machine_.objects().at(*area->object).kind == sim::FileKind::kDisk;
  }

  std::string compare_faults(const sim::Operation& op, std::uint64_t kernel,
                             std::uint64_t simulated) {
    if (kernel == simulated) return {};
    if (!options_.strict && kernel == simulated + 1 && may_be_written_back(op)) {
      ++adopted_.written_back;
      return {};
    }
    return fmt::format("the kernel took {} faults, the simulator {}", kernel, simulated);
  }

  /// A frame of the simulator as long as it holds one page: its number and when it was taken.
  using Identity = std::pair<FrameId, std::uint64_t>;
  Identity identity(FrameId frame) const {
    return {frame, frame == sim::kZeroFrame ? 0 : machine_.frames()[frame].loaded_at};
  }

  std::string compare_frames(const sim::Operation& op, const sim::StepResult& result) {
    std::map<Identity, std::uint64_t> frames;
    std::map<std::uint64_t, Identity> owners;
    std::map<Identity, std::uint64_t> entries;
    std::map<std::string, std::uint64_t> pages_now;
    std::set<sim::SpaceId> seen;
    for (const auto& [name, process] : machine_.processes()) {
      if (process.state == sim::ProcessState::kZombie || !seen.insert(process.space).second)
        continue;
      for (const sim::Area& area : machine_.spaces().at(process.space).areas) {
        const auto pages = kernel_.pages(name, area);
        for (std::uint32_t i = 0; i < area.pages; ++i) {
          std::string difference = compare_page(op, result, {name, area.name, i}, pages[i]);
          const sim::Entry* entry = machine_.entry(name, area.name, i);
          if (difference.empty() && entry != nullptr && entry->present()) {
            const Identity id = identity(entry->frame);
            ++entries[id];
            pages_now[page_name(name, area.name, i)] = pages[i].frame;
            frames[id] = pages[i].frame;
            const auto [owner, fresh] = owners.try_emplace(pages[i].frame, id);
            if (!fresh && owner->second != id)
              difference = "the kernel shares a frame that the simulator does not";
          }
          if (!difference.empty())
            return fmt::format("{}:{}.{}: {}", name, area.name, i, difference);
        }
      }
    }
    frames_ = std::move(frames);
    pages_ = std::move(pages_now);
    return compare_counts(entries);
  }

  std::string compare_page(const sim::Operation& op, const sim::StepResult& result,
                           const sim::PlaceInMemory& place, const oracle::PageState& seen) {
    const sim::Entry* entry = machine_.entry(place.process, place.area, place.page);
    const bool present = entry != nullptr && entry->present();
    if (!present) return seen.present ? "the kernel has the page mapped, the simulator not" : "";
    const bool is_target = same_space(op.process, place.process) && op.name == place.area &&
                           op.pages.first == place.page;
    if (!seen.present) {
      if (options_.strict || is_target || !has_event(result, sim::EventKind::kFaultAround))
        return "the simulator has the page mapped, the kernel not";
      machine_.adopt_unmapped(place.process, place.area, place.page);
      ++adopted_.left_out;
      return {};
    }
    const auto before = pages_.find(page_name(place.process, place.area, place.page));
    if (is_target && has_event(result, sim::EventKind::kCopy) && before != pages_.end() &&
        before->second == seen.frame) {
      return "the simulator copied the page, the kernel let its owner take it";
    }
    const auto known = frames_.find(identity(entry->frame));
    if (known == frames_.end() || known->second == seen.frame) return {};
    const bool reused = has_event(result, sim::EventKind::kReuse);
    if (options_.strict || !is_target || !reused)
      return "the kernel moved the page to another frame";
    machine_.adopt_copy(place.process, place.area, place.page);
    ++adopted_.copied;
    return {};
  }

  /// The same process, or a vfork child and its parent.
  bool same_space(const std::string& one, const std::string& other) const {
    const sim::Process* left = machine_.process(one);
    const sim::Process* right = machine_.process(other);
    return left != nullptr && right != nullptr && left->space == right->space;
  }

  static bool has_event(const sim::StepResult& result, sim::EventKind kind) {
    return std::ranges::any_of(result.events,
                               [kind](const sim::Event& event) { return event.kind == kind; });
  }

  static std::string page_name(const std::string& process, const std::string& area,
                               std::uint32_t page) {
    return fmt::format("{}:{}.{}", process, area, page);
  }

  std::string compare_counts(const std::map<Identity, std::uint64_t>& entries) {
    for (const auto& [id, count] : entries) {
      const auto kernel = kernel_.map_count(frames_.at(id));
      const std::uint64_t wanted = id.first == sim::kZeroFrame ? 0 : count;
      if (kernel && *kernel == wanted) continue;
      return fmt::format("{}: {} entries name it, the kernel counts {}", sim::frame_name(id.first),
                         wanted, kernel ? std::to_string(*kernel) : "nothing");
    }
    return {};
  }

  const OracleOptions& options_;
  sim::Machine machine_;
  oracle::Processes& kernel_;
  std::map<Identity, std::uint64_t> frames_;
  std::map<std::string, std::uint64_t> pages_;  // the kernel's frames after the last step, by page
  bool target_was_dirty_ = false;               // of the access under way
  Adopted adopted_;
  std::uint64_t steps_ = 0;
};

struct Verdict {
  std::string difference;  // empty: all agree
  std::uint64_t steps = 0;
  Adopted adopted;
};

Result<Verdict> compare(const OracleOptions& options, const sim::MachineSettings& settings,
                        const std::vector<sim::Operation>& operations) {
  COWFS_ASSIGN(const auto kernel, oracle::Processes::start(options.disk));
  Comparison comparison(options, settings, *kernel);
  Verdict verdict;
  for (const sim::Operation& op : operations) {
    COWFS_ASSIGN(const std::string difference, comparison.step(op));
    if (difference.empty()) continue;
    verdict.difference = fmt::format("'{}': {}", sim::to_text(op), difference);
    break;
  }
  verdict.steps = comparison.steps();
  verdict.adopted = comparison.adopted();
  return verdict;
}

/// Whether /proc tells frame numbers; without CAP_SYS_ADMIN it says 0.
bool frames_are_visible() {
  const auto kernel = oracle::Processes::start("");
  if (!kernel) return false;
  sim::Machine machine(sim::settings_of(sim::Profile::kLinux));
  const auto trace = sim::parse_trace("proc p ; p map A anon private 1 ; p write A.0 'x'");
  for (const sim::Statement& statement : trace->statements) {
    if (!(*kernel)->perform(*statement.operation, machine)) return false;
    (void)machine.apply(*statement.operation);
  }
  const sim::Area& area = machine.space_of("p")->areas.front();
  const auto pages = (*kernel)->pages("p", area);
  return pages[0].present && pages[0].frame != 0 && (*kernel)->map_count(pages[0].frame) == 1;
}

/// One processor: the caches of others may hold a reference on a page, so that it is copied where
/// it could be re-used.
void bind_to_one_processor() {
  cpu_set_t allowed;
  if (::sched_getaffinity(0, sizeof allowed, &allowed) != 0) return;
  for (int i = 0; i < CPU_SETSIZE; ++i) {
    if (!CPU_ISSET(i, &allowed)) continue;
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(i, &one);
    (void)::sched_setaffinity(0, sizeof one, &one);
    return;
  }
}

void report_failure(const OracleOptions& options, std::uint64_t seed, const std::string& difference,
                    const sim::MachineSettings& settings, std::vector<sim::Operation> operations) {
  int tries = 200;  // each starts processes
  operations = sim::shrink(std::move(operations), [&](const std::vector<sim::Operation>& fewer) {
    if (tries-- <= 0) return false;
    const auto verdict = compare(options, settings, fewer);
    return verdict && !verdict->difference.empty();
  });
  const auto small = compare(options, settings, operations);
  print_failing_trace(seed, small && !small->difference.empty() ? small->difference : difference,
                      settings, operations);
}

ExitCode compare_file(const OracleOptions& options) {
  const auto text = read_text(options.file);
  const auto trace = text ? sim::parse_trace(*text) : fail(text.error());
  if (!trace) {
    print_error(kCowsim, options.file + ": " + trace.error().text);
    return ExitCode::kFailed;
  }
  const auto verdict = compare(options, trace->settings, sim::operations_of(*trace));
  if (!verdict) {
    print_error(kCowsim, verdict.error().text);
    return ExitCode::kFailed;
  }
  fmt::print("{}: {} steps, {}\n", options.file, verdict->steps,
             verdict->difference.empty() ? "all agree" : "not the same: " + verdict->difference);
  return finish_output(kCowsim, verdict->difference.empty() ? ExitCode::kOk : ExitCode::kFailed);
}

ExitCode compare_seeds(const OracleOptions& options) {
  std::uint64_t steps = 0;
  std::uint64_t failed = 0;
  Adopted adopted;
  const sim::Profile profile =
      options.profile == "linux" ? sim::Profile::kLinux : sim::Profile::kTextbook;
  for (std::uint64_t seed = options.seeds.first; seed <= options.seeds.last; ++seed) {
    const sim::TraceWish wish = sim::kernel_wish(profile, !options.disk.empty() && seed % 2 == 0);
    const auto operations = sim::generate(wish, seed);
    const auto verdict = compare(options, wish.settings, operations);
    if (!verdict) {
      print_error(kCowsim, fmt::format("seed {}: {}", seed, verdict.error().text));
      return ExitCode::kFailed;
    }
    steps += verdict->steps;
    adopted.left_out += verdict->adopted.left_out;
    adopted.copied += verdict->adopted.copied;
    adopted.written_back += verdict->adopted.written_back;
    if (verdict->difference.empty()) continue;
    if (failed > 0) print_error(kCowsim, fmt::format("seed {}: {}", seed, verdict->difference));
    if (failed++ == 0)
      report_failure(options, seed, verdict->difference, wish.settings, operations);
  }
  fmt::print(
      "{} seeds, {} steps, {} seeds differ; adopted: {} pages left out around a fault, {} copies "
      "for re-use, {} after "
      "write-back\n",
      options.seeds.last - options.seeds.first + 1, steps, failed, adopted.left_out, adopted.copied,
      adopted.written_back);
  const bool too_many = adopted.total() * 100 > steps;
  if (too_many)
    print_error(kCowsim,
                "more than 1 step in 100 was the kernel's own choice: this compares nothing");
  return finish_output(kCowsim, failed == 0 && !too_many ? ExitCode::kOk : ExitCode::kFailed);
}

}  // namespace

ExitCode run_oracle(const OracleOptions& given) {
  OracleOptions options = given;
  if (options.profile == "textbook") options.values_only = true;
  ::prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
  if (!options.unpinned) bind_to_one_processor();
  if (::sysconf(_SC_PAGESIZE) != 4096) {
    print_error(kCowsim, "the pages of this machine are not of 4096 bytes");
    return ExitCode::kNotHere;
  }
  if (!options.values_only && !frames_are_visible()) {
    print_error(
        kCowsim,
        "this kernel does not tell which frames pages are in (it tells root): try --values-only");
    return ExitCode::kNotHere;
  }
  return options.file.empty() ? compare_seeds(options) : compare_file(options);
}

}  // namespace cowfs
