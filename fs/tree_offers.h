// Directories that callers have offered to be copied, by token (lib/api/ioctl.h, OfferTree).
//
//  1. A token is good once, for the user who got it, until its time is over.
//  2. Who presents a token of somebody else takes nothing away from its owner.
//  3. At most kMost are out.
//
// Not thread-safe. Time is the caller's, so that tests need not wait.
#pragma once

#include <sys/types.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <map>

#include "lib/base/error.h"

namespace cowfs {

class TreeOffers {
 public:
  using Token = std::array<std::uint8_t, 16>;
  using Time = std::chrono::steady_clock::time_point;

  static constexpr std::chrono::seconds kLifetime{30};
  static constexpr std::size_t kMost = 1024;

  /// kBusy: too many are out.
  Result<void> add(const Token& token, std::uint64_t node, uid_t uid, Time now);
  /// The directory's node. kAccessDenied: the token is not good.
  Result<std::uint64_t> take(const Token& token, uid_t uid, Time now);
  void clear() { offers_.clear(); }

 private:
  struct Offer {
    std::uint64_t node = 0;
    uid_t uid = 0;
    Time until;
  };

  std::map<Token, Offer> offers_;
};

}  // namespace cowfs
