#include "lib/journal/journal_reader.h"

#include <algorithm>
#include <set>

#include "lib/base/xxh3.h"

namespace cowfs {
namespace {

constexpr std::uint64_t kNoSegment = ~std::uint64_t{0};  // a new store's journal has none yet

/// Data of records up to this sequence is durable, says a mark.
std::uint64_t marked(const JournalRecord& record) {
  return ByteReader(record.body).le<std::uint64_t>();
}

}  // namespace

Result<JournalReader> JournalReader::open(Storage& storage, const StoreId& store,
                                          JournalPosition start, OnDamage on_damage) {
  JournalReader reader(storage, store, start);
  COWFS_TRY(reader.read_heads());
  const std::string session_text = storage.session();
  reader.session_ = XXH3_64bits(session_text.data(), session_text.size());
  reader.last_ = reader.chain_end_ = start.sequence - 1;
  if (start.offset != 0) reader.walked_[start.segment] = start.offset;
  COWFS_TRY(reader.walk(~std::uint64_t{0}, [&](const JournalRecord& record) -> Result<void> {
    reader.chain_end_ = record.sequence;
    if (reader.heads_.at(reader.loaded_).session == reader.session_) reader.last_ = record.sequence;
    if (record.type == RecordType::kOverwrites) reader.overwrites_.emplace_back(record.body);
    if (record.type == RecordType::kMark)
      reader.marked_ = std::max(reader.marked_, std::min(marked(record), record.sequence));
    return {};
  }));
  // Where a session has begun, what lay behind the record before it was dropped: none of that is
  // missing.
  if (const auto follower = reader.followers_.find(reader.chain_end_);
      follower != reader.followers_.end()) {
    reader.chain_end_ = std::max(reader.chain_end_, reader.heads_.at(follower->second).first - 1);
  }
  // A session that followed a power cut goes on before the mark that says how far: its head says so
  // instead.
  for (const auto& [segment, head] : reader.heads_) {
    reader.marked_ = std::max(reader.marked_, std::min(head.durable, reader.chain_end_));
  }
  reader.last_ = std::max(reader.last_, reader.marked_);
  reader.highest_ = std::max(reader.highest_, reader.chain_end_);
  auto complete = reader.check_nothing_durable_is_missing();
  if (complete || on_damage == OnDamage::kFail) COWFS_TRY(complete);
  else reader.damage_ = complete.error().text;
  COWFS_TRY(reader.collect_dropped_overwrites());
  return reader;
}

Result<void> JournalReader::read_heads() {
  COWFS_ASSIGN(segments_, storage_.list(ArrayKind::kJournal));
  for (const std::uint64_t segment : segments_) {
    std::string bytes(kSegmentHeadSize, '\0');
    COWFS_TRY(storage_.read(journal_array(segment), 0, std::as_writable_bytes(std::span(bytes))));
    const auto head = decode_segment_head(store_, bytes);
    if (!head) continue;
    heads_[segment] = *head;
    highest_ = std::max(highest_, head->first);
    const auto [follower, is_new] = followers_.emplace(head->previous, segment);
    if (!is_new && heads_.at(follower->second).first < head->first) follower->second = segment;
  }
  return {};
}

Journal::OldSegments JournalReader::segments(std::uint64_t needed_from) const {
  std::set<std::uint64_t> firsts;
  for (const auto& [segment, head] : heads_) firsts.insert(head.first);
  Journal::OldSegments old;
  old.durable = marked_;
  for (const std::uint64_t segment : segments_) {
    const auto head = heads_.find(segment);
    // The records of a segment end where those of the next one begin, at the latest.
    const auto next = head == heads_.end() ? firsts.end() : firsts.upper_bound(head->second.first);
    const bool needed = head != heads_.end() && (next == firsts.end() || *next > needed_from);
    (needed ? old.needed : old.ready).push_back(segment);
  }
  return old;
}

Result<void> JournalReader::load(std::uint64_t segment) {
  if (loaded_ == segment) return {};
  bytes_.resize(heads_.at(segment).size);
  loaded_ = segment;
  return storage_.read(journal_array(segment), 0, std::as_writable_bytes(std::span(bytes_)));
}

std::uint64_t JournalReader::segment_after(std::uint64_t last, std::uint64_t current) const {
  const auto follower = followers_.find(last);
  return follower == followers_.end() ? current : follower->second;
}

Result<void> JournalReader::walk(std::uint64_t end, const Visit& visit) {
  std::uint64_t last = start_.sequence - 1;
  std::uint64_t segment = start_.offset == 0 ? kNoSegment : start_.segment;
  std::uint64_t offset = start_.offset;
  std::uint64_t expected = start_.sequence;
  while (last < end) {
    if (const std::uint64_t next = segment_after(last, segment); next != segment) {
      // Sequences jump where a session begins, and the next one may begin right there.
      expected = heads_.at(next).first;
      const bool full = expected == last + 1;  // nothing was dropped behind its last record
      if (full && heads_.contains(segment)) walked_[segment] = heads_.at(segment).size;
      segment = next;
      offset = kSegmentHeadSize;
      last = expected - 1;
      continue;
    }
    if (!heads_.contains(segment) || offset < kSegmentHeadSize || offset >= heads_.at(segment).size)
      return {};
    COWFS_TRY(load(segment));
    const auto decoded = decode_record(store_, std::string_view(bytes_).substr(offset));
    if (!decoded || decoded->record.sequence != expected) return {};
    COWFS_TRY(visit(decoded->record));
    last = expected++;
    offset += decoded->length;
    walked_[segment] = offset;
  }
  return {};
}

Result<void> JournalReader::replay(const Visit& visit) {
  if (last_ < start_.sequence) return {};
  return walk(last_, visit);
}

// What a session wrote that was dropped after a power cut is no part of the chain any more, but its
// bytes may be: those that it overwrote in place.
Result<void> JournalReader::collect_dropped_overwrites() {
  for (const auto& [segment, head] : heads_) {
    const auto walked = walked_.find(segment);
    if (walked == walked_.end() && head.first < start_.sequence) continue;
    std::size_t offset = walked == walked_.end() ? kSegmentHeadSize : walked->second;
    if (offset >= head.size) continue;
    COWFS_TRY(load(segment));
    while (offset + kRecordHeadSize <= bytes_.size()) {
      const auto decoded = decode_record(store_, std::string_view(bytes_).substr(offset));
      if (!decoded || decoded->record.sequence < std::max(head.first, start_.sequence)) break;
      if (decoded->record.type == RecordType::kOverwrites)
        overwrites_.emplace_back(decoded->record.body);
      offset += decoded->length;
    }
  }
  return {};
}

// A record beyond the end of the chain that knows of a durable one beyond it, too, shows that the
// chain was not torn but damaged; one of the session that goes on shows it by being there, because
// all that was written before it must be too.
Result<void> JournalReader::check_nothing_durable_is_missing() {
  const std::uint64_t last_segment = loaded_;
  for (const auto& [segment, head] : heads_) {
    if (head.first <= chain_end_ && segment != last_segment) continue;
    COWFS_TRY(load(segment));
    for (std::size_t offset = kSegmentHeadSize; offset + kRecordHeadSize <= bytes_.size();) {
      const auto decoded = decode_record(store_, std::string_view(bytes_).substr(offset));
      const bool is_beyond = decoded && decoded->record.sequence > chain_end_;
      if (is_beyond && (decoded->record.durable > chain_end_ || head.session == session_)) {
        return fail(ErrorCode::kCorrupted, "the journal is damaged: record " +
                                               std::to_string(chain_end_ + 1) +
                                               " was written and cannot be read");
      }
      offset += decoded ? decoded->length : 8;
    }
  }
  return {};
}

}  // namespace cowfs
