// One line on a terminal while it works: a bar where the whole is known, bytes, files, rate, time
// left.
//
// Two threads: one draws, four times a second from the first second on; one counts what there is to
// copy, so that there is a whole to compare with. No library of Debian's draws such a line in C++
// (docs/dependencies.md).
#pragma once

#include <atomic>
#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include "lib/base/mutex.h"
#include "tools/cowcp/options.h"
#include "tools/cowcp/report.h"

namespace cowfs {

/// What the line says.
struct ProgressState {
  std::uint64_t bytes = 0;
  std::uint64_t files = 0;
  std::uint64_t whole_bytes = 0;
  std::uint64_t whole_files = 0;
  bool whole_known = false;
  double seconds = 0;
};

/// The line, at most `width` characters. `color`: the bar is coloured.
std::string progress_line(const ProgressState& state, std::size_t width, bool color);

class Progress {
 public:
  Progress(const CopyOptions& options, Report& report, std::vector<std::string> sources);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

 private:
  void draw(const std::stop_token& stop);
  void draw_once(double seconds);
  void count(const std::stop_token& stop, const std::vector<std::string>& sources);

  Report& report_;
  const bool recursive_;
  bool color_ = false;
  std::atomic<std::uint64_t> whole_bytes_ = 0;
  std::atomic<std::uint64_t> whole_files_ = 0;
  std::atomic<bool> whole_known_ = false;
  Mutex mutex_;
  std::condition_variable_any wake_;
  std::jthread counting_;
  std::jthread drawing_;
};

}  // namespace cowfs
