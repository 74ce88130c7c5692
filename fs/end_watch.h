// Waits for SIGTERM, SIGINT and SIGHUP on a thread of its own, where taking the mount away is
// allowed.
//
// The signals must be blocked in every thread: block_end_signals() comes before any is made.
#pragma once

#include <functional>
#include <thread>

#include "lib/base/error.h"
#include "lib/base/unique_fd.h"

namespace cowfs {

/// Also ignores SIGPIPE.
void block_end_signals();

class EndWatch {
 public:
  /// Calls `on_signal` on the watching thread for each signal.
  static Result<EndWatch> begin(std::function<void(int signal)> on_signal);
  EndWatch(EndWatch&&) = default;
  EndWatch& operator=(EndWatch&&) = delete;
  EndWatch(const EndWatch&) = delete;
  EndWatch& operator=(const EndWatch&) = delete;
  /// Waits for a call under way.
  ~EndWatch();

 private:
  EndWatch(UniqueFd signals, UniqueFd stop, std::function<void(int)> on_signal);

  UniqueFd stop_;
  std::jthread thread_;
};

}  // namespace cowfs
