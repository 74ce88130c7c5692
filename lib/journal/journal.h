// The redo log: what was done since the last checkpoints, so that it survives the death of the
// process, and once synced the loss of power.
//
// Records lie one after another in segments (4 MiB), which are used again once no superblock slot
// needs them. A record is written (not synced) before its operation is acknowledged; sync() makes
// all that were written durable. What records say is not known here: see lib/store/log_entry.h.
// Reading them back is JournalReader.
//
// Space: a segment is filled with zeros when it is made, so that a record overwrites bytes that the
// host has placed already. Two are kept ready; the last one serves only records that free space, so
// that deletes work on a full host.
//
// Locks: `sync_mutex_`, then `mutex_`; both rank below all locks of the store. Any call from any
// thread.
#pragma once

#include <deque>
#include <set>
#include <vector>

#include "lib/base/error.h"
#include "lib/base/mutex.h"
#include "lib/journal/record.h"
#include "lib/storage/storage.h"

namespace cowfs {

class Journal {
 public:
  /// `limit_bytes`: the most that segments take together, at least four segments. `segment_bytes`:
  /// at most kMaxSegmentBytes; a segment holds the largest record that is ever appended (tests have
  /// small ones).
  Journal(Storage& storage, std::uint64_t limit_bytes, std::uint64_t segment_bytes);

  /// Segments that exist when a session begins, ascending.
  struct OldSegments {
    // a slot may need them; used again once release_before() lets go of `previous`
    std::vector<std::uint64_t> needed;
    std::vector<std::uint64_t> ready;
    std::uint64_t durable = 0;  // the data of records up to this one is
  };
  /// Begins a session: records follow `previous` (the last one that counts) with sequences from
  /// `first` on, in a segment of their own.
  Result<void> begin(const StoreId& store, std::uint64_t previous, std::uint64_t first,
                     const OldSegments& old);

  struct NewRecord {
    RecordType type;
    Generation generation;
    std::uint64_t request_id = 0;
    std::string_view body;
    bool frees_space = false;  // may use the last segment
  };
  /// Writes one record; its sequence. kNoSpace, kQuotaExceeded: no room, nothing was written, a
  /// checkpoint makes some. Any other error: the end of the journal may hold a part of the record,
  /// which the next one overwrites.
  Result<std::uint64_t> append(const NewRecord& record);

  /// Where the next record goes.
  JournalPosition position() const;
  /// The last record appended.
  std::uint64_t last() const { return position().sequence - 1; }

  /// Makes every record durable that was appended before the call.
  Result<void> sync();
  /// The same for records up to `sequence`: nothing to do where they are.
  Result<void> sync_to(std::uint64_t sequence);

  /// No slot needs records with sequences below this any more: segments that hold only such are
  /// ready for use.
  void release_before(std::uint64_t sequence);
  /// Makes segments so that two are ready, and removes those that are too many. Best effort; not
  /// under any lock of the store's.
  void make_ready();

  /// Bytes of segments that a slot may need.
  std::uint64_t live_bytes() const;
  std::uint64_t limit_bytes() const { return limit_segments_ * segment_bytes_; }
  bool is_half_full() const { return live_bytes() * 2 >= limit_bytes(); }

 private:
  struct Segment {
    std::uint64_t number;
    std::uint64_t last;  // sequence of its last record
  };

  Result<void> sync_appended() COWFS_REQUIRES(sync_mutex_);
  bool is_durable(std::uint64_t sequence) const;
  Result<void> create_segment(std::uint64_t number);
  Result<std::uint64_t> number_for_new_segment() COWFS_REQUIRES(mutex_);
  Result<std::uint64_t> next_segment_number(bool frees_space) COWFS_REQUIRES(mutex_);
  Result<void> begin_segment(std::uint64_t first, bool frees_space) COWFS_REQUIRES(mutex_);
  std::uint64_t segment_count() const COWFS_REQUIRES(mutex_) {
    return live_.size() + ready_.size() + (open_ ? 1 : 0);
  }

  Storage& storage_;
  const std::uint64_t segment_bytes_;
  const std::uint64_t limit_segments_;

  Mutex sync_mutex_;  // one sync at a time
  mutable Mutex mutex_;
  StoreId store_ COWFS_GUARDED_BY(mutex_){};
  std::uint64_t session_ COWFS_GUARDED_BY(mutex_) = 0;
  std::uint64_t durable_before_ COWFS_GUARDED_BY(mutex_) = 0;  // of the records before this session
  bool open_ COWFS_GUARDED_BY(mutex_) = false;
  JournalPosition next_ COWFS_GUARDED_BY(mutex_);
  std::uint64_t last_ COWFS_GUARDED_BY(mutex_) =
      0;  // sequence of the last record; next_.sequence - 1 but for the jump at begin()
  std::uint64_t durable_ COWFS_GUARDED_BY(mutex_) = 0;
  // full ones that a slot may need, oldest first
  std::deque<Segment> live_ COWFS_GUARDED_BY(mutex_);
  std::vector<std::uint64_t> ready_ COWFS_GUARDED_BY(mutex_);
  std::uint64_t next_number_ COWFS_GUARDED_BY(mutex_) = 0;
  std::set<std::uint64_t> unsynced_ COWFS_GUARDED_BY(mutex_);
};

}  // namespace cowfs
