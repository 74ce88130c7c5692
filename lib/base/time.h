// A point in time as the filesystem keeps it: signed seconds since 1970 UTC and nanoseconds.
#pragma once

#include <compare>
#include <cstdint>
#include <ctime>

namespace cowfs {

struct Timestamp {
  std::int64_t seconds = 0;
  std::uint32_t nanoseconds = 0;  // 0..999,999,999

  friend auto operator<=>(const Timestamp&, const Timestamp&) = default;
};

/// The host's clock now (CLOCK_REALTIME).
inline Timestamp now() {
  timespec t{};
  ::clock_gettime(CLOCK_REALTIME, &t);
  return Timestamp{t.tv_sec, static_cast<std::uint32_t>(t.tv_nsec)};
}

}  // namespace cowfs
