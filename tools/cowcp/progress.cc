#include "tools/cowcp/progress.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "lib/base/thread.h"
#include "tools/common/print_text.h"
#include "tools/cowcp/units.h"
#include "tools/cowcp/user_files.h"

namespace cowfs {
namespace {

constexpr std::chrono::milliseconds kQuiet{1000};  // nothing is drawn for what takes no longer
constexpr std::chrono::milliseconds kInterval{250};
constexpr std::size_t kBarWidth = 24;

std::size_t terminal_width() {
  winsize size{};
  if (::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return 80;
  return size.ws_col;
}

/// How much is done: by bytes, or by files where these have none.
double share_done(const ProgressState& state) {
  const bool by_bytes = state.whole_bytes > 0;
  const auto done = static_cast<double>(by_bytes ? state.bytes : state.files);
  const auto whole = static_cast<double>(by_bytes ? state.whole_bytes : state.whole_files);
  return whole > 0 ? std::min(done / whole, 1.0) : 0;
}

std::string bar(double share, bool color) {
  const auto full = static_cast<std::size_t>(share * kBarWidth);
  const std::string done(full, '#');
  const std::string open(kBarWidth - full, '-');
  return color ? fmt::format("[\033[32m{}\033[0m{}]", done, open)
               : fmt::format("[{}{}]", done, open);
}

}  // namespace

std::string progress_line(const ProgressState& state, std::size_t width, bool color) {
  const double share = share_done(state);
  const double rate = state.seconds > 0 ? static_cast<double>(state.bytes) / state.seconds : 0;
  std::string text =
      state.whole_known
          ? fmt::format(" {:3.0f}% {}/{} {}/{} files {}/s", share * 100, format_bytes(state.bytes),
                        format_bytes(state.whole_bytes), state.files, state.whole_files,
                        format_bytes(static_cast<std::uint64_t>(rate)))
          : fmt::format("{} {} files {}/s", format_bytes(state.bytes), state.files,
                        format_bytes(static_cast<std::uint64_t>(rate)));
  if (state.whole_known && share > 0.01) {
    const double left = state.seconds / share - state.seconds;
    text += fmt::format(" {} left", format_seconds(static_cast<std::uint64_t>(left)));
  }
  const bool room = state.whole_known && text.size() + kBarWidth + 2 < width;
  if (!room) return text.substr(0, width > 0 ? width - 1 : 0);
  return bar(share, color) + text;
}

Progress::Progress(const CopyOptions& options, Report& report, std::vector<std::string> sources)
    : report_(report), recursive_(options.recursive) {
  const bool terminal = ::isatty(STDERR_FILENO) == 1;
  const bool shown =
      options.progress == When::kAlways ||
      (options.progress == When::kAuto && terminal && !options.names_each() && !options.json);
  if (!shown) return;
  const char* no_color = std::getenv("NO_COLOR");
  color_ = terminal && (no_color == nullptr || *no_color == '\0');
  // Where the system gives no thread the copy is made without the line.
  auto drawing = try_thread([this](const std::stop_token& stop) { draw(stop); });
  if (!drawing) return;
  drawing_ = *std::move(drawing);
  auto counting = try_thread(
      [this, sources = std::move(sources)](const std::stop_token& stop) { count(stop, sources); });
  if (counting) counting_ = *std::move(counting);
}

Progress::~Progress() {
  if (!drawing_.joinable()) return;
  counting_.request_stop();
  drawing_.request_stop();
  if (counting_.joinable()) counting_.join();
  drawing_.join();
  const MutexLock lock(report_.terminal());
  report_.clear_line();
  std::fflush(stderr);
}

void Progress::draw(const std::stop_token& stop) {
  const auto begin = std::chrono::steady_clock::now();
  auto wait = kQuiet;
  std::mutex mutex;
  std::unique_lock lock(mutex);
  while (!wake_.wait_for(lock, stop, wait, [] { return false; }) && !stop.stop_requested()) {
    draw_once(std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count());
    wait = kInterval;
  }
}

void Progress::draw_once(double seconds) {
  const Counters& counters = report_.counters();
  const ProgressState state{.bytes = counters.copied + counters.shared + counters.holes,
                            .files = counters.files,
                            .whole_bytes = whole_bytes_,
                            .whole_files = whole_files_,
                            .whole_known = whole_known_,
                            .seconds = seconds};
  const std::string line = progress_line(state, terminal_width(), color_);
  const MutexLock lock(report_.terminal());
  std::fflush(stdout);
  print_text(stderr, "\r\033[K{}", line);
  std::fflush(stderr);
  report_.set_progress_shown(true);
}

/// An estimate: nothing is followed, and what changes meanwhile is not counted again.
void Progress::count(const std::stop_token& stop, const std::vector<std::string>& sources) {
  std::vector<Place> waiting;
  waiting.reserve(sources.size());
  for (const std::string& source : sources) waiting.push_back({AT_FDCWD, source, source});
  bool first = true;
  while (!waiting.empty() && !stop.stop_requested()) {
    const Place place = waiting.back();
    waiting.pop_back();
    const auto status = stat_place(place, first ? Follow::kYes : Follow::kNo);
    if (!status) continue;
    if (S_ISREG(status->st_mode)) {
      ++whole_files_;
      whole_bytes_ += static_cast<std::uint64_t>(status->st_size);
    }
    if (!S_ISDIR(status->st_mode) || !recursive_) continue;
    const auto fd = open_place(place, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    if (!fd) continue;
    const auto names = read_names(fd->get());
    if (!names) continue;
    for (const DirectoryEntryName& entry : *names)
      waiting.push_back({AT_FDCWD, join_path(place.name, entry.name), {}});
    first = false;
  }
  if (!stop.stop_requested()) whole_known_ = true;
}

}  // namespace cowfs
