// What fork, vfork and posix_spawn cost on this machine by the memory in use, beside what the
// simulator predicts.
#include <fmt/format.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <functional>
#include <nlohmann/json.hpp>
#include <vector>

#include "lib/sim/counters.h"
#include "tools/common/json.h"
#include "tools/common/message.h"
#include "tools/common/print_text.h"
#include "tools/common/text.h"
#include "tools/cowsim/commands.h"
#include "tools/cowsim/picture.h"

extern char** environ;

namespace cowfs {
namespace {

constexpr std::size_t kMebibyte = std::size_t{1} << 20;
constexpr std::uint64_t kPagesPerMebibyte = 256;
constexpr int kRounds = 9;
constexpr int kPasses = 5;  // over all sizes: other programs are not busy all the time

struct Row {
  std::uint32_t mebibytes = 0;
  double fork = 0;       // microseconds, until it returns in the parent
  double vfork = 0;      // until the child has exited
  double spawn = 0;      // of `true`, until it has exited
  double predicted = 0;  // of fork
};

double least_microseconds(const std::function<double()>& once) {
  std::vector<double> times;
  times.reserve(kRounds);
  for (int i = 0; i < kRounds; ++i) times.push_back(once());
  return *std::ranges::min_element(times);  // what other programs add is not what is asked for
}

double microseconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - start)
      .count();
}

double time_fork() {
  const auto start = std::chrono::steady_clock::now();
  const pid_t pid = ::fork();
  if (pid == 0) ::_exit(0);
  const double time = microseconds_since(start);
  (void)::waitpid(pid, nullptr, 0);
  return time;
}

double time_vfork() {
  const auto start = std::chrono::steady_clock::now();
  const pid_t pid = ::vfork();
  if (pid == 0) ::_exit(0);
  (void)::waitpid(pid, nullptr, 0);
  return microseconds_since(start);
}

double time_spawn() {
  const auto start = std::chrono::steady_clock::now();
  pid_t pid = 0;
  char name[] = "true";
  char* const arguments[] = {name, nullptr};
  if (::posix_spawnp(&pid, name, nullptr, nullptr, arguments, environ) != 0) return 0;
  (void)::waitpid(pid, nullptr, 0);
  return microseconds_since(start);
}

Result<Row> measure(std::uint32_t mebibytes) {
  const std::size_t size = mebibytes * kMebibyte;
  void* memory = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED)
    return fail(ErrorCode::kNoSpace, fmt::format("{} MiB of memory cannot be had", mebibytes));
  (void)::madvise(memory, size, MADV_NOHUGEPAGE);
  for (std::size_t i = 0; i < size; i += 4096) static_cast<volatile char*>(memory)[i] = 1;
  Row row;
  row.mebibytes = mebibytes;
  row.fork = least_microseconds(time_fork);
  row.vfork = least_microseconds(time_vfork);
  row.spawn = least_microseconds(time_spawn);
  const std::uint64_t entries = mebibytes * kPagesPerMebibyte;
  row.predicted = static_cast<double>(sim::cost::kFork + sim::cost::kForkEntry * entries) / 1000;
  ::munmap(memory, size);
  return row;
}

struct Line {
  const char* name;
  const char* style;
  double Row::* value;
};

constexpr std::array<Line, 4> kLines{
    {{"fork", "stroke:#D55E00", &Row::fork},
     {"fork, predicted: 19 us + 18 ns a page", "stroke:#D55E00;stroke-dasharray:6 4",
      &Row::predicted},
     {"posix_spawn of true", "stroke:#0072B2;stroke-dasharray:2 3", &Row::spawn},
     {"vfork and exit", "stroke:#009E73", &Row::vfork}}};

std::string draw(const std::vector<Row>& rows) {
  constexpr double kX = 70;
  constexpr double kY = 350;
  const double x_step = rows.size() > 1 ? 420.0 / std::log2(rows.back().mebibytes) : 0;
  const auto x = [&](const Row& row) { return kX + x_step * std::log2(row.mebibytes); };
  const auto y = [&](double us) { return kY - 50 * (std::log10(std::max(us, 1.0))); };
  std::string out =
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 760 420\" width=\"760\" "
      "height=\"420\">\n"
      "<title>What fork costs</title>\n<style>text{font:13px "
      "sans-serif}.g{stroke:#ccc}.t{font-weight:bold;font-size:15px}"
      "polyline{fill:none;stroke-width:2.5}</style>\n<rect width=\"760\" height=\"420\" "
      "fill=\"#fff\"/>\n"
      "<text x=\"20\" y=\"26\" class=\"t\">Time to make a process, by memory in use (both scales "
      "logarithmic)</text>\n";
  for (int power = 0; power <= 5; ++power) {
    constexpr std::array<const char*, 6> labels{"1 us", "10 us", "100 us",
                                                "1 ms", "10 ms", "100 ms"};
    const double at = y(std::pow(10, power));
    out += fmt::format(
        "<line x1=\"{0}\" y1=\"{1}\" x2=\"500\" y2=\"{1}\" class=\"g\"/><text x=\"{2}\" y=\"{3}\" "
        "text-anchor=\"end\">{4}</text>\n",
        kX, at, kX - 8, at + 4, labels[static_cast<std::size_t>(power)]);
  }
  for (const Row& row : rows) {
    out += fmt::format("<text x=\"{:.0f}\" y=\"{}\" text-anchor=\"middle\">{}</text>\n", x(row),
                       kY + 20, row.mebibytes);
  }
  out += fmt::format("<text x=\"{}\" y=\"{}\">MiB of private memory, pages of 4 KiB</text>\n",
                     kX + 90, kY + 44);
  double legend = 90;
  for (const Line& line : kLines) {
    out += fmt::format("<polyline style=\"{}\" points=\"", line.style);
    for (const Row& row : rows) out += fmt::format("{:.1f},{:.1f} ", x(row), y(row.*line.value));
    out += fmt::format("\"/>\n<polyline style=\"{}\" points=\"515,{} 545,{}\"/>\n", line.style,
                       legend, legend);
    const std::string name = line.name;
    const std::size_t colon = name.find(": ");
    out += fmt::format("<text x=\"552\" y=\"{}\">{}</text>\n", legend + 4, name.substr(0, colon));
    if (colon != std::string::npos) {
      legend += 18;
      out +=
          fmt::format("<text x=\"552\" y=\"{}\">{}</text>\n", legend + 4, name.substr(colon + 2));
    }
    legend += 28;
  }
  return out + "</svg>\n";
}

/// The least of several passes.
Result<std::vector<Row>> measure_all(std::uint32_t most) {
  std::vector<Row> rows;
  for (int pass = 0; pass < kPasses; ++pass) {
    std::size_t at = 0;
    for (std::uint32_t mebibytes = 1; mebibytes <= most; mebibytes *= 4, ++at) {
      COWFS_ASSIGN(const Row row, measure(mebibytes));
      if (pass == 0) rows.push_back(row);
      for (const auto value : {&Row::fork, &Row::vfork, &Row::spawn})
        rows[at].*value = std::min(rows[at].*value, row.*value);
    }
  }
  return rows;
}

}  // namespace

ExitCode fork_cost(const RunOptions& options, std::uint32_t most) {
  const auto rows = measure_all(most);
  if (!rows) {
    print_error(kCowsim, rows.error().text);
    return ExitCode::kFailed;
  }
  auto answer = json_answer(kCowsim, "demo fork-cost");
  std::vector<std::vector<std::string>> table{
      {"MIB", "FORK", "PREDICTED", "VFORK+EXIT", "POSIX_SPAWN"}};
  const auto text = [](double us) { return fmt::format("{:.0f} us", us); };
  for (const Row& row : *rows) {
    table.push_back({std::to_string(row.mebibytes), text(row.fork), text(row.predicted),
                     text(row.vfork), text(row.spawn)});
    answer["rows"].push_back({{"mebibytes", row.mebibytes},
                              {"fork_us", row.fork},
                              {"predicted_us", row.predicted},
                              {"vfork_us", row.vfork},
                              {"posix_spawn_us", row.spawn}});
  }
  if (options.json) print_json(answer);
  else if (!options.quiet) print_text("{}", format_table(table));
  if (!options.svg_directory.empty()) {
    if (const auto saved = write_text(options.svg_directory + "/fork-cost.svg", draw(*rows));
        !saved) {
      print_error(kCowsim, saved.error().text);
      return ExitCode::kFailed;
    }
  }
  return finish_output(kCowsim, ExitCode::kOk);
}

}  // namespace cowfs
