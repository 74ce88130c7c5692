// Options mean what they mean in cp: in their order, by any unambiguous beginning, with operands as
// raw bytes.
#include "tools/cowcp/command_line.h"

#include <gtest/gtest.h>

namespace cowfs {
namespace {

Parsed parse(std::vector<const char*> arguments) {
  arguments.insert(arguments.begin(), "cowcp");
  return parse_command_line(static_cast<int>(arguments.size()), arguments.data());
}
CopyOptions options(const std::vector<const char*>& arguments) {
  return parse(arguments).line.options;
}

TEST(CommandLine, TheLastOfTwoThatContradictCounts) {
  EXPECT_EQ(options({"-i", "-n", "a", "b"}).interactive, Interactive::kNeverOverwrite);
  EXPECT_EQ(options({"-n", "-i", "a", "b"}).interactive, Interactive::kAsk);
  EXPECT_EQ(options({"-L", "-P", "a", "b"}).dereference, Dereference::kNever);
  EXPECT_FALSE(options({"-a", "--no-preserve=mode", "a", "b"}).preserve.mode);
  EXPECT_TRUE(options({"--no-preserve=mode", "-a", "a", "b"}).preserve.mode);
  EXPECT_EQ(options({"--sparse=always", "--sparse=never", "a", "b"}).sparse, When::kNever);
}

TEST(CommandLine, AnUnambiguousBeginningIsEnough) {
  EXPECT_TRUE(options({"--rec", "a", "b"}).recursive);
  EXPECT_EQ(options({"--spar=al", "a", "b"}).sparse, When::kAlways);
  EXPECT_EQ(options({"--meth", "mm", "a", "b"}).method, Method::kMmap);
  EXPECT_EQ(parse({"--re", "a", "b"}).exit_code, 1);
  EXPECT_EQ(parse({"--sparse=a", "a", "b"}).exit_code, 1);
}

TEST(CommandLine, OptionalValuesComeAfterAnEqualsSignOnly) {
  const Parsed parsed = parse({"--reflink", "--preserve", "--backup", "a", "b"});
  EXPECT_EQ(parsed.line.options.reflink, When::kAlways);
  EXPECT_TRUE(parsed.line.options.preserve.timestamps);
  EXPECT_EQ(parsed.line.options.backup, Backup::kExisting);
  EXPECT_EQ(parsed.line.operands, (std::vector<std::string>{"a", "b"}));
}

TEST(CommandLine, AnEmptyValueTakesNoOperand) {
  const Parsed parsed = parse({"--suffix=", "--backup=", "a", "b"});
  EXPECT_EQ(parsed.line.options.backup_suffix, "~");
  EXPECT_EQ(parsed.line.options.backup, Backup::kExisting);
  EXPECT_EQ(parsed.line.operands, (std::vector<std::string>{"a", "b"}));
}

TEST(CommandLine, AMethodThatContradictsWhatIsAskedForIsRefused) {
  for (const char* method : {"--method=copy-range", "--method=mmap", "--method=read-write"}) {
    EXPECT_EQ(parse({"--reflink=always", method, "a", "b"}).exit_code, 1) << method;
    EXPECT_FALSE(parse({"--reflink=never", method, "a", "b"}).exit_code) << method;
    EXPECT_FALSE(parse({"--sparse=always", method, "a", "b"}).exit_code) << method;
  }
  for (const char* method : {"--method=clone", "--method=clone-tree"}) {
    EXPECT_EQ(parse({"--reflink=never", method, "a", "b"}).exit_code, 1) << method;
    EXPECT_FALSE(parse({"--reflink=always", method, "a", "b"}).exit_code) << method;
  }
  EXPECT_EQ(parse({"--sparse=never", "--method=clone", "a", "b"}).exit_code, 1);
  EXPECT_FALSE(parse({"--reflink=always", "--method=auto", "a", "b"}).exit_code);
}

TEST(CommandLine, BackupsWithoutAWordLeaveAnEarlierWord) {
  EXPECT_EQ(options({"--backup=none", "-S.x", "a", "b"}).backup, Backup::kNone);
  EXPECT_EQ(options({"--backup=simple", "-b", "a", "b"}).backup, Backup::kSimple);
  EXPECT_EQ(options({"--backup=simple", "--backup", "a", "b"}).backup, Backup::kSimple);
  EXPECT_EQ(options({"-b", "--backup=numbered", "a", "b"}).backup, Backup::kNumbered);
}

TEST(CommandLine, OperandsAreBytes) {
  const Parsed parsed = parse({"[a,b]", "{}", "-", "--", "-r", "--", "x=y", ""});
  EXPECT_FALSE(parsed.line.options.recursive);
  EXPECT_EQ(parsed.line.operands,
            (std::vector<std::string>{"[a,b]", "{}", "-", "-r", "--", "x=y", ""}));
}

TEST(CommandLine, OptionsMayFollowOperandsAndCarryTheirValues) {
  const Parsed parsed = parse({"a", "-rvt", "dir", "b", "-S.x", "-j8"});
  EXPECT_TRUE(parsed.line.options.recursive);
  EXPECT_TRUE(parsed.line.options.verbose);
  EXPECT_EQ(parsed.line.options.target_directory, "dir");
  EXPECT_EQ(parsed.line.options.backup_suffix, ".x");
  EXPECT_EQ(parsed.line.options.jobs, 8u);
  EXPECT_EQ(parsed.line.operands, (std::vector<std::string>{"a", "b"}));
}

TEST(CommandLine, NonsenseIsRefused) {
  for (const char* word : {"-Q", "--nonsense", "--sparse=x", "--preserve=y", "--method=x", "-j0",
                           "-j-1", "-jx", "-S"}) {
    EXPECT_EQ(parse({"a", "b", word}).exit_code, 1) << word;
  }
  for (const char* word :
       {"--preserve=", "--no-preserve=", "--sparse=", "--reflink=", "--progress=", "--update=",
        "--update=none", "--help=x", "--preserve=mode,", "-j99999", "-j65"}) {
    EXPECT_EQ(parse({word, "a", "b"}).exit_code, 1) << word;
  }
  EXPECT_EQ(parse({"-l", "-s", "a", "b"}).exit_code, 1);
  EXPECT_EQ(parse({"-b", "-n", "a", "b"}).exit_code, 1);
  EXPECT_EQ(parse({"--backup=none", "-n", "a", "b"}).exit_code, 1);
}

}  // namespace
}  // namespace cowfs
