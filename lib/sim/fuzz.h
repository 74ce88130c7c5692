// Random traces through a watched machine; what fails is made small.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "lib/sim/checker.h"
#include "lib/sim/generator.h"

namespace cowfs::sim {

/// What one list of operations breaks; nothing when all is well.
std::optional<Violation> check_operations(const MachineSettings& settings,
                                          const std::vector<Operation>& operations);

using StillFails = std::function<bool(const std::vector<Operation>&)>;

/// Takes operations out while the rest still fails: the result fails, and no single one can be
/// missed.
std::vector<Operation> shrink(std::vector<Operation> operations, const StillFails& still_fails);

struct Failure {
  std::uint64_t seed = 0;
  Violation violation;
  MachineSettings settings;
  std::vector<Operation> operations;  // shrunk
};

/// One seed, with a planted mistake or none.
std::optional<Failure> fuzz_seed(std::uint64_t seed, SeededBug bug);

}  // namespace cowfs::sim
