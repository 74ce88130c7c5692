#include "tools/fsck.cowfs/progress.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "tools/common/print_text.h"
#include "tools/common/text.h"

namespace cowfs {
namespace {

constexpr std::size_t kBarColumns = 40;
constexpr std::chrono::milliseconds kBetween{100};

}  // namespace

FsckProgress::FsckProgress(std::optional<int> fd)
    : fd_(fd), bar_(fd == 0 && ::isatty(STDOUT_FILENO) == 1) {}

FsckProgress::~FsckProgress() { clear(); }

void FsckProgress::tell(std::string_view stage, std::uint64_t done, std::uint64_t total) {
  if (!fd_ || (fd_ == 0 && !bar_)) return;
  const auto now = std::chrono::steady_clock::now();
  const bool ended = total > 0 && done == total;
  if (stage == stage_ && !ended && now - last_ < kBetween) return;
  last_ = now;
  stage_ = stage;
  if (bar_) return draw(stage, done, total);
  // Whoever reads may go away: that is no reason to end a repair.
  const std::string line = fmt::format("{} {} {}\n", escape_word(stage), done, total);
  [[maybe_unused]] const auto written = ::write(*fd_, line.data(), line.size());
}

void FsckProgress::draw(std::string_view stage, std::uint64_t done, std::uint64_t total) {
  clear();
  std::string line = escape_controls(stage) + " ";
  if (total > 0) {
    const std::uint64_t part = std::min(done, total);
    const auto columns = static_cast<std::size_t>(kBarColumns * part / total);
    line +=
        fmt::format("|{:<{}}| {:3}%", std::string(columns, '='), kBarColumns, 100 * part / total);
  }
  print_text("{}", line);
  drawn_ = line.size();
  std::fflush(stdout);
}

void FsckProgress::clear() {
  if (drawn_ == 0) return;
  print_text("\r{}\r", std::string(drawn_, ' '));
  drawn_ = 0;
  std::fflush(stdout);
}

}  // namespace cowfs
