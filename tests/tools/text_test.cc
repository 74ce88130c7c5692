// Names, times and tables as the tools print them.
#include "tools/common/text.h"

#include <gtest/gtest.h>

namespace cowfs {
namespace {

using namespace std::string_view_literals;

TEST(EscapeWord, LeavesPlainNamesAsTheyAre) {
  EXPECT_EQ(escape_word("before-upgrade_1.2"), "before-upgrade_1.2");
  EXPECT_EQ(escape_word("grüße-日本-🐄"), "grüße-日本-🐄");
}

TEST(EscapeWord, MakesOneWordOfAnyBytes) {
  EXPECT_EQ(escape_word("two words"), "two\\040words");
  EXPECT_EQ(escape_word("a\nb\tc\\d"), "a\\nb\\tc\\\\d");
  EXPECT_EQ(escape_word("\x1b[31mred\x7f"), "\\033[31mred\\177");
  EXPECT_EQ(escape_word("\xff\xc3"), "\\377\\303");
  EXPECT_EQ(escape_word("\xc2\x9b"), "\\302\\233") << "a control character of two bytes";
}

TEST(EscapeControls, KeepsBlanksAndBackslashes) {
  EXPECT_EQ(escape_controls("C:\\a b"), "C:\\a b");
  EXPECT_EQ(escape_controls("a\rb"), "a\\rb");
}

TEST(Utf8, IsToldFromOtherBytes) {
  EXPECT_TRUE(is_utf8(""));
  EXPECT_TRUE(is_utf8("ä€𝄞\xf4\x8f\xbf\xbf"));
  for (const auto bad :
       {"\x80"sv, "\xc0\x80"sv, "\xc3"sv, "\xe0\x80\x80"sv, "\xed\xa0\x80"sv, "\xf0\x80\x80\x80"sv,
        "\xf4\x90\x80\x80"sv, "\xf5\x80\x80\x80"sv, "\xe2\x82"sv}) {
    EXPECT_FALSE(is_utf8(bad)) << escape_word(bad);
  }
}

TEST(FormatUtc, WritesIsoTime) {
  EXPECT_EQ(format_utc({0, 0}), "1970-01-01T00:00:00Z");
  EXPECT_EQ(format_utc({1772284455, 7}), "2026-02-28T13:14:15Z");
  EXPECT_EQ(format_utc_exact({1772284455, 7}), "2026-02-28T13:14:15.000000007Z");
  EXPECT_EQ(format_utc({-1, 0}), "1969-12-31T23:59:59Z");
  EXPECT_EQ(format_utc({253402300800, 0}), "+10000-01-01T00:00:00Z");
}

TEST(FormatTable, AlignsByCharactersAndEndsLinesWithoutBlanks) {
  EXPECT_EQ(format_table({{"NAME", "KIND"}, {"grüße", "fork"}, {"x", ""}}),
            "NAME   KIND\n"
            "grüße  fork\n"
            "x\n");
  EXPECT_EQ(format_table({}), "");
}

}  // namespace
}  // namespace cowfs
