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

TEST_F(Cowsim, DemosExplainAndDraw) {
  for (const char* name : {"fig-c", "fig-mmap", "vfork", "cp8", "swap"}) {
    const Answer answer = cowsim(std::string("demo ") + name + " --svg=" + dir_.path().string() +
                                 " --html=" + path("page.html"));
    EXPECT_EQ(answer.code, 0) << name << answer.text;
    EXPECT_THAT(contents(path("page.html")), HasSubstr("<section>"));
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
  for (const char* name : {"fig-c-before", "fig-c-after", "fig-mmap", "vfork-child", "vfork-exec",
                           "cp8", "swap-later"}) {
    const std::string file = std::string(name) + ".svg";
    EXPECT_EQ(contents(path(file)), contents(std::string(source) + "/docs/simulator/" + file))
        << file;
  }
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

TEST_F(Cowsim, AgreesWithTheKernel) {
  if (kSanitized) GTEST_SKIP() << kNotUnderSanitizers;
  const Answer answer = cowsim(is_long() ? "oracle --seeds=1..2000" : "oracle --seeds=1..40");
  if (answer.code == 77) GTEST_SKIP() << answer.text;
  EXPECT_EQ(answer.code, 0) << answer.text;
}

TEST_F(Cowsim, AgreesWithTheKernelOnDiskFiles) {
  if (kSanitized) GTEST_SKIP() << kNotUnderSanitizers;
  const Answer answer = cowsim(std::string("oracle --disk=") + dir_.path().string() +
                               (is_long() ? " --seeds=1..2000" : " --seeds=1..20"));
  if (answer.code == 77) GTEST_SKIP() << answer.text;
  if (answer.text.find("new file") != std::string::npos)
    GTEST_SKIP() << "no unnamed files here: " << answer.text;
  EXPECT_EQ(answer.code, 0) << answer.text;
}

TEST_F(Cowsim, ValuesOfTheTextbookAgreeWithTheKernelWithoutPrivileges) {
  if (kSanitized) GTEST_SKIP() << kNotUnderSanitizers;
  const Answer answer = cowsim(is_long() ? "oracle --profile=textbook --seeds=1..2000"
                                         : "oracle --profile=textbook --seeds=1..30");
  EXPECT_EQ(answer.code, 0) << answer.text;
}

TEST_F(Cowsim, AgreesWithPageFaultsOfItsOwn) {
  if (kSanitized) GTEST_SKIP() << kNotUnderSanitizers;
  const Answer answer = cowsim(is_long() ? "live --seeds=1..1000" : "live --seeds=1..60");
  if (answer.code == 77) GTEST_SKIP() << answer.text;
  EXPECT_EQ(answer.code, 0) << answer.text;
}

TEST_F(Cowsim, CommandLinesThatMakeNoSenseAreRefused) {
  for (const char* line : {"", "jump", "run", "demo", "fuzz --seeds=5..1",
                           "oracle --profile=windows", "fs", "fs . --fork=x"}) {
    EXPECT_EQ(cowsim(line).code, 2) << line;
  }
  EXPECT_EQ(cowsim("demo nothing").code, 2);
  EXPECT_EQ(cowsim("run /nowhere").code, 1);
}

}  // namespace
}  // namespace cowfs
