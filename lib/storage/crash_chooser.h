// Which pending changes survive one power cut: the dice of the crash model.
//
// Draws from a generator of its own in the order it is asked in, so the same questions and the same
// seed give the same answers.
#pragma once

#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "lib/storage/memory_array.h"
#include "lib/storage/storage_call.h"

namespace cowfs {

enum class CrashVariant : std::uint8_t {
  kNone,       // nothing pending survives
  kAll,        // all of it does
  kPrefix,     // what was called before some moment does
  kSubset,     // any subset, changes whole
  kTorn,       // any subset, changes torn
  kReordered,  // any subset, changes torn and in another order
  kKill,       // all of it, the last write cut short: a process killed within write(2)
};
inline constexpr std::uint64_t kCrashVariants = 7;

struct CrashChoice {
  CrashVariant variant = CrashVariant::kNone;
  std::uint64_t seed = 0;

  /// All variants in turn, by consecutive seeds.
  static CrashChoice from_seed(std::uint64_t seed);

  friend bool operator==(const CrashChoice&, const CrashChoice&) = default;
};

/// "torn, seed 17".
std::string to_string(CrashChoice choice);

/// A recorded change of an array's content that is not durable yet.
struct CrashChange {
  std::uint64_t sequence;  // the position of the call among all
  StorageCall call;
};

/// Does what a recorded write, reserve, punch or resize did.
void apply_whole(const StorageCall& call, MemoryArray& array);

class CrashChooser {
 public:
  /// `pending`: the sequences of all pending changes, ascending. `end`: the sequence of the next
  /// call.
  CrashChooser(CrashChoice choice, const std::vector<std::uint64_t>& pending, std::uint64_t end);

  /// Whether a pending creation or removal survives.
  bool keeps_name(std::uint64_t sequence);

  /// Applies those of the pending changes of one array that survive, as far and in the order that
  /// they do.
  void apply_some(const std::vector<CrashChange>& pending, MemoryArray& array);

 private:
  std::uint64_t below(std::uint64_t bound) { return random_() % bound; }
  bool chance() { return below(100) < percent_; }
  bool keeps(std::uint64_t sequence);
  void apply_torn(const StorageCall& call, MemoryArray& array);
  void apply_torn_write(const StorageCall& call, MemoryArray& array);
  void apply_cut_short(const StorageCall& call, MemoryArray& array);

  const CrashVariant variant_;
  std::mt19937_64 random_;
  std::uint64_t percent_;         // of the pending changes that survive
  std::uint64_t prefix_end_ = 0;  // kPrefix: what has a lower sequence survives
  const std::uint64_t last_;      // the sequence of the last call
};

}  // namespace cowfs
