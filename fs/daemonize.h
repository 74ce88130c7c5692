// Becoming a daemon only when the mount is ready.
//
//   caller's process ── fork ──> the daemon-to-be: opens, mounts, says errors on the terminal
//        │ waits                       │
//        │<──────── "ready" ───────────┤ the first request of the kernel came
//     exit 0                           │ stdin, stdout, stderr go to /dev/null; own session,
//     directory /
//        │<──────── its end ───────────┘ before that: the caller ends with the same exit code
#pragma once

#include "lib/base/error.h"
#include "lib/base/unique_fd.h"

namespace cowfs {

class Launch {
 public:
  /// Nothing is forked; ready() does nothing.
  static Launch in_foreground() { return Launch(UniqueFd()); }

  /// Forks: returns in the child alone, the parent waits and exits. Before any other thread exists.
  static Result<Launch> in_background();

  bool is_background() const { return in_background_; }

  /// Lets the waiting parent go and leaves the terminal. Called once.
  void ready();

 private:
  explicit Launch(UniqueFd parent) : in_background_(bool(parent)), parent_(std::move(parent)) {}

  bool in_background_;
  UniqueFd parent_;
};

}  // namespace cowfs
