#include "lib/sim/counters.h"

#include <array>

namespace cowfs::sim {

std::span<const CounterField> counter_fields() {
  static constexpr std::array<CounterField, 20> fields{{
      {"missing", &Counters::missing_faults},
      {"protection", &Counters::protection_faults},
      {"major", &Counters::major_faults},
      {"minor", &Counters::minor_faults},
      {"violations", &Counters::violations},
      {"copies", &Counters::copies},
      {"fork-copies", &Counters::fork_copies},
      {"wasted-copies", &Counters::wasted_copies},
      {"zerofills", &Counters::zero_fills},
      {"reuses", &Counters::reuses},
      {"fork-ptes", &Counters::fork_entries},
      {"swapin", &Counters::swap_in},
      {"swapout", &Counters::swap_out},
      {"filein", &Counters::file_in},
      {"fileout", &Counters::file_out},
      {"syscalls", &Counters::syscalls},
      {"attempts", &Counters::attempts},
      {"vfork-warnings", &Counters::vfork_warnings},
      {"race-warnings", &Counters::race_warnings},
      {"ns", &Counters::nanoseconds},
  }};
  return fields;
}

}  // namespace cowfs::sim
