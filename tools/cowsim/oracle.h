// What a comparison with real processes needs before it starts, and what it says at its end.
#pragma once

#include <string>

#include "lib/base/error.h"
#include "tools/cowsim/commands.h"
#include "tools/cowsim/oracle_comparison.h"

namespace cowfs {

/// Huge pages off, one processor unless `unpinned`; `values_only` where this kernel does not tell
/// which frames pages are in (it tells root). kNotSupported: there is nothing to compare here.
Result<void> prepare_oracle(OracleOptions& options);

/// `values_only` for a trace of the textbook profile, where Linux would do something else.
void limit_to_values(OracleOptions& options, const sim::Trace& trace);

/// "values, outcomes, faults and frames; strict".
std::string describe(const OracleOptions& options);

/// Whether so much was the kernel's own choice that nothing was compared; says so.
bool too_many_adopted(const Adopted& adopted, std::uint64_t steps);

}  // namespace cowfs
