// cowsim fs: random traces on files of a mounted cowfs, and on real processes as well where asked.
#include <fmt/format.h>

#include "lib/sim/generator.h"
#include "lib/sim/session.h"
#include "tools/common/message.h"
#include "tools/common/print_text.h"
#include "tools/cowsim/commands.h"
#include "tools/cowsim/oracle.h"
#include "tools/cowsim/systems.h"

namespace cowfs {
namespace {

sim::TraceWish wish_of(const FileOptions& options) {
  sim::TraceWish wish = sim::common_wish(!options.remount.empty() || !options.kill.empty());
  if (options.three_way) {
    // Of what all three can do the profiles differ in entries alone, not in frames.
    const sim::TraceWish kernel = sim::kernel_wish(sim::Profile::kLinux, false);
    wish.settings = kernel.settings;
  }
  wish.settings.page_size = kPage;
  return wish;
}

ExitCode report(const Systems& systems, std::uint64_t seed, const std::string& difference,
                const sim::MachineSettings& settings, std::vector<sim::Operation> operations) {
  constexpr int kTries = 60;  // each may wait for the daemon
  operations = shrink_difference(systems, settings, std::move(operations), kTries);
  print_failing_trace(seed, difference, settings, operations);
  return finish_output(kCowsim, ExitCode::kFailed);
}

ExitCode compare_file_seeds(const FileOptions& options, const Systems& systems) {
  const sim::TraceWish wish = wish_of(options);
  Verdict all;
  for (std::uint64_t seed = options.seeds.first; seed <= options.seeds.last; ++seed) {
    const auto operations = sim::generate(wish, seed);
    const auto verdict = compare_systems(systems, wish.settings, operations);
    if (!verdict)
      return cannot(
          Error{verdict.error().code, fmt::format("seed {}: {}", seed, verdict.error().text)});
    if (!verdict->difference.empty())
      return report(systems, seed, verdict->difference, wish.settings, operations);
    all.add(*verdict);
  }
  print_text("{} seeds, {} steps, all agree", options.seeds.last - options.seeds.first + 1,
             all.steps);
  if (!options.kill.empty()) print_text("; {} kills before a checkpoint", all.replays);
  if (systems.kernel != nullptr) print_text("; {}", describe_choices(all));
  print_text("\n");
  const bool bad = systems.kernel != nullptr && too_many_adopted(all.adopted, all.steps);
  return finish_output(kCowsim, bad ? ExitCode::kFailed : ExitCode::kOk);
}

}  // namespace

ExitCode run_files(const FileOptions& options, const OracleOptions& kernel) {
  OracleOptions processes = kernel;
  Systems systems{nullptr, &options};
  if (options.three_way) {
    if (const auto ready = prepare_oracle(processes); !ready) return cannot(ready.error());
    systems.kernel = &processes;
  }
  const auto say = [&] {
    if (options.three_way) print_text("compared with processes: {}\n", describe(processes));
  };
  if (options.file.empty()) {
    say();
    return compare_file_seeds(options, systems);
  }
  return compare_file(options.file, [&](const sim::Trace& trace) {
    limit_to_values(processes, trace);
    say();
    return compare_trace(systems, trace);
  });
}

}  // namespace cowfs
