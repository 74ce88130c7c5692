// run, explain, demo and fuzz.
#include <fmt/format.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>

#include "lib/sim/runner.h"
#include "lib/sim/token.h"
#include "tools/common/json.h"
#include "tools/common/message.h"
#include "tools/common/print_text.h"
#include "tools/cowsim/commands.h"
#include "tools/cowsim/demos.h"
#include "tools/cowsim/picture.h"
#include "tools/cowsim/report.h"

namespace cowfs {
namespace {

std::string text_of(const sim::TraceFailure& failure, const std::string& file) {
  return fmt::format("{}:{}:{}: {}", file, failure.line, failure.column, failure.text);
}

/// Gathers what is to be shown while a trace runs.
class Show {
 public:
  Show(std::string title, const RunOptions& options)
      : title_(std::move(title)), options_(options) {}

  ExitCode run(const sim::Trace& trace, std::string_view command) {
    answer_ = json_answer(kCowsim, command);
    answer_["settings"] = sim::to_text(trace.settings);
    answer_["steps"] = nlohmann::ordered_json::array();
    const auto failures =
        sim::run_trace(trace, [this](const sim::Statement& statement, const sim::Session& session) {
          step(statement, session);
        });
    for (const sim::TraceFailure& failure : failures) {
      const std::string text = text_of(failure, title_);
      answer_["failures"].push_back(text);
      print_error(kCowsim, text);
    }
    if (!options_.html_file.empty()) save(options_.html_file, html_page(title_, steps_));
    if (options_.json) {
      print_json(answer_);
    } else if (!options_.quiet && !options_.words) {
      print_text("\n{}", tables_);
    }
    return finish_output(kCowsim, failures.empty() && !failed_ ? ExitCode::kOk : ExitCode::kFailed);
  }

 private:
  void step(const sim::Statement& statement, const sim::Session& session) {
    const sim::Machine& machine = session.machine();
    const bool snapshot = statement.operation->verb == sim::Verb::kPicture;
    const sim::Events& events = snapshot ? last_events_ : session.last().events;
    if (!snapshot && !options_.html_file.empty()) {
      steps_.push_back({statement.line, statement.text, session.last(),
                        draw_machine(machine, statement.text, events,
                                     fmt::format("arrow{}", steps_.size() + 1))});
    }
    if (snapshot && !options_.svg_directory.empty()) picture(statement, machine);
    if (!snapshot) {
      last_events_ = session.last().events;
      last_text_ = statement.text;
    }
    if (options_.json) {
      answer_["steps"].push_back(step_as_json(statement, session.last(), machine));
    } else if (!options_.quiet && !snapshot) {
      print_text("{}", options_.words ? step_in_words(statement, session.last())
                                      : step_line(statement, session.last()));
    }
    if (!options_.words && !options_.quiet && !options_.json) tables_ = machine_tables(machine);
  }

  void picture(const sim::Statement& statement, const sim::Machine& machine) {
    std::string name = statement.operation->name;
    if (!name.ends_with(".svg")) name += ".svg";
    save(options_.svg_directory + "/" + name,
         draw_machine(machine, "after: " + last_text_, last_events_));
  }

  void save(const std::string& path, const std::string& text) {
    if (const auto saved = write_text(path, text); !saved) {
      print_error(kCowsim, saved.error().text);
      failed_ = true;
    }
  }

  std::string title_;
  const RunOptions& options_;
  nlohmann::ordered_json answer_;
  std::vector<ShownStep> steps_;
  sim::Events last_events_;
  std::string last_text_;
  std::string tables_;
  bool failed_ = false;
};

ExitCode show(const std::string& title, std::string_view text, std::string_view command,
              const RunOptions& options) {
  const auto trace = sim::parse_trace(text);
  if (!trace) {
    print_error(kCowsim, title + ":" + trace.error().text);
    return ExitCode::kFailed;
  }
  return Show(title, options).run(*trace, command);
}

/// Whether the mistake is found within 200 seeds, as it must be.
bool find_bug(sim::SeededBug bug) {
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    const auto failure = sim::fuzz_seed(seed, bug);
    if (!failure) continue;
    print_text("{}: found by {} with seed {}: {}\n", sim::seeded_bug_name(bug),
               failure->violation.invariant, seed, failure->violation.text);
    return true;
  }
  print_error(kCowsim, fmt::format("{}: not found within 200 seeds", sim::seeded_bug_name(bug)));
  return false;
}

ExitCode find_bugs(const std::string& name) {
  if (name != "list" && name != "all") {
    const auto bug = bug_named(name);
    return !bug ? ExitCode::kUsage : find_bug(*bug) ? ExitCode::kOk : ExitCode::kFailed;
  }
  bool found = true;
  for (int i = 1; i <= sim::kSeededBugs; ++i) {
    const auto bug = static_cast<sim::SeededBug>(i);
    if (name == "list") print_text("{}\n", sim::seeded_bug_name(bug));
    else found = find_bug(bug) && found;
  }
  return found ? ExitCode::kOk : ExitCode::kFailed;
}

/// Whether the `expect` lines hold, in a simulator that was seen to agree with all others. How
/// operations end was compared: what `cowsim run` says of that is not said again.
bool expectations_hold(const std::string& path, sim::Trace trace) {
  trace.lenient = true;
  const auto failures = sim::run_trace(trace);
  std::fflush(stdout);
  for (const sim::TraceFailure& failure : failures) print_error(kCowsim, text_of(failure, path));
  return failures.empty();
}

}  // namespace

std::optional<sim::SeededBug> bug_named(const std::string& name) {
  for (int i = 0; i <= sim::kSeededBugs; ++i) {
    const auto bug = static_cast<sim::SeededBug>(i);
    if (i == 0 ? name.empty() : name == sim::seeded_bug_name(bug)) return bug;
  }
  print_error(kCowsim,
              fmt::format("unknown mistake '{}'; 'cowsim fuzz --bug=list' names them", name));
  return std::nullopt;
}

Result<SeedRange> parse_seeds(const std::string& text) {
  const std::size_t dots = text.find("..");
  const auto first = sim::parse_number(std::string_view(text).substr(0, dots));
  const auto last = dots == std::string::npos
                        ? first
                        : sim::parse_number(std::string_view(text).substr(dots + 2));
  if (!first || !last || *first > *last) {
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("'{}': expected a seed or FIRST..LAST", text));
  }
  return SeedRange{*first, *last};
}

Result<std::string> read_text(const std::string& path) {
  // Not a stream of C++: one throws where reading fails, as it does for a directory.
  const bool standard = path == "-";
  std::FILE* in = standard ? stdin : std::fopen(path.c_str(), "rbe");
  if (in == nullptr) return fail(ErrorCode::kIo, path + ": " + std::strerror(errno));
  std::string text;
  std::array<char, 65536> buffer{};
  while (const std::size_t got = std::fread(buffer.data(), 1, buffer.size(), in))
    text.append(buffer.data(), got);
  const int error = std::ferror(in) == 0 ? 0 : errno;
  if (!standard) std::fclose(in);
  if (error != 0) return fail(ErrorCode::kIo, path + ": " + std::strerror(error));
  return text;
}

Result<void> write_text(const std::string& path, const std::string& text) {
  std::ofstream out(path, std::ios::binary);
  out << text;
  out.close();
  if (!out) return fail(ErrorCode::kIo, path + ": cannot be written");
  return {};
}

ExitCode cannot(const Error& error) {
  print_error(kCowsim, error.text);
  return error.code == ErrorCode::kNotSupported ? ExitCode::kNotHere : ExitCode::kFailed;
}

ExitCode compare_file(const std::string& path,
                      const std::function<Result<std::string>(const sim::Trace&)>& compare) {
  const auto text = read_text(path);
  if (!text) return cannot(text.error());
  const auto trace = sim::parse_trace(*text);
  if (!trace) return cannot(Error{trace.error().code, path + ": " + trace.error().text});
  const auto difference = compare(*trace);
  if (!difference) return cannot(difference.error());
  print_text("{}: {}\n", path, difference->empty() ? "all agree" : *difference);
  const bool good = difference->empty() && expectations_hold(path, *trace);
  return finish_output(kCowsim, good ? ExitCode::kOk : ExitCode::kFailed);
}

void print_failing_trace(std::uint64_t seed, const std::string& why,
                         const sim::MachineSettings& settings,
                         const std::vector<sim::Operation>& operations) {
  print_error(kCowsim, fmt::format("seed {}: {}", seed, why));
  print_text("# seed {}: {}\n{}", seed, why, sim::to_text(sim::make_trace(settings, operations)));
}

ExitCode run_file(const std::string& path, const RunOptions& options) {
  const auto text = read_text(path);
  if (!text) {
    print_error(kCowsim, text.error().text);
    return ExitCode::kFailed;
  }
  return show(path, *text, options.words ? "explain" : "run", options);
}

ExitCode run_demo(const std::string& name, const RunOptions& options) {
  for (const Demo& demo : demos()) {
    if (demo.name == name) return show(std::string(demo.name), demo.trace, "demo", options);
  }
  print_error(kCowsim, fmt::format("no demo '{}': 'cowsim demo --help' names them", name));
  return ExitCode::kUsage;
}

ExitCode run_fuzz(const SeedRange& seeds, const std::string& bug) {
  if (!bug.empty()) return finish_output(kCowsim, find_bugs(bug));
  for (std::uint64_t seed = seeds.first; seed <= seeds.last; ++seed) {
    const auto failure = sim::fuzz_seed(seed, sim::SeededBug::kNone);
    if (!failure) continue;
    print_failing_trace(seed, failure->violation.invariant + ": " + failure->violation.text,
                        failure->settings, failure->operations);
    return finish_output(kCowsim, ExitCode::kFailed);
  }
  print_text("{} seeds, no invariant broken\n", seeds.last - seeds.first + 1);
  return finish_output(kCowsim, ExitCode::kOk);
}

}  // namespace cowfs
