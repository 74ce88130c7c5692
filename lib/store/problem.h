// What a check found: problems, each with what, where, and whether mending it loses anything.
//
// The list is bounded: it keeps the first ones and counts all.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

namespace cowfs {

enum class Severity : std::uint8_t {
  kNote,  // worth saying, nothing to mend
  kSafe,  // mended without losing anything: a count, a leak, something that says the same twice
  kLoss,  // something is gone: mending takes away what still names it
};

struct Problem {
  std::string_view code;  // a word that does not change: "link-count"; a literal
  Severity severity = Severity::kSafe;
  std::string text;         // a sentence without a full stop
  std::string volume{};     // its name; empty: the problem is the store's
  std::string path{};       // of the file or directory, in the volume; may be empty
  std::uint64_t inode = 0;  // 0: none
};

class ProblemList {
 public:
  static constexpr std::size_t kKept = 10000;

  void add(Problem problem) {
    ++counts_[static_cast<std::size_t>(problem.severity)];
    if (kept_.size() < kKept) kept_.push_back(std::move(problem));
    else ++dropped_;
  }
  void add_all(const ProblemList& other) {
    for (const Problem& problem : other.kept_) add(problem);
    dropped_ += other.dropped_;
  }
  /// Those of another list that are not here in the same words.
  void add_new(const ProblemList& other) {
    const auto identity = [](const Problem& p) {
      return std::tuple<std::string_view, std::string_view, std::string_view, std::string_view>(
          p.code, p.text, p.volume, p.path);
    };
    const std::vector<Problem> before = kept_;
    std::set<decltype(identity(before.front()))> known;
    for (const Problem& problem : before) known.insert(identity(problem));
    for (const Problem& problem : other.kept_) {
      if (!known.contains(identity(problem))) add(problem);
    }
    dropped_ += other.dropped_;
  }

  /// Those that were kept, in the order in which they were found.
  const std::vector<Problem>& kept() const { return kept_; }
  /// How many more there were.
  std::uint64_t dropped() const { return dropped_; }
  std::uint64_t count(Severity severity) const {
    return counts_[static_cast<std::size_t>(severity)];
  }
  /// Problems to be mended.
  std::uint64_t count() const { return count(Severity::kSafe) + count(Severity::kLoss); }
  bool clean() const { return count() == 0; }

 private:
  std::vector<Problem> kept_;
  std::uint64_t counts_[3] = {};
  std::uint64_t dropped_ = 0;
};

}  // namespace cowfs
