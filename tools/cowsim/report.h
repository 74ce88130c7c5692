// What `cowsim run` and its like print: steps, tables, JSON, and a page that steps through a trace.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <utility>
#include <vector>

#include "lib/sim/machine.h"
#include "lib/sim/runner.h"

namespace cowfs {

/// One step that was run, as it is to be shown.
struct ShownStep {
  std::uint32_t line = 0;
  std::string operation;
  sim::StepResult result;
  std::string picture;  // SVG
};

/// "  3  p1 fork p2   ok   share 3, w=0 3": the same for the same trace, for diff.
std::string step_line(const sim::Statement& statement, const sim::StepResult& result);

/// The words of a step: what faulted, why, what was copied.
std::string step_in_words(const sim::Statement& statement, const sim::StepResult& result);

/// Which page is in which frame with which rights; who maps each frame; what was counted.
std::string machine_tables(const sim::Machine& machine);

nlohmann::ordered_json step_as_json(const sim::Statement& statement, const sim::StepResult& result,
                                    const sim::Machine& machine);

/// A page of its own that shows one step after another.
std::string html_page(const std::string& title, const std::vector<ShownStep>& steps);

}  // namespace cowfs
