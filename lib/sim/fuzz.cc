#include "lib/sim/fuzz.h"

#include <algorithm>

#include "lib/sim/session.h"

namespace cowfs::sim {

std::optional<Violation> check_operations(const MachineSettings& settings,
                                          const std::vector<Operation>& operations) {
  Session session(settings);
  for (const Operation& operation : operations) {
    if (auto violation = session.apply(operation)) return violation;
  }
  return session.finish();
}

// Delta debugging (Zeller, Hildebrandt, IEEE TSE 2002), from large pieces to single operations.
std::vector<Operation> shrink(std::vector<Operation> operations, const StillFails& still_fails) {
  for (std::size_t piece = std::max<std::size_t>(operations.size() / 2, 1);;) {
    bool smaller = false;
    for (std::size_t at = 0; at < operations.size();) {
      std::vector<Operation> without = operations;
      const auto first = without.begin() + static_cast<std::ptrdiff_t>(at);
      without.erase(first,
                    first + static_cast<std::ptrdiff_t>(std::min(piece, without.size() - at)));
      if (still_fails(without)) {
        operations = std::move(without);
        smaller = true;
      } else {
        at += piece;
      }
    }
    if (piece == 1 && !smaller) return operations;
    if (!smaller || piece > operations.size()) piece = std::max<std::size_t>(piece / 2, 1);
  }
}

std::optional<Failure> fuzz_seed(std::uint64_t seed, SeededBug bug) {
  TraceWish wish = fuzz_wish(seed);
  wish.settings.bug = bug;
  std::vector<Operation> operations = generate(wish, seed);
  const auto violation = check_operations(wish.settings, operations);
  if (!violation) return std::nullopt;
  operations = shrink(std::move(operations), [&](const std::vector<Operation>& fewer) {
    const auto now = check_operations(wish.settings, fewer);
    return now && now->invariant == violation->invariant;
  });
  // The text of the small trace, not of the first.
  const auto small = check_operations(wish.settings, operations);
  return Failure{seed, small.value_or(*violation), wish.settings, std::move(operations)};
}

}  // namespace cowfs::sim
