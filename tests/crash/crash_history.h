// A recorded workload, and every state in which a crash can leave it.
//
//     auto history = CrashHistory::record(seed, {});
//     for (cut = history->first_cut(); cut <= history->call_count(); ++cut)
//       for (choice = 0; choice < kCrashVariants; ++choice)
//         history->check({seed, cut, choice}) -> nothing, or what is wrong
//
// Images that are equal to one that was opened a moment ago are judged by what that one showed.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <ostream>
#include <string>

#include "lib/storage/memory_storage.h"
#include "lib/volume/file_system.h"
#include "tests/crash/judge.h"
#include "tests/crash/reference.h"
#include "tests/support/storage_doubles.h"

namespace cowfs {

/// One crash, or two: the second while the store is opened after the first.
struct CrashCase {
  struct Second {
    std::size_t cut = 0;
    std::uint64_t choice = 0;
  };
  std::uint64_t seed = 0;
  std::size_t cut = 0;
  std::uint64_t choice = 0;
  std::optional<Second> second;
  bool older_slot = false;  // the newest superblock slot cannot be read any more
};
/// "12:340:5" or "12:340:5:7:2" or "12:340:5o", and back.
std::string to_string(const CrashCase& crash);
std::optional<CrashCase> parse_crash_case(std::string_view text);

/// What is left out of the store for a whole history, its recoveries included: a test of the tests.
struct Weakness {
  std::string name;
  CallPredicate dropped_calls;                   // syncs that are not made
  std::function<void(StoreOptions&)> configure;  // cares of the engine that are left out
  bool trees_file_by_file = false;               // tree clones are not staged
};

inline void PrintTo(const Weakness& weakness, std::ostream* out) { *out << weakness.name; }

struct CrashCounts {
  std::uint64_t states = 0;       // crash states that were judged
  std::uint64_t opened = 0;       // those that differed from the ones just before
  std::uint64_t seconds = 0;      // of the states: a second crash during recovery
  std::uint64_t older_slots = 0;  // of the states: with the older superblock slot alone
  std::size_t operations = 0;
  std::size_t calls = 0;
};

class CrashHistory {
 public:
  /// Runs the workload of this seed with `operations` log entries at least.
  static Result<std::unique_ptr<CrashHistory>> record(std::uint64_t seed, std::size_t operations,
                                                      Weakness weakness = {});

  std::size_t call_count() const { return storage_.call_count(); }
  /// The store is there and its first state durable.
  std::size_t first_cut() const { return reference_.operation(0).acknowledged_at; }
  const CrashCounts& counts() const { return counts_; }
  const Reference& reference() const { return reference_; }

  /// Nothing, or what is wrong with this state.
  std::optional<std::string> check(const CrashCase& crash);
  /// The host calls before the crash and in its recovery, for whoever replays a case.
  std::string describe(const CrashCase& crash);
  /// All cuts with `choices` choices each, `stride` cuts apart: the first case that is wrong.
  struct Failure {
    CrashCase crash;
    std::string complaint;
  };
  std::optional<Failure> check_all(std::uint64_t seed, std::uint64_t choices,
                                   std::size_t stride = 1);

 private:
  struct Known {
    ArraySet image;
    Loss loss;
    StoreState seen;
  };

  explicit CrashHistory(Weakness weakness) : weakness_(std::move(weakness)), judge_(reference_) {}
  Result<void> run(std::uint64_t seed, std::size_t operations);
  StoreOptions options() const;
  std::unique_ptr<Storage> weakened(std::unique_ptr<Storage> storage) const;
  static CrashChoice choice_of(std::size_t cut, std::uint64_t choice);
  static Loss loss_of(CrashChoice choice);

  std::optional<std::string> check_image(std::unique_ptr<MemoryStorage> image, std::size_t cut,
                                         Loss loss, std::uint64_t turn);
  std::optional<Failure> check_seconds(const CrashCase& first);
  std::optional<Failure> check_older_slot(CrashCase crash);
  const StoreState* known(const ArraySet& image, Loss loss) const;

  const Weakness weakness_;
  MemoryStorage storage_;
  Reference reference_;
  Judge judge_;
  std::deque<Known> known_;
  CrashCounts counts_;
};

}  // namespace cowfs
