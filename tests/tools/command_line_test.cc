// Command lines of the real programs: usage errors, exit codes, help, versions, and stores that
// mkfs.cowfs makes.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "lib/base/unique_fd.h"
#include "tests/support/files.h"

namespace cowfs {
namespace {

using testing::HasSubstr;
using testing::MatchesRegex;
using testing::StartsWith;

std::string bin_dir() {
  const char* dir = std::getenv("COWFS_BIN_DIR");
  return dir == nullptr ? "" : dir;
}

struct Said {
  int exit_code = -1;
  std::string out;
  std::string err;
};

class CommandLine : public testing::Test {
 protected:
  void SetUp() override {
    if (bin_dir().empty()) GTEST_SKIP() << "COWFS_BIN_DIR does not say where the programs are";
    std::string name = testing::TempDir() + "cowfs-tools.XXXXXX";
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    dir_ = name;
  }
  void TearDown() override {
    if (!dir_.empty()) std::filesystem::remove_all(dir_);
  }

  std::string path(const std::string& name) const { return dir_ + "/" + name; }

  /// Runs a program with its stdout and stderr in files.
  Said run(std::vector<std::string> words, const std::string& out_path = "",
           const std::string& err_path = "") {
    words.front() = bin_dir() + "/" + words.front();
    std::vector<char*> argv;
    for (std::string& word : words) argv.push_back(word.data());
    argv.push_back(nullptr);
    const std::string out = out_path.empty() ? path("out") : out_path;
    const std::string err = err_path.empty() ? path("err") : err_path;
    const pid_t child = ::fork();
    if (child == 0) {
      ::dup2(::open(out.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600), STDOUT_FILENO);
      ::dup2(::open(err.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600), STDERR_FILENO);
      ::execv(argv[0], argv.data());
      ::_exit(127);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    Said said;
    said.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    if (out_path.empty()) said.out = contents(out);
    if (err_path.empty()) said.err = contents(err);
    return said;
  }

  std::string dir_;
};

// Help and versions.

TEST_F(CommandLine, HelpGoesToStdoutAndIsNoError) {
  for (const std::vector<std::string>& words :
       std::vector<std::vector<std::string>>{{"cowsnap", "--help"},
                                             {"cowsnap", "-h"},
                                             {"cowsnap", "create", "--help"},
                                             {"cowsnap", "fork", "-h"},
                                             {"cowsnap", "list", "--help"},
                                             {"cowsnap", "rename", "--help"},
                                             {"cowsnap", "delete", "--help"},
                                             {"cowsnap", "sync", "--help"},
                                             {"mkfs.cowfs", "--help"}}) {
    const std::string usage = words.size() == 3 ? words[0] + " " + words[1] : words[0];
    const Said said = run(words);
    EXPECT_EQ(said.exit_code, 0);
    EXPECT_THAT(said.out, StartsWith("Usage: " + usage + " "));
    EXPECT_EQ(said.err, "");
  }
}

TEST_F(CommandLine, HelpFitsATerminalOfEightyColumns) {
  for (const char* command : {"", "create", "fork", "list", "rename", "delete", "sync"}) {
    std::vector<std::string> words{"cowsnap", "--help"};
    if (*command != '\0') words.insert(words.begin() + 1, command);
    std::istringstream lines(run(words).out);
    for (std::string line; std::getline(lines, line);) EXPECT_LE(line.size(), 80u) << line;
  }
}

TEST_F(CommandLine, VersionsNameTheProgram) {
  EXPECT_EQ(run({"cowsnap", "--version"}).out, "cowsnap (cowfs) " COWFS_VERSION "\n");
  EXPECT_EQ(run({"mkfs.cowfs", "-V"}).out, "mkfs.cowfs (cowfs) " COWFS_VERSION "\n");
}

// Usage errors.

struct Mistake {
  std::vector<std::string> words;
  const char* said;
};

void PrintTo(const Mistake& mistake, std::ostream* out) {
  for (const std::string& word : mistake.words) *out << '\'' << word << "' ";
}

class Mistakes : public CommandLine, public testing::WithParamInterface<Mistake> {};

TEST_P(Mistakes, AreExitCodeTwoAndSayWhere) {
  const Said said = run(GetParam().words);
  EXPECT_EQ(said.exit_code, 2);
  EXPECT_EQ(said.out, "");
  EXPECT_EQ(said.err, GetParam().said);
}

INSTANTIATE_TEST_SUITE_P(
    Cowsnap, Mistakes,
    testing::Values(
        Mistake{{"cowsnap"}, "cowsnap: a command is required\nTry 'cowsnap --help'.\n"},
        Mistake{{"cowsnap", "frob", "/"},
                "cowsnap: unknown command 'frob'\nTry 'cowsnap --help'.\n"},
        Mistake{{"cowsnap", "--frob"}, "cowsnap: unknown option '--frob'\nTry 'cowsnap --help'.\n"},
        Mistake{{"cowsnap", "create"}, "cowsnap: PATH is required\nTry 'cowsnap create --help'.\n"},
        Mistake{{"cowsnap", "create", "/", "a", "b"},
                "cowsnap: unexpected argument 'b'\nTry 'cowsnap create --help'.\n"},
        Mistake{{"cowsnap", "create", "/", "-x"},
                "cowsnap: unknown option '-x'\nTry 'cowsnap create --help'.\n"},
        Mistake{{"cowsnap", "fork", "/"},
                "cowsnap: NAME is required\nTry 'cowsnap fork --help'.\n"},
        Mistake{{"cowsnap", "list", "--json=false", "/"},
                "cowsnap: option '--json' takes no value\nTry 'cowsnap list --help'.\n"},
        Mistake{{"cowsnap", "list"}, "cowsnap: PATH is required\nTry 'cowsnap list --help'.\n"},
        Mistake{{"cowsnap", "list", "/", "x"},
                "cowsnap: unexpected argument 'x'\nTry 'cowsnap list --help'.\n"},
        Mistake{{"cowsnap", "rename", "/", "a"},
                "cowsnap: NEW is required\nTry 'cowsnap rename --help'.\n"},
        Mistake{{"cowsnap", "delete", "/"},
                "cowsnap: NAME is required\nTry 'cowsnap delete --help'.\n"},
        Mistake{{"cowsnap", "sync"}, "cowsnap: PATH is required\nTry 'cowsnap sync --help'.\n"}));

INSTANTIATE_TEST_SUITE_P(
    Names, Mistakes,
    testing::Values(
        Mistake{{"cowsnap", "create", "/", ""}, "cowsnap: '': a name has at least one byte\n"},
        Mistake{{"cowsnap", "create", "/", "."}, "cowsnap: .: this name is reserved\n"},
        Mistake{{"cowsnap", "fork", "/", ".."}, "cowsnap: ..: this name is reserved\n"},
        Mistake{{"cowsnap", "fork", "/", ".cowfs"}, "cowsnap: .cowfs: this name is reserved\n"},
        Mistake{{"cowsnap", "create", "/", "a/b"}, "cowsnap: a/b: a name has no '/'\n"},
        Mistake{{"cowsnap", "rename", "/", "a", "b/"}, "cowsnap: b/: a name has no '/'\n"},
        Mistake{{"cowsnap", "delete", "/", "[a/,b]"}, "cowsnap: [a/,b]: a name has no '/'\n"},
        Mistake{{"cowsnap", "delete", "/", "{}", "ok", "[/"}, "cowsnap: [/: a name has no '/'\n"},
        Mistake{{"cowsnap", "delete", "/", "ok", "a\nb/"},
                "cowsnap: a\\nb/: a name has no '/'\n"}));

INSTANTIATE_TEST_SUITE_P(
    Mkfs, Mistakes,
    testing::Values(Mistake{{"mkfs.cowfs"},
                            "mkfs.cowfs: STORE is required\nTry 'mkfs.cowfs --help'.\n"},
                    Mistake{{"mkfs.cowfs", "a", "b"},
                            "mkfs.cowfs: unexpected argument 'b'\nTry 'mkfs.cowfs --help'.\n"},
                    Mistake{{"mkfs.cowfs", "--size=1", "a"},
                            "mkfs.cowfs: unknown option '--size=1'\nTry 'mkfs.cowfs --help'.\n"}));

TEST_F(CommandLine, NamesOf255BytesAreAllowedAndLongerOnesAreNot) {
  EXPECT_EQ(run({"cowsnap", "create", "/", std::string(255, 'n')}).exit_code, 1);
  EXPECT_EQ(run({"cowsnap", "create", "/", std::string(256, 'n')}).exit_code, 2);
}

// Names that option parsers like to take apart.
TEST_F(CommandLine, OddNamesReachTheCommand) {
  for (const char* name : {"[a,b]", "{}", "[x", "a,b", "list", "%", "--", "-"}) {
    std::vector<std::string> words{"cowsnap", "delete", dir_, "--", name};
    EXPECT_EQ(run(words).err, "cowsnap: " + dir_ + ": not inside a cowfs mount\n") << name;
  }
}

TEST_F(CommandLine, TwoDashesEndTheOptionsWhereverTheyStand) {
  const std::string outside = "cowsnap: " + dir_ + ": not inside a cowfs mount\n";
  EXPECT_EQ(run({"cowsnap", "delete", dir_, "b", "--", "-e"}).err, outside);
  EXPECT_EQ(run({"cowsnap", "create", dir_, "--", "-e"}).err, outside);
  EXPECT_EQ(run({"cowsnap", "list", "--", dir_}).err, outside);
  EXPECT_THAT(run({"cowsnap", "list", dir_, "--", "-e"}).err,
              StartsWith("cowsnap: unexpected argument '-e'\n"));
}

// Paths.

TEST_F(CommandLine, APathOutsideOfAMountIsNamed) {
  for (const std::vector<std::string>& command : std::vector<std::vector<std::string>>{
           {"create"}, {"fork", "f"}, {"list"}, {"rename", "a", "b"}, {"delete", "a"}, {"sync"}}) {
    std::vector<std::string> words{"cowsnap", command.front(), dir_};
    words.insert(words.end(), command.begin() + 1, command.end());
    const Said said = run(words);
    EXPECT_EQ(said.exit_code, 1);
    EXPECT_EQ(said.err, "cowsnap: " + dir_ + ": not inside a cowfs mount\n");
  }
}

TEST_F(CommandLine, AMissingPathIsNamed) {
  const Said said = run({"cowsnap", "list", path("missing")});
  EXPECT_EQ(said.exit_code, 1);
  EXPECT_EQ(said.err, "cowsnap: " + path("missing") + ": No such file or directory\n");
}

TEST_F(CommandLine, AFifoStandsForItsDirectory) {
  ASSERT_EQ(::mkfifo(path("fifo").c_str(), 0600), 0);
  EXPECT_EQ(run({"cowsnap", "list", path("fifo")}).err,
            "cowsnap: " + path("fifo") + ": not inside a cowfs mount\n");
}

TEST_F(CommandLine, AFullStdoutIsAnError) {
  const Said said = run({"cowsnap", "--help"}, "/dev/full");
  EXPECT_EQ(said.exit_code, 1);
  EXPECT_EQ(said.err, "cowsnap: standard output: No space left on device\n");
}

TEST_F(CommandLine, AFullStderrChangesNoExitCode) {
  for (const std::vector<std::string>& words :
       std::vector<std::vector<std::string>>{{"cowcp", path("missing"), path("to")},
                                             {"cowcp", "--no-such-option"},
                                             {"cowsnap", "list", dir_},
                                             {"cowsnap", "--no-such-option"},
                                             {"mkfs.cowfs", "/"},
                                             {"fsck.cowfs", path("missing")},
                                             {"fsck.cowfs", "--no-such-option"},
                                             {"cowsim", "run", path("missing")},
                                             {"cowsim", "--no-such-option"},
                                             {"cowfs", path("missing"), dir_},
                                             {"cowfs", "--no-such-option"}}) {
    const Said said = run(words);
    EXPECT_NE(said.err, "") << words[0] << " " << words[1];
    EXPECT_EQ(run(words, "", "/dev/full").exit_code, said.exit_code) << words[0] << " " << words[1];
  }
}

// mkfs.cowfs.

TEST_F(CommandLine, MkfsMakesAStoreOnlyItsOwnerCanEnter) {
  const Said said = run({"mkfs.cowfs", path("store")});
  EXPECT_EQ(said.exit_code, 0) << said.err;
  EXPECT_THAT(said.out, MatchesRegex(".*/store: new store [0-9a-f]+, volume main\n"));
  struct stat status{};
  ASSERT_EQ(::stat(path("store").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777u, 0700u);
  EXPECT_TRUE(std::filesystem::is_regular_file(path("store/superblock")));
}

TEST_F(CommandLine, MkfsTakesAnEmptyDirectoryAndSetsItsMode) {
  ASSERT_EQ(::mkdir(path("store").c_str(), 0755), 0);
  const Said said = run({"mkfs.cowfs", "-q", path("store")});
  EXPECT_EQ(said.exit_code, 0) << said.err;
  EXPECT_EQ(said.out, "");
  struct stat status{};
  ASSERT_EQ(::stat(path("store").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777u, 0700u);
}

TEST_F(CommandLine, MkfsSaysAsJsonWhatItMade) {
  const Said said = run({"mkfs.cowfs", "--json", path("store")});
  ASSERT_EQ(said.exit_code, 0) << said.err;
  const auto answer = nlohmann::json::parse(said.out);
  EXPECT_EQ(answer["header"]["tool"], "mkfs.cowfs");
  EXPECT_EQ(answer["store"]["path"], path("store"));
  EXPECT_EQ(answer["store"]["volume"], "main");
  EXPECT_EQ(answer["store"]["id"].get<std::string>().size(), 32u);
}

TEST_F(CommandLine, MkfsRefusesADirectoryThatHoldsAnythingAndLeavesIt) {
  ASSERT_EQ(::mkdir(path("full").c_str(), 0755), 0);
  std::ofstream(path("full/precious")) << "data";
  const Said said = run({"mkfs.cowfs", path("full")});
  EXPECT_EQ(said.exit_code, 1);
  EXPECT_EQ(said.out, "");
  EXPECT_THAT(said.err, StartsWith("mkfs.cowfs: " + path("full") + ": "));
  EXPECT_THAT(said.err, HasSubstr("precious"));
  EXPECT_EQ(contents(path("full/precious")), "data");
  const auto entries = std::filesystem::directory_iterator(path("full"));
  EXPECT_EQ(std::distance(begin(entries), end(entries)), 1);
  struct stat status{};
  ASSERT_EQ(::stat(path("full").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777u, 0755u);
}

TEST_F(CommandLine, MkfsRefusesAStoreThatIsOneAlready) {
  ASSERT_EQ(run({"mkfs.cowfs", path("store")}).exit_code, 0);
  const std::string before = contents(path("store/superblock"));
  EXPECT_EQ(run({"mkfs.cowfs", path("store")}).exit_code, 1);
  EXPECT_EQ(contents(path("store/superblock")), before);
}

TEST_F(CommandLine, MkfsNamesWhatIsInItsWay) {
  std::ofstream(path("file")) << "data";
  const Said file = run({"mkfs.cowfs", path("file")});
  EXPECT_EQ(file.exit_code, 1);
  EXPECT_THAT(file.err, StartsWith("mkfs.cowfs: " + path("file") + ": "));
  const Said missing = run({"mkfs.cowfs", path("no/where")});
  EXPECT_EQ(missing.exit_code, 1);
  EXPECT_THAT(missing.err, HasSubstr("No such file or directory"));
}

}  // namespace
}  // namespace cowfs
