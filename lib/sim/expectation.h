// `expect` lines: reading them. What they mean is unmet() of lib/sim/trace.h.
#pragma once

#include "lib/sim/machine.h"
#include "lib/sim/token.h"
#include "lib/sim/trace.h"

namespace cowfs::sim {

/// The words after `expect`.
Expectation read_expectation(TokenReader& in);

/// "none", "zero", "ro", "rw", "cow" (read-only although its private area allows writing) or
/// "swap".
std::string entry_kind(const Machine& machine, const PlaceInMemory& place);

/// Where the page would come from, or go to: "zero", "anon" (memory alone), "swap", "file", "none"
/// (no such page).
std::string backing_kind(const Machine& machine, const PlaceInMemory& place);

}  // namespace cowfs::sim
