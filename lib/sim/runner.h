// Runs a trace, and tells where what happened is not what the trace expects.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "lib/sim/session.h"
#include "lib/sim/trace.h"

namespace cowfs::sim {

struct TraceFailure {
  std::uint32_t line = 0;
  std::uint32_t column = 0;
  std::string text;
};

using AfterStatement = std::function<void(const Statement&, const Session&)>;

/// Calls `after` (when there is one) after every operation. A broken invariant ends the run; an
/// operation that fails without an `expect outcome` next to it is a failure too, unless the trace
/// is lenient.
std::vector<TraceFailure> run_trace(const Trace& trace, const AfterStatement& after = {});

/// All operations of a trace.
std::vector<Operation> operations_of(const Trace& trace);

}  // namespace cowfs::sim
