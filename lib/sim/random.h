// Numbers that look random and are the same for a seed everywhere (SplitMix64; Steele, Lea, Flood,
// OOPSLA 2014).
#pragma once

#include <cstddef>
#include <cstdint>

namespace cowfs::sim {

class Random {
 public:
  /// The seed is mixed: a state that is linear in it would give neighbouring seeds the same numbers,
  /// one step apart.
  explicit Random(std::uint64_t seed) : state_(mixed(seed + 0x1234567U)) {}

  std::uint64_t next() {
    state_ += 0x9e3779b97f4a7c15U;
    return mixed(state_);
  }

  /// 0 to limit - 1.
  std::uint32_t below(std::size_t limit) { return static_cast<std::uint32_t>(next() % limit); }
  bool one_in(std::uint32_t chances) { return below(chances) == 0; }

 private:
  static std::uint64_t mixed(std::uint64_t z) {
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
    return z ^ (z >> 31);
  }

  std::uint64_t state_;
};

}  // namespace cowfs::sim
