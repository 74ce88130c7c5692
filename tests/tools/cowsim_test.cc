// cowsim as a user runs it: traces, pictures, JSON, and short runs against the kernel. COWFS_LONG:
// the long counts.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>

#include "tests/support/files.h"
#include "tests/support/sanitized.h"
#include "tests/support/temp_dir.h"

namespace cowfs {
namespace {

using testing::HasSubstr;
using testing::Not;

struct Answer {
  int code = 0;
  std::string text;  // both streams
};

Answer cowsim(const std::string& arguments) {
  const char* folder = std::getenv("COWFS_BIN_DIR");
  const std::string command =
      std::string("'") + (folder == nullptr ? "." : folder) + "/cowsim' " + arguments + " 2>&1";
  FILE* pipe = ::popen(command.c_str(), "r");
  Answer answer;
  std::array<char, 4096> buffer{};
  while (const std::size_t got = std::fread(buffer.data(), 1, buffer.size(), pipe))
    answer.text.append(buffer.data(), got);
  const int status = ::pclose(pipe);
  answer.code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  return answer;
}

bool is_long() { return std::getenv("COWFS_LONG") != nullptr; }

class Cowsim : public testing::Test {
 protected:
  void SetUp() override {
    if (std::getenv("COWFS_BIN_DIR") == nullptr)
      GTEST_SKIP() << "COWFS_BIN_DIR does not say where cowsim is";
  }
  std::string path(const std::string& name) const { return dir_ / name; }
  std::string trace(const std::string& text) {
    std::ofstream(path("trace.txt")) << text;
    return path("trace.txt");
  }
  TempDir dir_;
};

constexpr const char* kNotUnderSanitizers =
    "sanitizers map memory and handle SIGSEGV themselves: the plain build shows it";

TEST_F(Cowsim, RunPrintsTheSameLogForTheSameTrace) {
  const std::string file = trace(
      "proc p1 ; p1 map A anon private 1 ; p1 write A.0 'a'\np1 fork p2\np2 write A.0 'b'\nexpect "
      "copies 1\n");
  const Answer first = cowsim("run " + file);
  EXPECT_EQ(first.code, 0) << first.text;
  EXPECT_THAT(
      first.text,
      HasSubstr("   3  p2 write A.0 'b'                   ok         protection-fault, cow-break, "
                "alloc f1, copy f0->f1, pte f1, w=1, retry\n"));
  EXPECT_EQ(first.text, cowsim("run " + file).text);
}

TEST_F(Cowsim, RunFailsWhereAnExpectationDoes) {
  const Answer answer = cowsim("run -q " + trace("proc p1\nexpect used 3\n"));
  EXPECT_EQ(answer.code, 1);
  EXPECT_THAT(answer.text, HasSubstr("trace.txt:2:1: 'expect used 3' does not hold: it is 0"));
  const Answer wrong = cowsim("run " + trace("proc p1\np1 jump\n"));
  EXPECT_EQ(wrong.code, 1);
  EXPECT_THAT(wrong.text, HasSubstr("trace.txt:2:4: unknown verb 'jump'"));
}

TEST_F(Cowsim, JsonHasEachStepWithItsPages) {
  const Answer answer = cowsim(
      "run --json " + trace("proc p1 ; p1 map A anon private 1 ; p1 write A.0 'a' ; p1 fork p2"));
  ASSERT_EQ(answer.code, 0) << answer.text;
  const auto json = nlohmann::json::parse(answer.text);
  EXPECT_EQ(json["header"]["tool"], "cowsim");
  ASSERT_EQ(json["steps"].size(), 4U);
  ASSERT_EQ(json["steps"][3]["pages"].size(), 2U);
  EXPECT_EQ(json["steps"][3]["pages"][0]["frame"], json["steps"][3]["pages"][1]["frame"]);
  EXPECT_EQ(json["steps"][3]["pages"][1]["entry"], "cow");
}

std::size_t count(const std::string& text, const std::string& word) {
  std::size_t times = 0;
  for (std::size_t at = 0; (at = text.find(word, at)) != std::string::npos; at += word.size())
    ++times;
  return times;
}

TEST_F(Cowsim, ExplainSaysWhatFaultedWhyAndWhatWasCopied) {
  const Answer answer =
      cowsim("explain " + trace("proc p1\np1 map A anon private 2\np1 write A.0 'x'\np1 read A.1\n"
                                "p1 fork p2\np2 write A.0 'y'\np2 exit\np1 write A.0 'z'\n"));
  EXPECT_EQ(answer.code, 0) << answer.text;
  EXPECT_THAT(answer.text, HasSubstr("line 3: p1 write A.0 'x'\n"
                                     "    Page fault: p1:A.0 is not in memory.\n"
                                     "    The kernel takes frame f0 from the free list.\n"
                                     "    Frame f0 is filled with zeros.\n"));
  EXPECT_THAT(answer.text, HasSubstr("the one frame of zeros, read-only.\n"));
  EXPECT_THAT(answer.text, HasSubstr("1 page table entry loses write permission (w=0).\n"));
  EXPECT_THAT(
      answer.text,
      HasSubstr("line 6: p2 write A.0 'y'\n"
                "    Protection fault: a write to p2:A.0, whose entry does not allow writing.\n"
                "    The area is private and allows writing: the kernel recognises a "
                "copy-on-write page.\n"
                "    The kernel takes frame f1 from the free list.\n"
                "    The bytes of frame f0 are copied to frame f1.\n"
                "    The page table entry of p2:A.0 names frame f1 now.\n"
                "    The entry allows writing now (w=1).\n"
                "    The handler returns, and the CPU executes the access again.\n"));
  const std::string last = answer.text.substr(answer.text.find("line 8: "));
  EXPECT_THAT(last, HasSubstr("Nobody else refers to frame f0"));
  EXPECT_THAT(last, Not(HasSubstr("are copied")));
}

TEST_F(Cowsim, ExplainFailsWhereAnExpectationDoes) {
  const Answer answer = cowsim("explain " + trace("proc p1\nexpect used 3\n"));
  EXPECT_EQ(answer.code, 1);
  EXPECT_THAT(answer.text, HasSubstr("trace.txt:2:1: 'expect used 3' does not hold: it is 0"));
}

TEST_F(Cowsim, ForkCostMeasuresPredictsAndDraws) {
  const Answer answer = cowsim("demo fork-cost --most=16 --json --svg=" + dir_.path().string());
  ASSERT_EQ(answer.code, 0) << answer.text;
  const auto rows = nlohmann::json::parse(answer.text)["rows"];
  ASSERT_EQ(rows.size(), 3U);
  double predicted = 23.608;  // 19 us and 18 ns for each of 256 entries
  for (std::size_t i = 0; i < rows.size(); ++i) {
    EXPECT_EQ(rows[i]["mebibytes"], 1U << (2 * i));
    EXPECT_NEAR(rows[i]["predicted_us"].get<double>(), predicted, 0.001);
    for (const char* name : {"fork_us", "vfork_us", "posix_spawn_us"})
      EXPECT_GT(rows[i][name].get<double>(), 0) << name;
    predicted = 19 + (predicted - 19) * 4;
  }
  const std::string svg = contents(path("fork-cost.svg"));
  EXPECT_EQ(count(svg, "<polyline"), 8U);  // four curves, each with its line in the legend
  EXPECT_THAT(svg, HasSubstr("fork, predicted"));
  EXPECT_THAT(svg, Not(HasSubstr("nan")));
  EXPECT_THAT(cowsim("demo fork-cost --most=1").text, HasSubstr("POSIX_SPAWN\n1    "));
}

/// Nothing of the page is anywhere else, and nothing is looked for elsewhere.
void expect_self_contained(std::string page) {
  const std::string name_space = "xmlns=\"http://www.w3.org/2000/svg\"";
  for (std::size_t at = 0; (at = page.find(name_space, at)) != std::string::npos;)
    page.erase(at, name_space.size());
  for (const char* word : {"http:", "https:", "//", "src=", "href=", "@import", "<link", "<img",
                           "<iframe", "fetch(", "XMLHttpRequest", "import("})
    EXPECT_EQ(count(page, word), 0U) << word;
  EXPECT_EQ(count(page, "url("), count(page, "url(#"));
}

TEST_F(Cowsim, ThePageStepsThroughTheTraceByItself) {
  const std::string file = trace(
      "proc p1\np1 map A anon private 1\np1 write A.0 '<'\nsnapshot one\np1 fork p2\np2 write A.0 "
      "'b'\n");
  ASSERT_EQ(cowsim("run -q --html=" + path("page.html") + " " + file).code, 0);
  const std::string page = contents(path("page.html"));
  expect_self_contained(page);
  EXPECT_EQ(count(page, "<section>"), 5U);  // a snapshot is no step
  EXPECT_EQ(count(page, "<svg "), 5U);
  EXPECT_EQ(count(page, "<code>p1 write A.0 '&lt;'</code>"), 1U);
  // What the script takes hold of is there once.
  EXPECT_EQ(count(page, "<script>"), 1U);
  for (const char* id : {"back", "next", "at"}) {
    EXPECT_EQ(count(page, std::string("id=\"") + id + "\""), 1U) << id;
    EXPECT_EQ(count(page, std::string("getElementById('") + id + "')"), 1U) << id;
  }
  EXPECT_EQ(count(page, "ArrowRight"), 1U);
  EXPECT_EQ(count(page, "section{display:none}section.on{display:block}"), 1U);
  EXPECT_EQ(count(page, "<noscript><style>section{display:block}"), 1U);
  // Arrow-heads with names of their own: none are drawn that are defined in a hidden picture.
  for (std::size_t i = 1; i <= 5; ++i)
    EXPECT_EQ(count(page, "id=\"arrow" + std::to_string(i) + "\""), 1U);
  const std::string last = page.substr(page.rfind("<section>"));
  EXPECT_EQ(count(last, "url(#"), 2U);
  EXPECT_EQ(count(last, "url(#arrow5)"), 2U);
}

TEST_F(Cowsim, DemosExplainAndDraw) {
  for (const char* name : {"fig-c", "fig-mmap", "vfork", "cp8", "swap"}) {
    const Answer answer = cowsim(std::string("demo ") + name + " --svg=" + dir_.path().string() +
                                 " --html=" + path("page.html"));
    EXPECT_EQ(answer.code, 0) << name << answer.text;
    expect_self_contained(contents(path("page.html")));
  }
  const Answer answer = cowsim("demo fig-c");
  EXPECT_THAT(answer.text, HasSubstr("The bytes of frame f2 are copied to frame f3."));
  int pictures = 0;
  for (const auto& file : std::filesystem::directory_iterator(dir_.path())) {
    if (file.path().extension() != ".svg") continue;
    ++pictures;
    const std::string svg = contents(file.path());
    EXPECT_LT(svg.size(), 20U * 1024) << file.path();
    EXPECT_THAT(svg, Not(HasSubstr("<script")));
  }
  EXPECT_EQ(pictures, 9);
}

TEST_F(Cowsim, ThePicturesOfTheTutorialAreThoseOfTheDemos) {
  const char* source = std::getenv("COWFS_SRC_DIR");
  if (source == nullptr) GTEST_SKIP() << "COWFS_SRC_DIR does not say where the documentation is";
  for (const char* name : {"fig-c", "fig-mmap", "vfork", "cp8", "swap"})
    cowsim(std::string("demo -q ") + name + " --svg=" + dir_.path().string());
  for (const char* name : {"fig-c-before", "fig-c-after", "fig-mmap", "fig-mmap-private",
                           "vfork-child", "vfork-exec", "cp8", "swap", "swap-later"}) {
    const std::string file = std::string(name) + ".svg";
    EXPECT_EQ(contents(path(file)), contents(std::string(source) + "/docs/simulator/" + file))
        << file;
  }
}

TEST_F(Cowsim, TheTutorialShowsEveryPictureBesideIt) {
  const char* source = std::getenv("COWFS_SRC_DIR");
  if (source == nullptr) GTEST_SKIP() << "COWFS_SRC_DIR does not say where the documentation is";
  const std::string docs = std::string(source) + "/docs/";
  const std::string tutorial = contents(docs + "simulator.md");
  std::size_t pictures = 0;
  for (const auto& file : std::filesystem::directory_iterator(docs + "simulator")) {
    const std::string name = file.path().filename();
    EXPECT_EQ(count(tutorial, "](simulator/" + name + ")"), 1U) << name;
    ++pictures;
  }
  EXPECT_EQ(count(tutorial, "](simulator/"), pictures);
}

TEST_F(Cowsim, DemoTracesCanBeRun) {
  const Answer printed = cowsim("demo vfork --trace");
  EXPECT_EQ(cowsim("run -q " + trace(printed.text)).code, 0);
}

TEST_F(Cowsim, QuizzesAreTheSameForASeedAndHideTheAnswers) {
  const Answer quiz = cowsim("quiz --seed 5");
  EXPECT_EQ(quiz.code, 0);
  EXPECT_EQ(quiz.text, cowsim("quiz --seed 5").text);
  EXPECT_NE(quiz.text, cowsim("quiz --seed 6").text);
  EXPECT_THAT(quiz.text, Not(HasSubstr("=>")));
  EXPECT_THAT(cowsim("quiz --seed 5 --answers").text, HasSubstr("=>"));
}

TEST_F(Cowsim, EveryPlantedMistakeIsFound) {
  if (kSanitized) GTEST_SKIP() << "tests/sim finds them there";
  const Answer answer = cowsim("fuzz --bug=all");
  EXPECT_EQ(answer.code, 0) << answer.text;
  EXPECT_EQ(std::ranges::count(answer.text, '\n'), 12);
}

/// Whether this kernel tells this process which frames pages are in: it must tell whoever has
/// CAP_SYS_ADMIN.
bool may_see_frames() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (!line.starts_with("CapEff:")) continue;
    constexpr int kSysAdmin = 21;
    return (std::stoull(line.substr(7), nullptr, 16) >> kSysAdmin & 1) != 0;
  }
  return false;
}

/// The oracle agrees, and compared what it could: frames, or only values where it says why.
void expect_agreement(const Answer& answer) {
  EXPECT_EQ(answer.code, 0) << answer.text;
  EXPECT_THAT(answer.text, HasSubstr(may_see_frames() ? "compared: values, outcomes, faults and "
                                                        "frames; strict\n"
                                                      : "compared: values and outcomes only: this "
                                                        "kernel tells frames to root alone"));
  EXPECT_THAT(answer.text, HasSubstr(" 0 seeds differ; adopted: "));
}

TEST_F(Cowsim, AgreesWithTheKernel) {
  if (kSanitized) GTEST_SKIP() << kNotUnderSanitizers;
  expect_agreement(cowsim(is_long() ? "oracle --seeds=1..2000" : "oracle --seeds=1..40"));
}

TEST_F(Cowsim, AgreesWithTheKernelOnDiskFiles) {
  if (kSanitized) GTEST_SKIP() << kNotUnderSanitizers;
  const Answer answer = cowsim(std::string("oracle --disk=") + dir_.path().string() +
                               (is_long() ? " --seeds=1..2000" : " --seeds=1..20"));
  if (answer.text.find("new file") != std::string::npos)
    GTEST_SKIP() << "no unnamed files here: " << answer.text;
  expect_agreement(answer);
}

TEST_F(Cowsim, AgreesWithTheKernelOnAllProcessors) {
  if (kSanitized) GTEST_SKIP() << kNotUnderSanitizers;
  const Answer answer =
      cowsim(is_long() ? "oracle --unpinned --seeds=1..500" : "oracle --unpinned --seeds=1..20");
  EXPECT_EQ(answer.code, 0) << answer.text;
  EXPECT_THAT(answer.text, HasSubstr(may_see_frames() ? "frames; tolerant\n" : "values"));
}

/// The kernel maps 16 pages around a fault; this machine believes in 32.
constexpr const char* kBelievesInMore =
    "machine frames=64 swap=0 profile=linux fault-around=32\nfile f pages=32 kind=tmpfs\n"
    "proc p\np map A f shared 32\np read A.0\n";

TEST_F(Cowsim, AChoiceOfTheKernelIsAdoptedOnlyWhereItMayChoose) {
  if (kSanitized) GTEST_SKIP() << kNotUnderSanitizers;
  if (!may_see_frames()) GTEST_SKIP() << "needs to see frames (CAP_SYS_ADMIN)";
  const std::string file = trace(kBelievesInMore);
  const Answer pinned = cowsim("oracle " + file);
  EXPECT_EQ(pinned.code, 1) << pinned.text;
  EXPECT_THAT(pinned.text, HasSubstr("frames; strict\n"));
  EXPECT_THAT(pinned.text, HasSubstr("the kernel chose otherwise in each of 5 quiet runs"));
  for (const char* options : {"--strict", "--strict --unpinned"}) {
    const Answer strict = cowsim(std::string("oracle ") + options + " " + file);
    EXPECT_EQ(strict.code, 1) << options << strict.text;
    EXPECT_THAT(strict.text, HasSubstr("frames; strict at once\n"));
    EXPECT_THAT(strict.text, HasSubstr("the simulator has the page mapped, the kernel not"));
  }
  for (const char* option : {"--tolerant", "--unpinned"}) {
    const Answer tolerant = cowsim(std::string("oracle ") + option + " " + file);
    EXPECT_EQ(tolerant.code, 0) << option << tolerant.text;
    EXPECT_THAT(tolerant.text, HasSubstr("frames; tolerant\n"));
    EXPECT_THAT(tolerant.text, HasSubstr("adopted: 16 pages left out around a fault"));
  }
}

TEST_F(Cowsim, WhatTheKernelNeverDoesIsNeverAdopted) {
  if (kSanitized) GTEST_SKIP() << kNotUnderSanitizers;
  if (!may_see_frames()) GTEST_SKIP() << "needs to see frames (CAP_SYS_ADMIN)";
  const std::string file = trace(
      "machine frames=64 swap=0 profile=linux reuse=off\nproc p\np map A anon private 1\n"
      "p write A.0 'a'\np fork q\nq exit\np write A.0 'b'\n");
  for (const char* option : {"", "--tolerant", "--unpinned", "--strict"}) {
    // A kernel that is busy with the page copies it too: then there is nothing to see.
    Answer answer;
    for (int tries = 0; tries < 5 && answer.code != 1; ++tries)
      answer = cowsim(std::string("oracle ") + option + " " + file);
    EXPECT_EQ(answer.code, 1) << option << answer.text;
    EXPECT_THAT(answer.text, HasSubstr("the kernel let its owner take it")) << option;
  }
}

TEST_F(Cowsim, ValuesOfTheTextbookAgreeWithTheKernel) {
  if (kSanitized) GTEST_SKIP() << kNotUnderSanitizers;
  const Answer answer = cowsim(is_long() ? "oracle --profile=textbook --seeds=1..2000"
                                         : "oracle --profile=textbook --seeds=1..30");
  EXPECT_EQ(answer.code, 0) << answer.text;
  EXPECT_THAT(answer.text, HasSubstr("compared: values and outcomes only\n"));
}

TEST_F(Cowsim, AgreesWithPageFaultsOfItsOwn) {
  if (kSanitized) GTEST_SKIP() << kNotUnderSanitizers;
  const Answer answer = cowsim(is_long() ? "live --seeds=1..1000" : "live --seeds=1..60");
  EXPECT_EQ(answer.code, 0) << answer.text;
}

TEST_F(Cowsim, AComparisonThatMustFailDoes) {
  if (kSanitized) GTEST_SKIP() << kNotUnderSanitizers;
  for (const char* command : {"oracle --values-only ", "live "}) {
    for (const char* bug : {"forget-parent-protect", "copy-after-write"}) {
      const std::string line = std::string(command) + "--seeds=1..20 --bug=" + bug;
      const Answer answer = cowsim(line);
      EXPECT_EQ(answer.code, 1) << line << answer.text;
      EXPECT_THAT(answer.text, HasSubstr("cowsim: seed ")) << line;
    }
    const std::string shared =
        "proc p1\np1 map A anon private 1\np1 write A.0 'a'\np1 fork p2\n"
        "p1 write A.0 'b'\np2 read A.0\n";
    EXPECT_EQ(cowsim(command + trace(shared + "expect value 'a'\n")).code, 0) << command;
    const Answer wrong = cowsim(command + trace(shared + "expect value 'b'\n"));
    EXPECT_EQ(wrong.code, 1) << command << wrong.text;
    EXPECT_THAT(wrong.text, HasSubstr("trace.txt:7:1: 'expect value 'b'' does not hold"));
    const Answer planted =
        cowsim(std::string(command) + "--bug=forget-parent-protect " + trace(shared));
    EXPECT_EQ(planted.code, 1) << command << planted.text;
    EXPECT_EQ(cowsim(std::string(command) + "--bug=none-such").code, 2);
  }
}

constexpr const char* kWholeArea =
    "proc p1\np1 map C anon private 2\np1 write C 'C'\np1 read C.1\np1 write C.0-1+3 \"xyz\"\n"
    "p1 read C\np1 read C.0-5\n";

TEST_F(Cowsim, AnAccessToAWholeAreaIsOneToEachOfItsPages) {
  if (kSanitized) GTEST_SKIP() << kNotUnderSanitizers;
  for (const char* command : {"oracle ", "live "}) {
    const Answer answer = cowsim(command + trace(kWholeArea));
    EXPECT_EQ(answer.code, 0) << command << answer.text;
    EXPECT_THAT(answer.text, HasSubstr("trace.txt: all agree\n"));
  }
}

TEST_F(Cowsim, WhatATraceNeedsAndNobodyHasIsNoDifference) {
  if (kSanitized) GTEST_SKIP() << kNotUnderSanitizers;
  for (const char* name : {"fig-mmap", "vfork", "cp8", "swap"}) {
    const std::string file = trace(cowsim(std::string("demo --trace ") + name).text);
    for (const char* command : {"oracle ", "live "}) {
      const Answer answer = cowsim(command + file);
      EXPECT_EQ(answer.code, 77) << command << name << answer.text;
    }
  }
  const std::string page_c = trace(cowsim("demo --trace fig-c").text);
  EXPECT_EQ(cowsim("oracle " + page_c).code, 0);
  EXPECT_EQ(cowsim("live " + page_c).code, 0);
  const std::string short_of_frames =
      trace("machine frames=2 swap=4\nproc p\np map A anon private 4\np write A 'a'\n");
  EXPECT_EQ(cowsim("run -q " + short_of_frames).code, 0);
  EXPECT_EQ(cowsim("oracle " + short_of_frames).code, 77);
  EXPECT_EQ(cowsim("live " + short_of_frames).code, 77);
  const std::string of_linux = trace(
      "machine profile=linux\nfile f pages=2 kind=tmpfs\nproc p\np map A f shared 2\np read A.1\n");
  EXPECT_EQ(cowsim("live " + of_linux).code, 77);
}

TEST_F(Cowsim, ATextbookTraceOfFilesIsComparedByItsValues) {
  if (kSanitized) GTEST_SKIP() << kNotUnderSanitizers;
  for (const char* kind : {"shared", "private"}) {
    const std::string rest = std::string("file f pages=2 kind=disk\nproc p1\np1 map A f ") + kind +
                             " 2\np1 read A.1\np1 write A.0 'x'\n";
    const std::string disk = "oracle --disk=" + dir_.path().string() + " ";
    const Answer textbook = cowsim(disk + trace(rest));
    if (textbook.text.find("new file") != std::string::npos)
      GTEST_SKIP() << "no unnamed files here: " << textbook.text;
    EXPECT_EQ(textbook.code, 0) << kind << textbook.text;
    EXPECT_THAT(textbook.text, HasSubstr("compared: values and outcomes only: "));
    const Answer by_frames = cowsim(disk + trace("machine profile=linux\n" + rest));
    EXPECT_EQ(by_frames.code, 0) << kind << by_frames.text;
    if (may_see_frames()) {
      EXPECT_THAT(by_frames.text, HasSubstr("faults and frames"));
    }
  }
  const Answer late =
      cowsim("oracle " + trace("proc p1\nfile f pages=2 kind=tmpfs\np1 map A f private 2\n"));
  EXPECT_EQ(late.code, 77) << late.text;
  const Answer nowhere = cowsim("oracle --disk=/nosuch " + trace("file f pages=2 kind=disk\n"));
  EXPECT_EQ(nowhere.code, 1);
  EXPECT_THAT(nowhere.text, HasSubstr("new file in /nosuch: No such file or directory"));
}

TEST_F(Cowsim, CommandLinesThatMakeNoSenseAreRefused) {
  for (const char* line :
       {"", "jump", "run", "demo", "fuzz --seeds=5..1", "oracle --profile=windows", "fs",
        "fs . --fork=x", "quiz --seed=-1", "quiz --seed=18446744073709551616", "quiz --seed=1x",
        "oracle --strict --tolerant", "demo fork-cost --trace", "demo fork-cost --html=x.html",
        "demo vfork --most=4", "demo vfork --trace --svg=.", "demo vfork --trace --html=x.html",
        "demo vfork --trace --json", "demo vfork --trace -q"}) {
    EXPECT_EQ(cowsim(line).code, 2) << line;
  }
  EXPECT_EQ(cowsim("quiz --seed=18446744073709551615").code, 0);
  EXPECT_THAT(cowsim("run x --svg").text, HasSubstr("cowsim: option '--svg' needs a value\n"));
  // The next word is not the value that "=" left out.
  const Answer empty = cowsim("quiz --seed= 7");
  EXPECT_EQ(empty.code, 2);
  EXPECT_THAT(empty.text, HasSubstr("cowsim: '--seed=' has nothing behind its '='\n"));
  EXPECT_EQ(cowsim("demo nothing").code, 2);
  EXPECT_EQ(cowsim("run /nowhere").code, 1);
}

TEST_F(Cowsim, ADirectoryIsNoTrace) {
  for (const char* line :
       {"run /etc", "explain /etc", "oracle /etc", "live /etc", "run - < /etc"}) {
    const Answer answer = cowsim(line);
    EXPECT_EQ(answer.code, 1) << line;
    EXPECT_THAT(answer.text, HasSubstr(": Is a directory\n")) << line;
  }
  EXPECT_THAT(cowsim("run /etc").text, testing::StrEq("cowsim: /etc: Is a directory\n"));
  EXPECT_THAT(cowsim("run /nowhere").text, HasSubstr("/nowhere: No such file or directory"));
}

}  // namespace
}  // namespace cowfs
