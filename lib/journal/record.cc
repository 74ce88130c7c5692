#include "lib/journal/record.h"

#include "lib/base/check.h"
#include "lib/base/xxh3.h"

namespace cowfs {
namespace {

constexpr std::uint32_t kRecordMagic = 0x4a574f43;  // "COWJ"
constexpr std::string_view kSegmentMagic = "cowfsjnl";
constexpr std::uint32_t kSegmentVersion = 1;
constexpr std::size_t kChecksumSize = 8;
constexpr std::size_t kSegmentChecksumAt = kSegmentHeadSize - kChecksumSize;

std::string_view bytes_of(const StoreId& store) {
  return {reinterpret_cast<const char*>(store.data()), store.size()};
}

}  // namespace

std::string encode_record(const StoreId& store, const JournalRecord& record) {
  const std::size_t length = record_length(record.body.size());
  COWFS_CHECK(length <= kMaxRecordSize);
  ByteWriter writer;
  writer.reserve(length);
  writer.le(std::uint64_t{0}).le(kRecordMagic).le(static_cast<std::uint32_t>(length));
  writer.le(static_cast<std::uint16_t>(record.type))
      .le(std::uint16_t{0})
      .le(static_cast<std::uint32_t>(record.body.size()));
  writer.le(record.sequence).le(record.durable).le(raw(record.generation)).le(record.request_id);
  writer.bytes(bytes_of(store)).bytes(record.body);
  std::string bytes = writer.take();
  bytes.resize(length);
  const std::uint64_t checksum = XXH3_64bits(bytes.data() + kChecksumSize, length - kChecksumSize);
  std::memcpy(bytes.data(), &checksum, sizeof checksum);
  return bytes;
}

std::optional<DecodedRecord> decode_record(const StoreId& store, std::string_view bytes) {
  ByteReader reader(bytes);
  const auto checksum = reader.le<std::uint64_t>();
  const auto magic = reader.le<std::uint32_t>();
  if (magic != kRecordMagic) return std::nullopt;  // whole segments are searched for records
  const auto length = reader.le<std::uint32_t>();
  const auto type = reader.le<std::uint16_t>();
  reader.le<std::uint16_t>();
  const auto body_size = reader.le<std::uint32_t>();
  JournalRecord record;
  record.sequence = reader.le<std::uint64_t>();
  record.durable = reader.le<std::uint64_t>();
  record.generation = Generation{reader.le<std::uint64_t>()};
  record.request_id = reader.le<std::uint64_t>();
  const std::string_view id = reader.bytes(store.size());
  const bool sound = reader.ok() && length % 8 == 0 && length >= kRecordHeadSize &&
                     length <= kMaxRecordSize && length <= bytes.size() &&
                     body_size <= length - kRecordHeadSize && id == bytes_of(store) &&
                     record.durable < record.sequence &&
                     type >= static_cast<std::uint16_t>(RecordType::kTransaction) &&
                     type <= static_cast<std::uint16_t>(RecordType::kOverwrites);
  if (!sound || checksum != XXH3_64bits(bytes.data() + kChecksumSize, length - kChecksumSize))
    return std::nullopt;
  record.type = static_cast<RecordType>(type);
  record.body = bytes.substr(kRecordHeadSize, body_size);
  return DecodedRecord{record, length};
}

std::string encode_segment_head(const StoreId& store, const SegmentHead& head) {
  std::string bytes = ByteWriter()
                          .bytes(kSegmentMagic)
                          .le(kSegmentVersion)
                          .le(std::uint32_t{0})
                          .bytes(bytes_of(store))
                          .le(head.first)
                          .le(head.previous)
                          .le(head.session)
                          .le(head.size)
                          .le(head.durable)
                          .take();
  bytes.resize(kSegmentChecksumAt);
  const std::uint64_t checksum = XXH3_64bits(bytes.data(), kSegmentChecksumAt);
  bytes.append(reinterpret_cast<const char*>(&checksum), sizeof checksum);
  return bytes;
}

std::optional<SegmentHead> decode_segment_head(const StoreId& store, std::string_view bytes) {
  if (bytes.size() < kSegmentHeadSize) return std::nullopt;
  ByteReader reader(bytes);
  const bool ours = reader.bytes(kSegmentMagic.size()) == kSegmentMagic &&
                    reader.le<std::uint32_t>() == kSegmentVersion;
  reader.le<std::uint32_t>();
  if (!ours || reader.bytes(store.size()) != bytes_of(store)) return std::nullopt;
  SegmentHead head;
  head.first = reader.le<std::uint64_t>();
  head.previous = reader.le<std::uint64_t>();
  head.session = reader.le<std::uint64_t>();
  head.size = reader.le<std::uint64_t>();
  head.durable = reader.le<std::uint64_t>();
  std::uint64_t checksum = 0;
  std::memcpy(&checksum, bytes.data() + kSegmentChecksumAt, sizeof checksum);
  if (checksum != XXH3_64bits(bytes.data(), kSegmentChecksumAt) || head.first <= head.previous ||
      head.size > kMaxSegmentBytes) {
    return std::nullopt;
  }
  return head;
}

}  // namespace cowfs
