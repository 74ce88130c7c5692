// The trace language: what it refuses, and where it says the mistake is.
#include "lib/sim/trace.h"

#include <gtest/gtest.h>

#include "lib/sim/runner.h"

namespace cowfs::sim {
namespace {

std::string error_of(std::string_view text) {
  const auto trace = parse_trace(text);
  return trace ? "none" : trace.error().text;
}

TEST(TraceLanguage, ErrorsNameLineAndColumn) {
  EXPECT_EQ(error_of("proc p1\n  p1 wirte A.0 'x'"), "2:6: unknown verb 'wirte'");
  EXPECT_EQ(error_of("p1 write A.0"),
            "1:13: expected a value ('x', \"text\", 0x00ff or 0 to 255) after 'A.0'");
  EXPECT_EQ(error_of("proc p1 ; p1 map A anon privat 3"), "1:25: expected private or shared");
  EXPECT_EQ(error_of("proc p1 extra"), "1:9: unexpected 'extra'");
  EXPECT_EQ(error_of("machine frames=0"), "1:9: frames=0: expected a number from 1 to 4194304");
  EXPECT_EQ(error_of("machine speed=9"), "1:9: unknown setting 'speed'");
  EXPECT_EQ(error_of("proc p1\nmachine frames=4"), "2:1: 'machine' comes first");
  EXPECT_EQ(error_of("expect wonders 3"), "1:8: cannot expect 'wonders'");
  EXPECT_EQ(error_of("p1 read A.5-2"),
            "1:9: 'A.5-2': expected a page number or FIRST-LAST after '.'");
  EXPECT_EQ(error_of("expect frame p1:C.2 = p2:C.2"), "1:21: expected == or !=");
  EXPECT_EQ(error_of("file f"), "1:6: a file needs pages=N");
}

TEST(TraceLanguage, CommentsQuotesAndSemicolons) {
  const auto trace = parse_trace(
      "proc p1 # ; nonsense\n\np1 map A anon private 1 ;p1 write A.0 '#'; p1 write A.0+1 \"a;b\" "
      ";\n");
  ASSERT_TRUE(trace) << trace.error().text;
  ASSERT_EQ(trace->statements.size(), 4U);
  EXPECT_EQ(trace->statements[2].operation->bytes, "#");
  EXPECT_EQ(trace->statements[3].operation->bytes, "a;b");
  EXPECT_EQ(trace->statements[3].operation->offset, 1U);
  EXPECT_EQ(trace->statements[3].line, 3U);
}

TEST(TraceLanguage, AnyBytesAreAnAnswerNotACrash) {
  for (const char* text : {"'", "\"", ";;;;", "p1", "expect", "p1 map", "machine =", "p1 read .",
                           "p1 read A.", "expect refs x", "file f pages=99999999999", "\xff\xfe",
                           "p1 write A.0 0x0", "evict", "snapshot ../x"}) {
    EXPECT_NE(error_of(text), "") << text;
  }
  EXPECT_EQ(error_of("snapshot ../x").substr(0, 5), "1:10:");
}

TEST(TraceRun, UnmetExpectationsSayWhatIs) {
  const auto trace = parse_trace(
      "proc p1 ; p1 map A anon private 1\np1 write A.0 'x' ; expect read p1 A.0 'y'\nexpect used "
      "7");
  ASSERT_TRUE(trace);
  const auto failures = run_trace(*trace);
  ASSERT_EQ(failures.size(), 2U);
  EXPECT_EQ(failures[0].line, 2U);
  EXPECT_EQ(failures[0].column, 20U);
  EXPECT_EQ(failures[0].text, "'expect read p1 A.0 'y'' does not hold: it is 'x'");
  EXPECT_EQ(failures[1].text, "'expect used 7' does not hold: it is 1");
}

TEST(TraceRun, AnOperationThatFailsMustBeExpectedTo) {
  const auto strict = parse_trace("proc p1 ; p1 read A.0");
  ASSERT_TRUE(strict);
  EXPECT_EQ(run_trace(*strict).size(), 1U);
  const auto expected = parse_trace("proc p1 ; p1 read A.0 ; expect outcome segv");
  ASSERT_TRUE(expected);
  EXPECT_TRUE(run_trace(*expected).empty());
  const auto lenient = parse_trace("lenient\nproc p1 ; p1 read A.0");
  ASSERT_TRUE(lenient);
  EXPECT_TRUE(run_trace(*lenient).empty());
}

}  // namespace
}  // namespace cowfs::sim
