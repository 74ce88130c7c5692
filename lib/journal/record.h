// Journal records and the heads of journal segments, to the byte.
//
// A record (72 bytes and its body, padded to a multiple of 8):
//
//   0        8       12       16     18      20          24         32        40           48           56         72
//   | checksum | magic | length | type | zero | body size | sequence | durable | generation | request id | store id | body ...
//
// The checksum covers bytes 8 to `length`. Decoders take any bytes and say nothing where they make
// no sense.
//
// A segment begins with a head of 512 bytes, one sector, which the host writes whole or not at all.
// docs/format.md has the tables.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "lib/base/bytes.h"
#include "lib/base/ids.h"
#include "lib/storage/storage.h"

namespace cowfs {

using StoreId = std::array<std::uint8_t, 16>;

inline constexpr std::size_t kRecordHeadSize = 72;  // bytes
inline constexpr std::size_t kMaxRecordSize = std::size_t{3} << 20;
inline constexpr std::size_t kSegmentHeadSize = 512;
inline constexpr std::uint64_t kDefaultSegmentBytes = std::uint64_t{4} << 20;
inline constexpr std::uint64_t kDefaultJournalBytes = std::uint64_t{1} << 30;
inline constexpr std::uint64_t kMaxSegmentBytes = std::uint64_t{64} << 20;

/// The array of a segment.
inline ArrayName journal_array(std::uint64_t segment) { return {ArrayKind::kJournal, segment}; }

enum class RecordType : std::uint16_t {
  kTransaction = 1,
  kVolume = 2,      // a volume is forked, renamed, deleted, rid of its orphans
  kObject = 3,      // an object is made
  kMark = 4,        // the data that records up to a sequence refer to is durable
  kOverwrites = 5,  // ranges of blocks that are overwritten in place from now on
};

struct JournalRecord {
  RecordType type = RecordType::kMark;
  // from 1; each record has the next one, but for the jump where a session begins
  std::uint64_t sequence = 0;
  std::uint64_t durable = 0;     // the highest sequence known durable when this one was written
  Generation generation{0};      // of the store when it was written
  std::uint64_t request_id = 0;  // of the request that it answers; 0: none
  std::string_view body;
};

/// Bytes of a record with a body of this size.
constexpr std::size_t record_length(std::size_t body_size) {
  return (kRecordHeadSize + body_size + 7) / 8 * 8;
}
/// The record as it is written; at most kMaxRecordSize bytes.
std::string encode_record(const StoreId& store, const JournalRecord& record);

struct DecodedRecord {
  JournalRecord record;  // its body lies in the bytes that were decoded
  std::size_t length;    // bytes to the next record
};
/// The record at the front of `bytes`, if there is a whole one of this store.
std::optional<DecodedRecord> decode_record(const StoreId& store, std::string_view bytes);

struct SegmentHead {
  std::uint64_t first = 0;     // sequence of the first record
  std::uint64_t previous = 0;  // sequence of the record that comes before it, in another segment
  std::uint64_t session = 0;   // hash of Storage::session() when it was begun
  std::uint64_t size = kDefaultSegmentBytes;  // of the segment; at most kMaxSegmentBytes
  // the data of records up to this one is durable, said marks that do not count themselves
  std::uint64_t durable = 0;
};
std::string encode_segment_head(const StoreId& store, const SegmentHead& head);
std::optional<SegmentHead> decode_segment_head(const StoreId& store, std::string_view bytes);

/// Where a record lies or will lie.
struct JournalPosition {
  std::uint64_t segment = 0;
  std::uint64_t offset = 0;    // bytes
  std::uint64_t sequence = 1;  // of that record

  friend bool operator==(const JournalPosition&, const JournalPosition&) = default;
};

}  // namespace cowfs
