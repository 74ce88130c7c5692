// Reads a journal back after the process or the power went: which records count, in order.
//
// The chain begins at the position that a superblock slot names and follows sequences from record
// to record, and from segment to segment by the heads (each names the record before its first). It
// ends at the first record that is missing or torn. Where a later session began in the middle of it
// (a recovery that dropped what came after), the chain goes on there.
//
// How far records count: those that were written in the session that is still going on
// (Storage::session(): the process died, the host did not) all do, because everything that was
// written is there. Of others, the data that they refer to may be lost although they themselves are
// not: they count up to the last mark, which says that data is durable.
//
// A record that another one says was durable, and that cannot be read, is damage (kCorrupted), not
// a torn end; so is, while the session still goes on, one that is followed by others.
//
// Reads only; single-threaded.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <vector>

#include "lib/base/error.h"
#include "lib/journal/journal.h"
#include "lib/journal/record.h"
#include "lib/storage/storage.h"

namespace cowfs {

class JournalReader {
 public:
  /// What is done about damage: kCorrupted, or the records before it are all that count (damage()
  /// says so; for repair).
  enum class OnDamage { kFail, kStop };
  /// Reads the heads of all segments and walks the chain from `start`.
  static Result<JournalReader> open(Storage& storage, const StoreId& store, JournalPosition start,
                                    OnDamage on_damage = OnDamage::kFail);

  /// What is damaged, where that did not fail the opening.
  const std::optional<std::string>& damage() const { return damage_; }

  /// The last record that counts; start.sequence - 1 where there is none.
  std::uint64_t last() const { return last_; }
  /// Where the sequences of a new session begin: above all that were ever used.
  std::uint64_t next_session() const { return ((highest_ >> kSessionBits) + 1) << kSessionBits; }
  /// All segments, those apart that hold only records below `needed_from`.
  Journal::OldSegments segments(std::uint64_t needed_from) const;
  /// For tests: counts what was written after the last mark, too, although power was cut.
  void count_everything() { last_ = chain_end_; }

  /// Bodies of all records of type kOverwrites from the start on, also of those that do not count,
  /// and of sessions that were dropped.
  const std::vector<std::string>& overwrites() const { return overwrites_; }

  /// Hands over the records that count, in order, until `visit` fails.
  using Visit = std::function<Result<void>(const JournalRecord&)>;
  Result<void> replay(const Visit& visit);

 private:
  static constexpr unsigned kSessionBits = 32;

  JournalReader(Storage& storage, const StoreId& store, JournalPosition start)
      : storage_(storage), store_(store), start_(start) {}
  Result<void> read_heads();
  Result<void> load(std::uint64_t segment);
  /// The segment whose records follow record `last`; the current one where there is none.
  std::uint64_t segment_after(std::uint64_t last, std::uint64_t current) const;
  Result<void> walk(std::uint64_t end, const Visit& visit);
  Result<void> check_nothing_durable_is_missing();
  Result<void> collect_dropped_overwrites();

  Storage& storage_;
  StoreId store_;
  JournalPosition start_;
  std::uint64_t session_ = 0;  // the one that goes on now
  std::vector<std::uint64_t> segments_;
  std::map<std::uint64_t, SegmentHead> heads_;  // by segment
  // sequence of a record -> the newest segment that follows it
  std::map<std::uint64_t, std::uint64_t> followers_;
  std::optional<std::string> damage_;
  std::uint64_t highest_ = 0;
  std::uint64_t last_ = 0;
  std::uint64_t marked_ = 0;  // the data of records up to this one is durable
  std::uint64_t chain_end_ = 0;
  std::vector<std::string> overwrites_;
  // segments of the chain -> where it left them, in bytes
  std::map<std::uint64_t, std::uint64_t> walked_;
  std::uint64_t loaded_ = ~std::uint64_t{0};
  std::string bytes_;  // of the segment `loaded_`
};

}  // namespace cowfs
