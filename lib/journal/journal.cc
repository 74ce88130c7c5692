#include "lib/journal/journal.h"

#include <algorithm>

#include "lib/base/check.h"
#include "lib/base/xxh3.h"

namespace cowfs {
namespace {

constexpr std::size_t kReadySegments = 2;
constexpr std::size_t kMostReadySegments = 8;

Bytes bytes_of(std::string_view text) { return std::as_bytes(std::span(text)); }

}  // namespace

Journal::Journal(Storage& storage, std::uint64_t limit_bytes, std::uint64_t segment_bytes)
    : storage_(storage),
      segment_bytes_(segment_bytes),
      limit_segments_(std::max<std::uint64_t>(4, limit_bytes / segment_bytes)) {}

Result<void> Journal::begin(const StoreId& store, std::uint64_t previous, std::uint64_t first,
                            const OldSegments& old) {
  const std::string session = storage_.session();
  MutexLock lock(mutex_);
  store_ = store;
  session_ = XXH3_64bits(session.data(), session.size());
  last_ = previous;
  durable_before_ = old.durable;
  for (const std::uint64_t number : old.needed) {
    live_.push_back({number, previous});
    unsynced_.insert(number);  // what a killed process wrote last was never synced
  }
  ready_ = old.ready;
  for (const auto* numbers : {&old.needed, &old.ready}) {
    if (!numbers->empty()) next_number_ = std::max(next_number_, numbers->back() + 1);
  }
  COWFS_TRY(begin_segment(first, true));
  return {};
}

Result<std::uint64_t> Journal::number_for_new_segment() {
  if (segment_count() >= limit_segments_)
    return fail(ErrorCode::kNoSpace, "the journal has reached its largest size");
  return next_number_++;
}

Result<void> Journal::create_segment(std::uint64_t number) {
  COWFS_TRY(storage_.create(journal_array(number)));
  const std::string zeros(std::min<std::uint64_t>(segment_bytes_, std::uint64_t{1} << 20), '\0');
  auto filled = storage_.reserve(journal_array(number), 0, segment_bytes_);
  for (std::uint64_t at = 0; filled && at < segment_bytes_; at += zeros.size()) {
    const std::string_view part = std::string_view(zeros).substr(
        0, std::min<std::uint64_t>(zeros.size(), segment_bytes_ - at));
    filled = storage_.write(journal_array(number), at, bytes_of(part));
  }
  if (!filled) (void)storage_.remove(journal_array(number));
  return filled;
}

Result<std::uint64_t> Journal::next_segment_number(bool frees_space) {
  if (ready_.size() < 2) {
    const auto number = number_for_new_segment();
    const auto created = number ? create_segment(*number) : Result<void>(fail(number.error()));
    if (created) return *number;
    if (!is_out_of_space(created.error()) || !frees_space || ready_.empty())
      return fail(created.error());
  }
  const std::uint64_t number = ready_.back();
  ready_.pop_back();
  return number;
}

Result<void> Journal::begin_segment(std::uint64_t first, bool frees_space) {
  COWFS_ASSIGN(const std::uint64_t number, next_segment_number(frees_space));
  const std::string head =
      encode_segment_head(store_, {first, last_, session_, segment_bytes_, durable_before_});
  auto written = storage_.write(journal_array(number), 0, bytes_of(head));
  if (!written) {
    ready_.push_back(number);
    return written;
  }
  unsynced_.insert(number);
  if (open_) live_.push_back({next_.segment, last_});
  open_ = true;
  next_ = {number, kSegmentHeadSize, first};
  return {};
}

Result<std::uint64_t> Journal::append(const NewRecord& record) {
  MutexLock lock(mutex_);
  COWFS_CHECK(open_);
  if (next_.offset + record_length(record.body.size()) > segment_bytes_)
    COWFS_TRY(begin_segment(next_.sequence, record.frees_space));
  const std::string bytes = encode_record(store_, {.type = record.type,
                                                   .sequence = next_.sequence,
                                                   .durable = durable_,
                                                   .generation = record.generation,
                                                   .request_id = record.request_id,
                                                   .body = record.body});
  unsynced_.insert(next_.segment);
  COWFS_TRY(storage_.write(journal_array(next_.segment), next_.offset, bytes_of(bytes)));
  next_.offset += bytes.size();
  last_ = next_.sequence++;
  return last_;
}

JournalPosition Journal::position() const {
  MutexLock lock(mutex_);
  return next_;
}

Result<void> Journal::sync() {
  MutexLock one_at_a_time(sync_mutex_);
  return sync_appended();
}

Result<void> Journal::sync_appended() {
  std::set<std::uint64_t> segments;
  std::uint64_t last = 0;
  {
    MutexLock lock(mutex_);
    segments = std::exchange(unsynced_, {});
    last = last_;
  }
  const auto sync_all = [&]() -> Result<void> {
    for (const std::uint64_t segment : segments) COWFS_TRY(storage_.sync(journal_array(segment)));
    return storage_.sync_names(ArrayKind::kJournal);
  };
  auto synced = sync_all();
  MutexLock lock(mutex_);
  if (synced) durable_ = std::max(durable_, last);
  else unsynced_.insert(segments.begin(), segments.end());
  return synced;
}

Result<void> Journal::sync_to(std::uint64_t sequence) {
  if (is_durable(sequence)) return {};
  MutexLock one_at_a_time(sync_mutex_);
  if (is_durable(sequence)) return {};  // by the sync that was waited for
  return sync_appended();
}

bool Journal::is_durable(std::uint64_t sequence) const {
  MutexLock lock(mutex_);
  return durable_ >= sequence;
}

void Journal::release_before(std::uint64_t sequence) {
  MutexLock lock(mutex_);
  while (!live_.empty() && live_.front().last < sequence) {
    ready_.push_back(live_.front().number);
    live_.pop_front();
  }
}

void Journal::make_ready() {
  while (true) {
    std::uint64_t number = 0;
    {
      MutexLock lock(mutex_);
      if (ready_.size() >= kReadySegments) break;
      const auto free_number = number_for_new_segment();
      if (!free_number) return;
      number = *free_number;
    }
    if (!create_segment(number)) return;
    MutexLock lock(mutex_);
    ready_.push_back(number);
  }
  MutexLock lock(mutex_);
  while (ready_.size() > kMostReadySegments) {
    (void)storage_.remove(journal_array(ready_.back()));
    ready_.pop_back();
  }
}

std::uint64_t Journal::live_bytes() const {
  MutexLock lock(mutex_);
  return (live_.size() + (open_ ? 1 : 0)) * segment_bytes_;
}

}  // namespace cowfs
