// cowsim oracle: random traces on real processes of this kernel.
#include "tools/cowsim/oracle.h"

#include <fmt/format.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <memory>

#include "lib/sim/generator.h"
#include "lib/sim/runner.h"
#include "lib/sim/session.h"
#include "tools/common/message.h"
#include "tools/common/print_text.h"
#include "tools/cowsim/oracle_comparison.h"
#include "tools/cowsim/systems.h"

namespace cowfs {
namespace {

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
  constexpr int kTries = 200;  // each starts processes
  operations = shrink_difference({&options}, settings, std::move(operations), kTries);
  const auto small = compare_systems({&options}, settings, operations);
  print_failing_trace(seed, small && !small->difference.empty() ? small->difference : difference,
                      settings, operations);
}

ExitCode compare_seeds(const OracleOptions& options) {
  Verdict all;
  std::uint64_t failed = 0;
  const sim::Profile profile =
      options.profile == "linux" ? sim::Profile::kLinux : sim::Profile::kTextbook;
  for (std::uint64_t seed = options.seeds.first; seed <= options.seeds.last; ++seed) {
    sim::TraceWish wish = sim::kernel_wish(profile, !options.disk.empty() && seed % 2 == 0);
    wish.settings.bug = options.bug;
    const auto operations = sim::generate(wish, seed);
    const auto verdict = compare_systems({&options}, wish.settings, operations);
    if (!verdict) {
      print_error(kCowsim, fmt::format("seed {}: {}", seed, verdict.error().text));
      return ExitCode::kFailed;
    }
    all.add(*verdict);
    if (verdict->difference.empty()) continue;
    if (failed > 0) print_error(kCowsim, fmt::format("seed {}: {}", seed, verdict->difference));
    if (failed++ == 0)
      report_failure(options, seed, verdict->difference, wish.settings, operations);
  }
  print_text("{} seeds, {} steps, {} seeds differ; {}\n",
             options.seeds.last - options.seeds.first + 1, all.steps, failed,
             describe_choices(all));
  const bool too_many = too_many_adopted(all.adopted, all.steps);
  return finish_output(kCowsim, failed == 0 && !too_many ? ExitCode::kOk : ExitCode::kFailed);
}

}  // namespace

Result<void> prepare_oracle(OracleOptions& options) {
  if (::sysconf(_SC_PAGESIZE) != static_cast<long>(kPage))
    return fail(ErrorCode::kNotSupported, "the pages of this machine are not of 4096 bytes");
  ::prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
  if (!options.unpinned) bind_to_one_processor();
  if (options.profile == "textbook") options.values_only = true;
  if (!options.values_only && !frames_are_visible()) {
    options.values_only = true;
    options.why_values_only = "this kernel tells frames to root alone";
  }
  return {};
}

void limit_to_values(OracleOptions& options, const sim::Trace& trace) {
  if (options.values_only || trace.settings.profile == sim::Profile::kLinux) return;
  if (sim::profiles_agree(trace.settings, operations_on_kernel(trace))) return;
  options.values_only = true;
  options.why_values_only =
      "the textbook's rules and Linux's differ in this trace, whose first line could be 'machine "
      "profile=linux'";
}

std::string describe(const OracleOptions& options) {
  if (options.values_only) {
    return "values and outcomes only" +
           (options.why_values_only.empty() ? "" : ": " + options.why_values_only);
  }
  std::string out = "values, outcomes, faults and frames; ";
  switch (strictness_of(options)) {
    case Strictness::kAlways: return out + "strict at once";
    case Strictness::kWhereRepeated: return out + "strict";
    case Strictness::kNever: return out + "tolerant";
  }
  return out;
}

bool too_many_adopted(const Adopted& adopted, std::uint64_t steps) {
  if (adopted.total() * 100 <= steps) return false;
  print_error(kCowsim,
              "more than 1 step in 100 was the kernel's own choice: this compares nothing");
  return true;
}

ExitCode run_oracle(const OracleOptions& given) {
  OracleOptions options = given;
  if (const auto ready = prepare_oracle(options); !ready) return cannot(ready.error());
  if (options.file.empty()) {
    print_text("compared: {}\n", describe(options));
    return compare_seeds(options);
  }
  return compare_file(options.file, [&](sim::Trace trace) {
    trace.settings.bug = options.bug;
    limit_to_values(options, trace);
    print_text("compared: {}\n", describe(options));
    return compare_trace({&options}, trace);
  });
}

}  // namespace cowfs
