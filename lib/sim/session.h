// A machine that is watched: every operation also goes to the reference model, and all is compared
// after it.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "lib/sim/checker.h"
#include "lib/sim/machine.h"
#include "lib/sim/reference_model.h"

namespace cowfs::sim {

/// Everything that can be counted, by its name in the trace language: the counters, and "free",
/// "used", "peak" frames, "slots" and "slots-peak" of swap, page "tables", live "threads", live
/// "processes".
std::vector<std::pair<std::string_view, std::uint64_t>> gauges(const Machine& machine);
std::optional<std::uint64_t> gauge(const Machine& machine, std::string_view name);
bool is_gauge(std::string_view name);

/// An operation that names several pages as operations on one page each; any other as it is. An
/// access to a whole area is one to each of its pages.
std::vector<Operation> single_pages(const Operation& operation, const Machine& machine);
/// The same, and a write of several bytes as writes of one each: for those who can do no more at
/// once. What follows a part that did not end with kOk is not to be done.
std::vector<Operation> single_accesses(const Operation& operation, const Machine& machine);

/// Whether a frame had to be replaced, or there was none.
bool ran_out_of_frames(const StepResult& result);

/// Whether the profile makes no difference to the operations: both have the same faults, copies and
/// mapped pages after each.
bool profiles_agree(const MachineSettings& settings, const std::vector<Operation>& operations);

class Session {
 public:
  explicit Session(const MachineSettings& settings);

  /// Applies one operation, page by page where it names several, and checks I1 to I9.
  std::optional<Violation> apply(const Operation& operation);

  /// Ends all processes and checks I10. The session is over.
  std::optional<Violation> finish();

  const Machine& machine() const { return machine_; }
  Machine& machine() { return machine_; }
  const ReferenceModel& reference() const { return reference_; }
  const StepResult& last() const { return last_; }
  /// How far a gauge moved in the last operation.
  std::int64_t moved(std::string_view name) const;

 private:
  std::optional<Violation> apply_one(const Operation& operation);
  std::optional<Violation> compare() const;

  Machine machine_;
  ReferenceModel reference_;
  StepResult last_;
  std::vector<std::pair<std::string_view, std::uint64_t>> before_;
};

}  // namespace cowfs::sim
