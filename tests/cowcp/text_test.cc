// What cowcp writes: quoted names, the progress line, bytes and seconds; names of backups.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "tests/support/temp_dir.h"
#include "tools/cowcp/backup.h"
#include "tools/cowcp/progress.h"
#include "tools/cowcp/quote.h"
#include "tools/cowcp/units.h"

namespace cowfs {
namespace {

using testing::HasSubstr;
using testing::Not;

TEST(Quote, DoesAsGnuTools) {
  EXPECT_EQ(quote("a b"), "'a b'");
  EXPECT_EQ(quote("it's"), "\"it's\"");
  EXPECT_EQ(quote("a$'b"), "'a$'\\''b'");
  EXPECT_EQ(quote("a~'b"), "'a~'\\''b'");
  EXPECT_EQ(quote("a\nb"), "'a'$'\\n''b'");
  EXPECT_EQ(quote("\n"), "''$'\\n'");
  EXPECT_EQ(quote("a\x01\x7f"), "'a'$'\\001\\177'");
  EXPECT_EQ(quote(""), "''");
  EXPECT_EQ(quote_if_needed("there/a-b.c"), "there/a-b.c");
  EXPECT_EQ(quote_if_needed("a b"), "'a b'");
}

TEST(Units, AreForPeople) {
  EXPECT_EQ(format_bytes(0), "0 B");
  EXPECT_EQ(format_bytes(1023), "1023 B");
  EXPECT_EQ(format_bytes(1536), "1.5 KiB");
  EXPECT_EQ(format_bytes(std::uint64_t{1} << 40), "1.0 TiB");
  EXPECT_EQ(format_seconds(7), "0:07");
  EXPECT_EQ(format_seconds(3661), "1:01:01");
}

TEST(ProgressLine, ShowsABarOnlyWhereTheWholeIsKnown) {
  ProgressState state{.bytes = 1 << 20,
                      .files = 3,
                      .whole_bytes = 4 << 20,
                      .whole_files = 9,
                      .whole_known = true,
                      .seconds = 2};
  const std::string line = progress_line(state, 120, false);
  EXPECT_THAT(
      line,
      HasSubstr("[######------------------]  25% 1.0 MiB/4.0 MiB 3/9 files 512 KiB/s 0:06 left"));
  state.whole_known = false;
  EXPECT_EQ(progress_line(state, 120, false), "1.0 MiB 3 files 512 KiB/s");
}

TEST(ProgressLine, FitsAndIsColouredOnlyWhereAsked) {
  const ProgressState state{.bytes = 5,
                            .files = 1,
                            .whole_bytes = 5,
                            .whole_files = 1,
                            .whole_known = true,
                            .seconds = 1};
  EXPECT_LT(progress_line(state, 20, false).size(), 20u);
  EXPECT_THAT(progress_line(state, 100, false), Not(HasSubstr("\033")));
  EXPECT_THAT(progress_line(state, 100, true), HasSubstr("\033[32m"));
}

TEST(Backups, AreNumberedAfterTheHighest) {
  const TempDir temp;
  for (const char* name : {"f", "f.~1~", "f.~12~", "f.~x~", "f.~~", "other.~99~"})
    std::ofstream(temp / name);
  const Place target{AT_FDCWD, temp / "f", "f"};
  CopyOptions options;
  options.backup = Backup::kExisting;
  EXPECT_EQ(backup_place(target, options).shown, "f.~13~");
  options.backup = Backup::kSimple;
  EXPECT_EQ(backup_place(target, options).shown, "f~");
  options.backup = Backup::kExisting;
  EXPECT_EQ(backup_place({AT_FDCWD, temp / "new", "new"}, options).shown, "new~");
  options.backup = Backup::kNumbered;
  EXPECT_EQ(backup_place({AT_FDCWD, temp / "new", "new"}, options).shown, "new.~1~");
}

}  // namespace
}  // namespace cowfs
