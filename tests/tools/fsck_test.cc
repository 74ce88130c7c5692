// fsck.cowfs as a program: options, exit codes of fsck(8), what it prints, what it leaves alone.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <pty.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

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
using testing::StartsWith;

struct FsckSaid {
  int exit_code = -1;
  std::string out;
  std::string err;
};

class Fsck : public testing::Test {
 protected:
  void SetUp() override {
    const char* bin = std::getenv("COWFS_BIN_DIR");
    if (bin == nullptr) GTEST_SKIP() << "COWFS_BIN_DIR does not say where the programs are";
    bin_ = bin;
    std::string name = testing::TempDir() + "cowfs-fsck.XXXXXX";
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    dir_ = name;
    store_ = dir_ + "/store";
    ASSERT_EQ(run({"mkfs.cowfs", "-q", store_}).exit_code, 0);
  }
  void TearDown() override {
    if (!dir_.empty()) std::filesystem::remove_all(dir_);
  }

  /// With nothing to read on stdin, and no terminal.
  FsckSaid run(std::vector<std::string> words, int extra_fd = -1) {
    words.front() = bin_ + "/" + words.front();
    std::vector<char*> argv;
    for (std::string& word : words) argv.push_back(word.data());
    argv.push_back(nullptr);
    const pid_t child = ::fork();
    if (child == 0) {
      ::dup2(::open("/dev/null", O_RDONLY), STDIN_FILENO);
      ::dup2(::open((dir_ + "/out").c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600), STDOUT_FILENO);
      ::dup2(::open((dir_ + "/err").c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600), STDERR_FILENO);
      ::closefrom(STDERR_FILENO + 1);
      if (extra_fd >= 0)
        ::dup2(::open((dir_ + "/extra").c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600), extra_fd);
      ::execv(argv[0], argv.data());
      ::_exit(127);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    return {WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status),
            contents(dir_ + "/out"), contents(dir_ + "/err")};
  }

  /// With a terminal, on which somebody types `answer`.
  FsckSaid run_on_terminal(std::vector<std::string> words, const std::string& answer) {
    words.front() = bin_ + "/" + words.front();
    std::vector<char*> argv;
    for (std::string& word : words) argv.push_back(word.data());
    argv.push_back(nullptr);
    int terminal = -1;
    const pid_t child = ::forkpty(&terminal, nullptr, nullptr, nullptr);
    if (child == 0) {
      ::execv(argv[0], argv.data());
      ::_exit(127);
    }
    const UniqueFd owned(terminal);
    EXPECT_EQ(::write(terminal, answer.data(), answer.size()), static_cast<ssize_t>(answer.size()));
    FsckSaid said;
    char part[512];
    for (ssize_t size = 0; (size = ::read(terminal, part, sizeof part)) > 0;)
      said.out.append(part, static_cast<std::size_t>(size));
    int status = 0;
    ::waitpid(child, &status, 0);
    said.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    return said;
  }

  /// Breaks one slot of the superblock: something that is repaired without a loss.
  void damage_slot() const { damage(store_ + "/superblock", 4096 + 50); }
  static void damage(const std::string& path, long offset) {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekg(offset);
    const int byte = file.get();
    file.seekp(offset);
    file.put(static_cast<char>(byte ^ 0x55));
  }
  std::string bytes_of_store() const {
    std::string all;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(store_)) {
      if (entry.is_regular_file()) all += entry.path().string() + contents(entry.path().string());
    }
    return all;
  }

  std::string bin_;
  std::string dir_;
  std::string store_;
};

TEST_F(Fsck, SaysThatANewStoreIsClean) {
  const FsckSaid said = run({"fsck.cowfs", store_});
  EXPECT_EQ(said.exit_code, 0) << said.err;
  EXPECT_THAT(said.out, StartsWith(store_ + ": clean"));
  EXPECT_THAT(run({"fsck.cowfs", "-f", store_}).out, HasSubstr("1 volumes, 1 inodes"));
}

TEST_F(Fsck, UnderstandsWhatFsckHandsOn) {
  for (const std::vector<std::string>& options :
       std::vector<std::vector<std::string>>{{"-a"},
                                             {"-p"},
                                             {"-y"},
                                             {"-n"},
                                             {"-f", "-n"},
                                             {"-fy"},
                                             {"-C"},
                                             {"-C0"},
                                             {"-C", "0"},
                                             {"-C", "1"},
                                             {"-nC"},
                                             {"-nC0"},
                                             {"-fnC", "1"},
                                             {"-fC1"},
                                             {"-v", "-f"},
                                             {"--scrub"}}) {
    std::vector<std::string> words{"fsck.cowfs"};
    words.insert(words.end(), options.begin(), options.end());
    words.push_back(store_);
    EXPECT_EQ(run(words).exit_code, 0) << options.front();
  }
}

TEST_F(Fsck, ExitsWith16WhereTheLineMakesNoSense) {
  for (const std::vector<std::string>& words :
       std::vector<std::vector<std::string>>{{"fsck.cowfs"},
                                             {"fsck.cowfs", "a", "b"},
                                             {"fsck.cowfs", "--frob", "a"},
                                             {"fsck.cowfs", "-n", "-y", "a"},
                                             {"fsck.cowfs", "-C", "99", "a"},
                                             {"fsck.cowfs", "-C99", "a"},
                                             {"fsck.cowfs", "-nC99", "a"},
                                             {"fsck.cowfs", "-C", "-1", "a"},
                                             {"fsck.cowfs", "-C-1", "a"},
                                             {"fsck.cowfs", "-C1000000", "a"},
                                             {"fsck.cowfs", "-Cx", "a"},
                                             {"fsck.cowfs", "--progress=x", "a"},
                                             {"fsck.cowfs", "--progress=", "a"},
                                             {"fsck.cowfs", "-p", "-n", "a"}}) {
    const FsckSaid said = run(words);
    EXPECT_EQ(said.exit_code, 16);
    EXPECT_THAT(said.err, StartsWith("fsck.cowfs: "));
    EXPECT_EQ(said.out, "");
  }
}

TEST_F(Fsck, ExitsWith8WhereThereIsNoStore) {
  EXPECT_EQ(run({"fsck.cowfs", dir_ + "/missing"}).exit_code, 8);
  std::filesystem::create_directory(dir_ + "/empty");
  const FsckSaid said = run({"fsck.cowfs", dir_ + "/empty"});
  EXPECT_EQ(said.exit_code, 8);
  EXPECT_THAT(said.err, HasSubstr("not a cowfs store"));
}

TEST_F(Fsck, ExitsWith8WhereBothSlotsAreDamaged) {
  damage_slot();
  damage(store_ + "/superblock", 50);
  EXPECT_EQ(run({"fsck.cowfs", "-y", store_}).exit_code, 8);
}

TEST_F(Fsck, RefusesAStoreThatIsInUse) {
  const UniqueFd owner(::open(store_.c_str(), O_RDONLY | O_DIRECTORY));
  ASSERT_EQ(::flock(owner.get(), LOCK_EX | LOCK_NB), 0);
  for (const char* mode : {"-n", "-p", "-y"}) {
    const FsckSaid said = run({"fsck.cowfs", "-f", mode, store_});
    EXPECT_EQ(said.exit_code, 8);
    EXPECT_THAT(said.err, HasSubstr("in use"));
  }
}

TEST_F(Fsck, LeavesADamageAloneWhenItIsToldTo) {
  damage_slot();
  const std::string before = bytes_of_store();
  EXPECT_EQ(run({"fsck.cowfs", "-n", store_}).exit_code, 4);
  EXPECT_EQ(run({"fsck.cowfs", store_}).exit_code, 4) << "without a terminal nobody is asked";
  EXPECT_TRUE(bytes_of_store() == before);
}

TEST_F(Fsck, RepairsWhatIsSafeWithP) {
  damage_slot();
  EXPECT_EQ(run({"fsck.cowfs", "-p", store_}).exit_code, 1);
  EXPECT_EQ(run({"fsck.cowfs", "-fn", store_}).exit_code, 0);
}

TEST_F(Fsck, AsksOnATerminal) {
  damage_slot();
  const std::string before = bytes_of_store();
  const FsckSaid no = run_on_terminal({"fsck.cowfs", store_}, "n\n");
  EXPECT_EQ(no.exit_code, 4);
  EXPECT_THAT(no.out, HasSubstr("1 problems. Repair them? [y/N] "));
  EXPECT_EQ(run_on_terminal({"fsck.cowfs", store_}, "\n").exit_code, 4) << "no is the default";
  EXPECT_TRUE(bytes_of_store() == before);
  const FsckSaid yes = run_on_terminal({"fsck.cowfs", store_}, "y\n");
  EXPECT_EQ(yes.exit_code, 1);
  EXPECT_THAT(yes.out, HasSubstr("repaired"));
  EXPECT_EQ(run({"fsck.cowfs", "-fn", store_}).exit_code, 0);
}

TEST_F(Fsck, PrintsJsonThatParses) {
  damage_slot();
  const auto found = nlohmann::json::parse(run({"fsck.cowfs", "-fn", "--json", store_}).out);
  EXPECT_EQ(found["state"], "damaged");
  EXPECT_EQ(found["problems"][0]["code"], "superblock");
  const auto repaired = nlohmann::json::parse(run({"fsck.cowfs", "-y", "--json", store_}).out);
  EXPECT_EQ(repaired["state"], "corrected");
  EXPECT_TRUE(repaired["left"].empty());
  const auto clean = nlohmann::json::parse(run({"fsck.cowfs", "--json", store_}).out);
  EXPECT_EQ(clean["state"], "clean");
  EXPECT_EQ(clean["looked_at"], false);
}

TEST_F(Fsck, TellsItsProgressToADescriptor) {
  EXPECT_EQ(run({"fsck.cowfs", "-f", "-C", "5", store_}, 5).exit_code, 0);
  EXPECT_THAT(contents(dir_ + "/extra"), HasSubstr("structures 0 0\n"));
  EXPECT_THAT(contents(dir_ + "/extra"), HasSubstr("volume\\040main 0 1\n"));
  EXPECT_THAT(contents(dir_ + "/extra"), HasSubstr("volume\\040main 1 1\n"));
}

/// A number that is no open descriptor when the check begins is soon one of the store's files.
TEST_F(Fsck, WritesNoProgressIntoTheStore) {
  const std::string before = bytes_of_store();
  for (int fd = 3; fd < 12; ++fd) {
    const FsckSaid said = run({"fsck.cowfs", "-f", "-C", std::to_string(fd), store_});
    EXPECT_EQ(said.exit_code, 16) << fd;
    EXPECT_THAT(said.err, HasSubstr("the descriptor is not open")) << fd;
    EXPECT_TRUE(bytes_of_store() == before) << fd;
  }
}

TEST_F(Fsck, ShowsHelpAndVersion) {
  EXPECT_THAT(run({"fsck.cowfs", "--help"}).out, StartsWith("Usage: fsck.cowfs "));
  EXPECT_EQ(run({"fsck.cowfs", "-V"}).out, "fsck.cowfs (cowfs) " COWFS_VERSION "\n");
}

}  // namespace
}  // namespace cowfs
