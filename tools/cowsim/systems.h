// One trace on a simulator and on the systems that must agree with it: processes of this kernel,
// files of a mounted cowfs, or both at once.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "lib/base/error.h"
#include "lib/sim/operation.h"
#include "lib/sim/settings.h"
#include "tools/cowsim/commands.h"
#include "tools/cowsim/oracle_comparison.h"

namespace cowfs {

/// nullptr: not compared with these.
struct Systems {
  const OracleOptions* kernel = nullptr;
  const FileOptions* files = nullptr;
};

struct Verdict {
  std::string difference;  // empty: all agree
  std::uint64_t steps = 0;
  std::uint64_t replays = 0;  // of the journal, after a kill
  std::uint64_t unsettled =
      0;  // whether its choices repeat themselves: the machine was never quiet
  Adopted adopted;
  std::set<std::string> choices;   // where
  void add(const Verdict& other);  // the counts
};

/// "adopted: ..."
std::string describe_choices(const Verdict& verdict);

/// Runs the trace again where the kernel made choices that it may not make every time. An Error:
/// the comparison could not be made.
Result<Verdict> compare_systems(const Systems& systems, const sim::MachineSettings& settings,
                                const std::vector<sim::Operation>& operations);

/// Operations that differ, as few as at most so many runs find.
std::vector<sim::Operation> shrink_difference(const Systems& systems,
                                              const sim::MachineSettings& settings,
                                              std::vector<sim::Operation> operations, int tries);

/// The operations of a trace as the kernel does them: a file that was just made is in memory.
std::vector<sim::Operation> operations_on_kernel(const sim::Trace& trace);

/// The same of a trace of a user's, for compare_file(): what differs; empty: all agree.
Result<std::string> compare_trace(const Systems& systems, const sim::Trace& trace);

}  // namespace cowfs
