// cowcp against GNU cp: the same random trees, the same random command lines, the same result:
// bytes, attributes, messages, exit code.
//
// COWFS_SEED, COWFS_CASES: which histories, and how many (200 by default, 20,000 with COWFS_LONG).
// A failing case prints its seed and command line.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <regex>
#include <sstream>

#include "tests/cowcp/random_tree.h"
#include "tests/support/temp_dir.h"

namespace cowfs {
namespace {

constexpr uid_t kOrdinaryUser = 1001;

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

struct Outcome {
  int code = -1;
  std::vector<std::string> out;  // lines, sorted
  std::vector<std::string> err;
  std::vector<std::string> tree;
};

std::vector<std::string> lines_of(const std::string& path, const std::string& program) {
  std::ifstream in(path, std::ios::binary);
  std::vector<std::string> lines;
  for (std::string line; std::getline(in, line);) {
    for (std::size_t at = 0; (at = line.find("cowcp: ", at)) != line.npos;)
      line.replace(at, 7, "cp: ");
    if (line == "Try 'cowcp --help' for more information.") line.replace(5, 5, "cp");
    if (line.ends_with(" is incomplete") && program != "cp") continue;  // what only cowcp says
    lines.push_back(line);
  }
  std::ranges::sort(lines);
  return lines;
}

bool is_new_and_empty(const std::string& line) {
  return line.find(" mnow anow 0 14695981039346656037") != line.npos;
}

std::string without_times(const std::string& line) {
  static const std::regex kTimes(" m(now|[0-9.]+) a(now|[0-9.]+)");
  return std::regex_replace(line, kTimes, "");
}

/// cp 9.1 moves a backup back to the wrong directory where the copy failed: out of both trees.
bool backup_went_astray(const std::vector<std::string>& tree) {
  return std::ranges::any_of(tree, [](const std::string& line) {
    return !line.starts_with("/here") && !line.starts_with("/there") && !line.starts_with("/new") &&
           line.starts_with("/");
  });
}

/// Runs a program in a directory, its answers from `input`.
int run_in(const std::string& directory, const std::string& program,
           const std::vector<std::string>& arguments, const std::string& input, bool as_root,
           mode_t mask) {
  const pid_t pid = ::fork();
  if (pid == 0) {
    std::vector<char*> argv{const_cast<char*>(program.c_str())};
    for (const std::string& argument : arguments)
      argv.push_back(const_cast<char*>(argument.c_str()));
    argv.push_back(nullptr);
    const auto redirect = [&](const std::string& path, int flags, int to) {
      const int fd = ::open(path.c_str(), flags, 0666);
      ::dup2(fd, to);
    };
    redirect(input, O_RDONLY, 0);
    redirect(directory + ".out", O_WRONLY | O_CREAT | O_TRUNC, 1);
    redirect(directory + ".err", O_WRONLY | O_CREAT | O_TRUNC, 2);
    if (::chdir(directory.c_str()) != 0) ::_exit(120);
    if (!as_root && (::setgid(kOrdinaryUser) != 0 || ::setuid(kOrdinaryUser) != 0)) ::_exit(121);
    ::umask(mask);
    ::setenv("LC_ALL", "C", 1);
    ::alarm(20);
    ::execvp(argv[0], argv.data());
    ::_exit(122);
  }
  int status = 0;
  ::waitpid(pid, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

/// A random command line over the names of the trees.
std::vector<std::string> random_arguments(Random& random) {
  static const std::vector<std::string> kFlags{"-a",
                                               "-r",
                                               "-R",
                                               "-r",
                                               "-a",
                                               "-p",
                                               "-d",
                                               "-L",
                                               "-P",
                                               "-H",
                                               "-n",
                                               "-i",
                                               "-f",
                                               "-u",
                                               "-v",
                                               "-v",
                                               "-l",
                                               "-s",
                                               "-x",
                                               "-b",
                                               "--preserve",
                                               "--preserve=mode",
                                               "--preserve=timestamps,links",
                                               "--preserve=all",
                                               "--preserve=xattr",
                                               "--preserve=ownership",
                                               "--no-preserve=mode",
                                               "--no-preserve=timestamps",
                                               "--backup=numbered",
                                               "--backup=simple",
                                               "--backup=existing",
                                               "--backup=none",
                                               "--sparse=auto",
                                               "--sparse=always",
                                               "--sparse=never",
                                               "--reflink=never",
                                               "--reflink=auto",
                                               "--reflink=always",
                                               "--remove-destination",
                                               "--attributes-only",
                                               "--strip-trailing-slashes",
                                               "-T",
                                               "--parents",
                                               "-S.old",
                                               "--verbose"};
  static const std::vector<std::string> kSuffixes{"", "", "", "", "", "/", "/.", "//"};
  const auto& names = tree_names();
  std::vector<std::string> arguments;
  for (std::size_t i = below(random, 5); i > 0; --i)
    arguments.push_back(kFlags[below(random, kFlags.size())]);
  if (!one_in(random, 4)) arguments.push_back(one_in(random, 2) ? "-r" : "-a");
  const auto name_in = [&](const std::string& tree) {
    std::string path = tree;
    for (std::size_t depth = below(random, 3); depth > 0; --depth)
      path += "/" + names[below(random, names.size())];
    return path + kSuffixes[below(random, kSuffixes.size())];
  };
  if (one_in(random, 8)) arguments.push_back("--");
  for (std::size_t i = one_in(random, 3) ? 1 + below(random, 3) : 1; i > 0; --i) {
    arguments.push_back(one_in(random, 12) ? name_in("there") : name_in("here"));
  }
  const bool backs_up = std::ranges::any_of(arguments, [](const std::string& each) {
    return each == "-b" || each.starts_with("-S") || each.starts_with("--backup");
  });
  // cp 9.1 moves a backup back to the wrong directory.
  if (backs_up) std::erase(arguments, "-s");
  static const std::vector<std::string> kTargets{"there",      "there/",  "new", "new/",
                                                 "here/d/new", "there/d", "here"};
  if (std::ranges::find(arguments, "--parents") != arguments.end()) {
    // cp 9.1 goes on oddly after a --parents that failed, and says the slashes of the source in its
    // own way.
    std::erase_if(arguments, [](const std::string& each) {
      return each.starts_with("here") || each.starts_with("there");
    });
    arguments.push_back(std::string("here/") + names[below(random, 4)]);
  }
  const std::string target =
      one_in(random, 3) ? name_in("there") : kTargets[below(random, kTargets.size())];
  if (one_in(random, 8)) arguments.insert(arguments.begin(), {"-t", target});
  else arguments.push_back(target);
  return arguments;
}

class Oracle : public testing::Test {
 protected:
  void SetUp() override {
    if (variable("COWFS_BIN_DIR").empty())
      GTEST_SKIP() << "COWFS_BIN_DIR does not say where cowcp is";
    if (std::system("cp --version 2>/dev/null | head -n 1 | grep -q 'coreutils) 9.1$'") != 0) {
      GTEST_SKIP() << "the oracle is cp of GNU coreutils 9.1";
    }
  }

  Outcome play(std::uint64_t seed, const std::string& program, std::vector<std::string> arguments,
               const std::vector<std::string>& extra, const std::string& root, bool as_root) {
    Random random(seed);
    const std::string directory = root + "/case";
    std::filesystem::create_directories(directory + "/here");
    std::filesystem::create_directories(directory + "/there");
    // Without -r a FIFO is opened, and waited for.
    const bool recursive = std::ranges::any_of(arguments, [](const std::string& each) {
      return each == "-a" || each == "-r" || each == "-R";
    });
    make_random_tree(directory + "/here", random, {.devices = as_root, .fifos = recursive});
    make_random_tree(directory + "/there", random, {.devices = as_root, .fifos = recursive});
    if (::geteuid() == 0 && !as_root) own_all(directory);
    std::ofstream(root + "/answers") << "y\nn\ny\nn\nyes\nn\ny\ny\n";
    arguments.insert(arguments.begin(), extra.begin(), extra.end());
    Outcome outcome;
    outcome.code = run_in(directory, program, arguments, root + "/answers", as_root,
                          one_in(random, 4) ? 077 : 022);
    const std::string name = program == "cp" ? "cp" : "cowcp";
    outcome.out = lines_of(directory + ".out", name);
    outcome.err = lines_of(directory + ".err", name);
    outcome.tree = describe_tree(directory);
    remove_all(root);
    return outcome;
  }

  static void own_all(const std::string& directory) {
    ::chmod(std::filesystem::path(directory).parent_path().c_str(), 0777);
    (void)!::lchown(directory.c_str(), kOrdinaryUser, kOrdinaryUser);
    for (const auto& entry : std::filesystem::recursive_directory_iterator(directory)) {
      struct stat status{};
      ::lstat(entry.path().c_str(), &status);
      (void)!::lchown(entry.path().c_str(), kOrdinaryUser, kOrdinaryUser);
      if (!S_ISLNK(status.st_mode)) ::chmod(entry.path().c_str(), status.st_mode & 07777);
    }
  }

  static void remove_all(const std::string& root) { std::filesystem::remove_all(root + "/case"); }

  void compare(const std::vector<std::string>& extra, std::uint64_t cases) {
    const std::uint64_t first =
        variable("COWFS_SEED").empty() ? 1 : std::stoull(variable("COWFS_SEED"));
    const TempDir temp;
    const std::string cowcp = variable("COWFS_BIN_DIR") + "/cowcp";
    for (std::uint64_t seed = first; seed < first + cases && !HasFailure(); ++seed) {
      Random random(seed * 7919);
      const bool as_root = ::geteuid() == 0 && !one_in(random, 3);
      auto arguments = random_arguments(random);
      // A method that copies is no way to share, which cowcp says.
      if (!extra.empty() && extra[0].starts_with("--method"))
        std::erase(arguments, "--reflink=always");
      const std::string root = temp.path();
      const Outcome expected = play(seed, "cp", arguments, {}, root, as_root);
      const Outcome seen = play(seed, cowcp, arguments, extra, root, as_root);
      std::string line;
      for (const std::string& argument : arguments) line += " '" + argument + "'";
      SCOPED_TRACE("COWFS_SEED=" + std::to_string(seed) + (as_root ? " as root:" : " as a user:") +
                   line);
      EXPECT_EQ(expected.code, seen.code);
      if (backup_went_astray(expected.tree)) continue;
      // How far it came, and what it met before, depends on the order of inode numbers, which two
      // runs do not share.
      const auto into_itself = [](const std::string& text) {
        return text.find("into itself") != text.npos;
      };
      EXPECT_EQ(std::ranges::any_of(expected.err, into_itself),
                std::ranges::any_of(seen.err, into_itself));
      if (std::ranges::any_of(expected.err, into_itself)) continue;
      EXPECT_EQ(expected.err, seen.err);
      EXPECT_EQ(expected.out, seen.out);
      expect_same_tree(expected.tree, seen.tree, arguments);
    }
  }

  static void expect_same_tree(const std::vector<std::string>& expected,
                               const std::vector<std::string>& seen,
                               const std::vector<std::string>& arguments) {
    const auto has = [&](const char* option) {
      return std::ranges::find(arguments, option) != arguments.end();
    };
    std::vector<std::string> missing;
    std::vector<std::string> surplus;
    std::ranges::set_difference(expected, seen, std::back_inserter(missing));
    std::ranges::set_difference(seen, expected, std::back_inserter(surplus));
    // cp leaves an empty file where it could not share, cowcp none; and writes zeros for a hole
    // without reading it, where cowcp reads them.
    if (has("--reflink=always")) std::erase_if(missing, is_new_and_empty);
    if (has("--reflink=always") || has("--sparse=never")) {
      for (std::string& line : missing) line = without_times(line);
      for (std::string& line : surplus) line = without_times(line);
    }
    EXPECT_EQ(missing, surplus) << "left: what cp has, right: what cowcp has instead";
  }

  static std::uint64_t cases(std::uint64_t usual, std::uint64_t when_long) {
    if (!variable("COWFS_CASES").empty()) return std::stoull(variable("COWFS_CASES"));
    if (!variable("COWFS_OPS").empty()) return usual / 10;  // sanitizers are slow
    return variable("COWFS_LONG").empty() ? usual : when_long;
  }
};

TEST_F(Oracle, DoesWhatCpDoes) { compare({}, cases(200, 20000)); }
TEST_F(Oracle, DoesWhatCpDoesInParallel) { compare({"-j4"}, cases(20, 4000)); }
TEST_F(Oracle, DoesWhatCpDoesByMapping) { compare({"--method=mmap"}, cases(20, 4000)); }
TEST_F(Oracle, DoesWhatCpDoesByReading) { compare({"--method=read-write"}, cases(20, 4000)); }

}  // namespace
}  // namespace cowfs
