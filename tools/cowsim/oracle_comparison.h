// A simulator against real processes, step by step: values, outcomes, faults of each access, and
// which pages share a frame.
//
// Where the kernel is free to choose (it leaves out a page around a fault, it copies a page that it
// could re-use, it writes a page back) the simulator takes its choice over. On one processor it has
// no reason of its own to choose otherwise, only what others do at that moment (another thread of
// the kernel holds the page's lock or a reference); so there a choice that it makes whenever the
// trace is run is none, but a difference.
#pragma once

#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "lib/base/error.h"
#include "lib/sim/machine.h"
#include "tools/cowsim/commands.h"
#include "tools/cowsim/oracle_processes.h"

namespace cowfs {

enum class Strictness : std::uint8_t {
  kAlways,
  kWhereRepeated,  // a choice that every run of the trace on a quiet machine meets is none
  kNever,
};
Strictness strictness_of(const OracleOptions& options);

/// Where the kernel chose, and its choice was taken over.
struct Adopted {
  std::uint64_t left_out = 0;      // a page around a fault that was not mapped
  std::uint64_t beyond_end = 0;    // the same, where the fault was beyond the end of the file
  std::uint64_t copied = 0;        // a page that could have been re-used
  std::uint64_t written_back = 0;  // a page that had been written back, so that a write faulted
  std::uint64_t total() const { return left_out + beyond_end + copied + written_back; }
  void add(const Adopted& other);
};
std::string to_text(const Adopted& adopted);

class KernelComparison {
 public:
  /// The machine is the caller's, who applies each operation to it between begin() and follow().
  KernelComparison(const OracleOptions& options, sim::Machine& machine, oracle::Processes& kernel)
      : options_(options), machine_(machine), kernel_(kernel) {}

  /// Lets the processes do what the machine is about to do. An Error: they could not be asked.
  Result<void> begin(const sim::Operation& op);
  /// What differs now that the machine has done it; empty: all agree.
  std::string follow(const sim::Operation& op, const sim::StepResult& result);
  /// All bytes of all pages that the processes have mapped.
  std::string compare_bytes();
  const Adopted& adopted() const { return adopted_; }
  /// Each choice that was taken over, with its step.
  const std::set<std::string>& choices() const { return choices_; }

 private:
  /// A frame of the simulator as long as it holds one page: its number and when it was taken.
  using Identity = std::pair<sim::FrameId, std::uint64_t>;

  struct Look {  // at all pages after a step
    std::map<Identity, std::uint64_t> frames;
    std::map<std::uint64_t, Identity> owners;
    std::map<Identity, std::uint64_t> entries;
    std::map<std::string, std::uint64_t> pages;
  };

  std::uint64_t faults() const;
  bool is_mapped(const std::string& process, const std::string& area, std::uint32_t page) const;
  bool is_dirty(const sim::Operation& op) const;
  bool may_be_written_back(const sim::Operation& op) const;
  std::string compare_faults(const sim::Operation& op, std::uint64_t kernel,
                             std::uint64_t simulated);
  Identity identity(sim::FrameId frame) const;
  std::string compare_frames(const sim::Operation& op, const sim::StepResult& result);
  std::string compare_sharing(const sim::PlaceInMemory& place, const oracle::PageState& seen,
                              Look& look) const;
  std::string compare_page(const sim::Operation& op, const sim::StepResult& result,
                           const sim::PlaceInMemory& place, const oracle::PageState& seen);
  std::string compare_counts(const std::map<Identity, std::uint64_t>& entries);
  bool same_space(const std::string& one, const std::string& other) const;
  bool may_choose() const { return strictness_of(options_) != Strictness::kAlways; }
  void adopt(std::uint64_t Adopted::* what, const sim::PlaceInMemory& place);

  const OracleOptions& options_;
  sim::Machine& machine_;
  oracle::Processes& kernel_;
  oracle::Observation seen_;         // of the operation under way
  std::uint64_t faults_before_ = 0;  // it
  bool target_was_dirty_ = false;
  std::map<Identity, std::uint64_t> frames_;    // the kernel's after the last step
  std::map<std::string, std::uint64_t> pages_;  // the same, by page
  Adopted adopted_;
  std::set<std::string> choices_;
  std::uint64_t step_ = 0;
};

}  // namespace cowfs
