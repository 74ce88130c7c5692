// Exercises made from a seed: the trace is short, the answers come from the simulator.
#include <fmt/format.h>

#include "lib/sim/random.h"
#include "lib/sim/session.h"
#include "tools/common/message.h"
#include "tools/common/print_text.h"
#include "tools/cowsim/commands.h"
#include "tools/cowsim/report.h"

namespace cowfs {
namespace {

class Exercise {
 public:
  explicit Exercise(std::uint64_t seed) : random_(seed) {
    settings_.frames = 16;
    run("proc p1");
    run("p1 map A anon private 4");
    for (int i = 0; i < 2 + static_cast<int>(random_.below(3)); ++i) write("p1");
    vfork_ = random_.one_in(4);
    run(vfork_ ? "p1 vfork p2" : "p1 fork p2");
    for (int i = 0; i < 2; ++i) write("p2");
    if (vfork_) run("p2 exit");
    for (int i = 0; i < 2; ++i) write(!vfork_ && random_.one_in(2) ? "p2" : "p1");
    if (!vfork_ && random_.one_in(2)) {
      run("p1 fork p3");
      write("p3");
    }
    if (!vfork_ && random_.one_in(3)) run("p2 exit");
    write("p1");
  }

  void print(std::uint64_t seed, bool answers) const {
    print_text("Exercise {}. Pages are private and anonymous, all frames free at the start.\n\n",
               seed);
    for (const sim::Statement& statement : trace_.statements)
      print_text("    {}\n", statement.text);
    print_text("\n");
    sim::Session session(settings_);
    std::string reasons;
    for (const sim::Statement& statement : trace_.statements) {
      if (session.apply(*statement.operation)) return;
      reasons += step_in_words(statement, session.last());
    }
    print_questions(session.machine(), answers);
    if (answers) print_text("\nStep by step:\n{}", reasons);
  }

 private:
  void run(const std::string& text) {
    const auto parsed = sim::parse_trace(text);
    if (!parsed) return;
    trace_.statements.push_back(parsed->statements.front());
    trace_.statements.back().line = static_cast<std::uint32_t>(trace_.statements.size());
  }

  void write(const std::string& process) {
    run(fmt::format("{} write A.{} '{}'", process, random_.below(4),
                    static_cast<char>('a' + letters_++)));
  }

  static std::string partners(const sim::Machine& machine) {
    std::string out;
    for (std::uint32_t page = 0; page < 4; ++page) {
      out += fmt::format("\n       A.{}:", page);
      for (const auto& [name, process] : machine.processes()) {
        const sim::Entry* entry = machine.entry(name, "A", page);
        const bool present = entry != nullptr && entry->present();
        out += fmt::format(" {} {}", name, present ? sim::frame_name(entry->frame) : "-");
      }
    }
    return out;
  }

  void print_questions(const sim::Machine& machine, bool answers) const {
    const auto ask = [&](int number, const std::string& question, const std::string& answer) {
      print_text("{}. {}\n", number, question);
      if (answers) print_text("   => {}\n", answer);
    };
    const auto page = random_page_;
    const auto bytes = machine.peek("p1", "A", page);
    const std::string read = !bytes                ? "-"
                             : (*bytes)[0] == '\0' ? "0, it was never written"
                                                   : sim::quoted(bytes->substr(0, 1));
    ask(1, "How many frames are in use at the end?", std::to_string(machine.frames().used()));
    ask(2, "How many pages were copied by write faults?",
        std::to_string(machine.counters().copies));
    ask(3, "How many times did a last owner take a page without a copy?",
        std::to_string(machine.counters().reuses));
    ask(4, fmt::format("What does p1 read from A.{}?", page), read);
    ask(5, "Which processes share which frame of each page?",
        "frames by page:" + partners(machine));
    ask(6, "How many page faults were there?",
        fmt::format("{} missing, {} protection", machine.counters().missing_faults,
                    machine.counters().protection_faults));
  }

  sim::Random random_;
  sim::MachineSettings settings_;
  sim::Trace trace_;
  bool vfork_ = false;
  int letters_ = 0;
  std::uint32_t random_page_ = random_.below(4);
};

}  // namespace

ExitCode run_quiz(std::uint64_t seed, bool answers) {
  Exercise(seed).print(seed, answers);
  return finish_output(kCowsim, ExitCode::kOk);
}

}  // namespace cowfs
