// Threads that a program can do without.
#pragma once

#include <optional>
#include <system_error>
#include <thread>
#include <utility>

namespace cowfs {

/// Runs `work` (with a std::stop_token, where it takes one) in a thread of its own. Nothing where
/// the system gives no more (EAGAIN: a limit of processes, or of memory).
template <typename Work>
std::optional<std::jthread> try_thread(Work&& work) {
  try {
    return std::jthread(std::forward<Work>(work));
  } catch (const std::system_error&) {
    return std::nullopt;
  }
}

}  // namespace cowfs
