// Every option that a program's help names is in its manual page and in the completions of all
// three shells.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <regex>
#include <set>
#include <string>

#include "tests/support/files.h"

namespace cowfs {
namespace {

using testing::HasSubstr;

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

std::string source_text(const std::string& path) {
  return contents(variable("COWFS_SRC_DIR") + "/" + path);
}

std::string help_of(const std::string& command) {
  FILE* pipe = ::popen(("'" + variable("COWFS_BIN_DIR") + "'/" + command + " --help").c_str(), "r");
  std::string out;
  std::array<char, 4096> buffer{};
  while (const std::size_t got = std::fread(buffer.data(), 1, buffer.size(), pipe)) {
    out.append(buffer.data(), got);
  }
  EXPECT_EQ(::pclose(pipe), 0) << command;
  return out;
}

/// All --long options that lines of a help page begin with, without their dashes.
std::set<std::string> long_options(const std::string& text) {
  static const std::regex option("\n +(-[A-Za-z], ?)*--([a-z][a-z-]+)");
  std::set<std::string> found;
  for (std::sregex_iterator it(text.begin(), text.end(), option), end; it != end; ++it) {
    found.insert((*it)[2]);
  }
  EXPECT_FALSE(found.empty());
  return found;
}

class DocumentedOptions : public testing::Test {
 protected:
  void SetUp() override {
    if (variable("COWFS_BIN_DIR").empty() || variable("COWFS_SRC_DIR").empty()) {
      GTEST_SKIP() << "COWFS_BIN_DIR and COWFS_SRC_DIR do not say where programs and pages are";
    }
  }

  static void expect_everywhere(const std::string& tool, int section, const std::string& help) {
    const std::string page = source_text("man/" + tool + "." + std::to_string(section));
    const std::string bash = source_text("completions/bash/" + tool);
    const std::string zsh = source_text("completions/zsh/_" + tool);
    const std::string fish = source_text("completions/fish/" + tool + ".fish");
    for (const std::string& option : long_options(help)) {
      EXPECT_THAT(page, HasSubstr("Fl Fl " + option)) << tool << "." << section;
      EXPECT_THAT(bash, HasSubstr("--" + option));
      EXPECT_THAT(zsh, HasSubstr("--" + option));
      EXPECT_THAT(fish, HasSubstr("-l " + option));
    }
  }
};

TEST_F(DocumentedOptions, OfMkfs) { expect_everywhere("mkfs.cowfs", 8, help_of("mkfs.cowfs")); }

TEST_F(DocumentedOptions, OfFsck) { expect_everywhere("fsck.cowfs", 8, help_of("fsck.cowfs")); }

TEST_F(DocumentedOptions, OfCowcp) { expect_everywhere("cowcp", 1, help_of("cowcp")); }

TEST_F(DocumentedOptions, OfCowsnap) {
  std::string help = help_of("cowsnap");
  for (const char* command : {"create", "fork", "list", "rename", "delete", "sync"}) {
    help += help_of(std::string("cowsnap ") + command);
    EXPECT_THAT(source_text("man/cowsnap.1"), HasSubstr(std::string(".It Cm ") + command));
  }
  expect_everywhere("cowsnap", 1, help);
}

TEST_F(DocumentedOptions, OfCowsim) {
  std::string help = help_of("cowsim");
  for (const char* command : {"run", "explain", "demo", "quiz", "fuzz", "oracle", "live", "fs"}) {
    help += help_of(std::string("cowsim ") + command);
    EXPECT_THAT(source_text("man/cowsim.1"), HasSubstr(std::string(".It Cm ") + command));
  }
  expect_everywhere("cowsim", 1, help);
}

TEST_F(DocumentedOptions, OfCowfs) {
  if (!std::filesystem::exists(variable("COWFS_BIN_DIR") + "/cowfs")) {
    GTEST_SKIP() << "cowfs is not built";
  }
  const std::string help = help_of("cowfs");
  expect_everywhere("cowfs", 8, help);
  // "  volume=NAME      mount this volume": what the help says of -o.
  static const std::regex mount_option("\n  ([a-z_]+)=?[A-Za-z]* +[a-z]");
  const std::string page = source_text("man/cowfs.8");
  for (std::sregex_iterator it(help.begin(), help.end(), mount_option), end; it != end; ++it) {
    EXPECT_THAT(page, HasSubstr(".It Cm " + (*it)[1].str()));
  }
}

}  // namespace
}  // namespace cowfs
