#include "fs/options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fs/mount_options.h"

namespace cowfs {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

using Line = std::vector<std::string>;

Options parsed(const Line& line) {
  Result<Options> options = parse_command_line(line);
  EXPECT_TRUE(options) << options.error().text;
  return options ? *options : Options{};
}

std::string refused(const Line& line) {
  const Result<Options> options = parse_command_line(line);
  EXPECT_FALSE(options);
  return options ? std::string() : options.error().text;
}

TEST(CommandLine, StoreAndMountPointAreEnough) {
  const Options options = parsed({"cowfs", "/store", "/mnt"});
  EXPECT_EQ(options.action, Action::kMount);
  EXPECT_EQ(options.store, "/store");
  EXPECT_EQ(options.mountpoint, "/mnt");
  EXPECT_EQ(options.volume, "main");
  EXPECT_TRUE(options.snapshot_directories);
  EXPECT_FALSE(options.foreground || options.read_only || options.create || options.debug);
}

TEST(CommandLine, OptionsMayStandAnywhere) {
  const Options options = parsed({"cowfs", "-f", "/store", "-o", "ro,volume=monday", "/mnt",
                                  "-ocommit=7,cache=128,journal=64", "--log", "/log"});
  EXPECT_TRUE(options.foreground);
  EXPECT_TRUE(options.read_only);
  EXPECT_EQ(options.volume, "monday");
  EXPECT_EQ(options.commit_interval, std::chrono::seconds(7));
  EXPECT_EQ(options.journal_mib, 64u);
  EXPECT_EQ(options.cache_mib, 128u);
  EXPECT_EQ(options.log_file, "/log");
}

TEST(CommandLine, DebugStaysInTheForegroundAndLogsAll) {
  const Options options = parsed({"cowfs", "-d", "/store", "/mnt"});
  EXPECT_TRUE(options.debug && options.foreground);
  EXPECT_EQ(options.log_level, LogLevel::kDebug);
}

TEST(CommandLine, UnmountTakesOnePlace) {
  const Options options = parsed({"cowfs", "--unmount", "/mnt"});
  EXPECT_EQ(options.action, Action::kUnmount);
  EXPECT_EQ(options.mountpoint, "/mnt");
  EXPECT_THAT(refused({"cowfs", "--unmount", "/store", "/mnt"}), HasSubstr("MOUNTPOINT"));
  EXPECT_THAT(refused({"cowfs", "--unmount"}), HasSubstr("MOUNTPOINT"));
}

TEST(CommandLine, WhatIsMissingOrUnknownIsRefused) {
  EXPECT_THAT(refused({"cowfs"}), HasSubstr("STORE MOUNTPOINT"));
  EXPECT_THAT(refused({"cowfs", "/store"}), HasSubstr("STORE MOUNTPOINT"));
  EXPECT_THAT(refused({"cowfs", "/store", "/mnt", "/more"}), HasSubstr("/more"));
  EXPECT_THAT(refused({"cowfs", "--frobnicate", "/store", "/mnt"}), HasSubstr("--frobnicate"));
  EXPECT_THAT(refused({"cowfs", "/store", "/mnt", "-o", "frobnicate"}),
              HasSubstr("frobnicate: unknown mount option"));
  EXPECT_THAT(refused({"cowfs", "/store", "/mnt", "--lazy"}), HasSubstr("--unmount"));
  EXPECT_THAT(refused({"cowfs", "--create", "/store", "/mnt", "-o", "ro"}), HasSubstr("ro"));
}

TEST(CommandLine, WhatWouldBeIgnoredIsRefused) {
  for (const Line& line :
       {Line{"cowfs", "-l", "/mnt"}, Line{"cowfs", "--force", "/mnt"},
        Line{"cowfs", "-l", "/store", "/mnt"}, Line{"cowfs", "--unmount", "--create", "/mnt"},
        Line{"cowfs", "--unmount", "/mnt", "-o", "ro"}, Line{"cowfs", "--unmount", "-f", "/mnt"},
        Line{"cowfs", "--unmount", "-d", "/mnt"},
        Line{"cowfs", "--unmount", "--log", "/log", "/mnt"}}) {
    EXPECT_THAT(refused(line), HasSubstr("--unmount"));
  }
  EXPECT_TRUE(parsed({"cowfs", "--unmount", "-l", "--force", "/mnt"}).lazy);
  EXPECT_THAT(refused({"cowfs", "--log", "", "/store", "/mnt"}), HasSubstr("--log needs a file"));
  EXPECT_THAT(refused({"cowfs", "--log=", "/store", "/mnt"}),
              HasSubstr("'--log=' has nothing behind its '='"));
  for (const char* word : {"--unmount=false", "--create=0", "--foreground=false", "--debug=0",
                           "--lazy=2", "--force=false", "--version=x"}) {
    EXPECT_THAT(refused({"cowfs", word, "/store", "/mnt"}), HasSubstr("flag override")) << word;
  }
  EXPECT_EQ(parsed({"cowfs", "--log=x=", "/store", "/mnt"}).log_file, "x=");
  EXPECT_EQ(parsed({"cowfs", "--", "--store=", "/mnt"}).store, "--store=");
}

TEST(CommandLine, HelpAndVersionAreSaid) {
  const Options help = parsed({"cowfs", "--help"});
  EXPECT_EQ(help.action, Action::kSay);
  EXPECT_THAT(help.message, HasSubstr("nosnapdir"));
  EXPECT_THAT(help.message, HasSubstr("Exit codes"));
  const Options version = parsed({"cowfs", "--version"});
  EXPECT_EQ(version.action, Action::kSay);
  EXPECT_THAT(version.message, HasSubstr(COWFS_VERSION));
}

TEST(MountHelper, TakesWhatMountGives) {
  const Options options =
      parsed({"/sbin/mount.cowfs", "/store", "/mnt", "-n", "-v", "-o",
              "rw,noatime,user,x-systemd.automount,_netdev", "-t", "fuse.cowfs"});
  EXPECT_EQ(options.action, Action::kMount);
  EXPECT_FALSE(options.foreground);
  EXPECT_THAT(options.mount_options, ElementsAre("noatime"));
}

TEST(MountHelper, PretendsWithMinusF) {
  EXPECT_EQ(parsed({"mount.fuse.cowfs", "/store", "/mnt", "-f"}).action, Action::kPretendToMount);
}

TEST(MountHelper, SkipsUnknownOptionsWhenSloppyAlone) {
  EXPECT_EQ(parsed({"mount.cowfs", "/store", "/mnt", "-s", "-o", "frobnicate,ro"}).read_only, true);
  EXPECT_THAT(refused({"mount.cowfs", "/store", "/mnt", "-o", "frobnicate"}),
              HasSubstr("unknown mount option"));
  EXPECT_THAT(refused({"mount.cowfs", "/store", "/mnt", "-s", "-o", "commit=x"}),
              HasSubstr("must be a number"));
}

TEST(UnmountHelper, TakesWhatUmountGives) {
  const Options options = parsed({"/sbin/umount.fuse.cowfs", "/mnt", "-l", "-t", "fuse.cowfs"});
  EXPECT_EQ(options.action, Action::kUnmount);
  EXPECT_EQ(options.mountpoint, "/mnt");
  EXPECT_TRUE(options.lazy);
  EXPECT_FALSE(options.force);
}

TEST(MountOptions, AreSplitAtCommasThatHaveNoBackslash) {
  EXPECT_THAT(split_mount_options("ro,volume=a\\,b,x\\\\y"),
              ElementsAre("ro", "volume=a,b", "x\\y"));
  EXPECT_THAT(split_mount_options(""), ElementsAre(""));
}

TEST(MountOptions, EscapingAndSplittingGiveTheWordBack) {
  const std::string word = "fsname=/a,b\\c,,";
  EXPECT_THAT(split_mount_options(escape_mount_option(word)), ElementsAre(word));
}

TEST(MountOptions, ThatNeedAValueSaySo) {
  Options options;
  for (const std::string key : {"volume", "commit", "journal", "cache", "loglevel", "log", "fsname",
                                "subtype", "context"}) {
    for (const std::string& word : {key, key + "="}) {
      const Result<void> applied = apply_mount_option(options, word);
      ASSERT_FALSE(applied) << word;
      EXPECT_EQ(applied.error().code, ErrorCode::kInvalidArgument) << word;
      EXPECT_THAT(applied.error().text, HasSubstr(key + ": needs a value")) << word;
    }
  }
  for (const char* word : {"ro=1", "nosnapdir=yes", "allow_other=1"}) {
    const Result<void> applied = apply_mount_option(options, word);
    ASSERT_FALSE(applied) << word;
    EXPECT_THAT(applied.error().text, HasSubstr("takes no value")) << word;
  }
}

TEST(MountOptions, TheLastOfTwoThatContradictCounts) {
  Options options;
  EXPECT_TRUE(apply_mount_options(options, "ro,rw,snapdir,nosnapdir,commit=3,commit=7", false));
  EXPECT_FALSE(options.read_only || options.snapshot_directories);
  EXPECT_EQ(options.commit_interval, std::chrono::seconds(7));
  EXPECT_TRUE(apply_mount_options(options, "rw,ro", false));
  EXPECT_TRUE(options.read_only);
}

TEST(MountOptions, NumbersHaveLimits) {
  Options options;
  for (const char* word :
       {"commit=0", "commit=301", "commit=", "commit=5s", "commit=-1", "cache=0", "journal=15",
        "journal=65537", "cache=65537", "cache=18446744073709551616"}) {
    const Result<void> applied = apply_mount_option(options, word);
    ASSERT_FALSE(applied) << word;
    EXPECT_EQ(applied.error().code, ErrorCode::kInvalidArgument) << word;
  }
  EXPECT_TRUE(apply_mount_option(options, "commit=300"));
  EXPECT_TRUE(apply_mount_option(options, "cache=65536"));
}

TEST(MountOptions, TheKernelsOwnGoOnToIt) {
  Options options;
  EXPECT_TRUE(apply_mount_options(
      options, "allow_other,nosuid,nodev,noexec,context=\"a:b:c0\\,c1\",defaults,relatime", false));
  EXPECT_THAT(options.mount_options,
              ElementsAre("allow_other", "nosuid", "nodev", "noexec", "context=\"a:b:c0,c1\""));
}

TEST(MountOptions, RemountIsRefused) {
  Options options;
  EXPECT_FALSE(apply_mount_options(options, "remount,ro", false));
  EXPECT_FALSE(apply_mount_options(options, "remount", true));
}

TEST(MountOptions, LevelsOfTheLogHaveNames) {
  Options options;
  EXPECT_TRUE(apply_mount_option(options, "loglevel=warning"));
  EXPECT_EQ(options.log_level, LogLevel::kWarning);
  EXPECT_FALSE(apply_mount_option(options, "loglevel=loud"));
}

}  // namespace
}  // namespace cowfs
