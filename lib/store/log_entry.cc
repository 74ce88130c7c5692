#include "lib/store/log_entry.h"

#include <algorithm>

#include "lib/store/volume_table.h"

namespace cowfs {
namespace {

constexpr std::uint16_t kErased = 0xffff;  // as the size of a value
constexpr std::uint32_t kReadOnlyAllowed = 1;
constexpr std::uint32_t kOnlyFrees = 2;
constexpr std::uint32_t kHasChecksums = 4;

void write_range(ByteWriter& writer, const BlockRange& range) {
  writer.le(raw(range.object)).le(range.first).le(range.count);
}

BlockRange read_range(ByteReader& reader) {
  const ObjectNumber object{reader.le<std::uint64_t>()};
  const auto first = reader.le<std::uint64_t>();
  return {object, first, reader.le<std::uint64_t>()};
}

bool is_sound(const BlockRange& range) {
  return range.object != kNoObject && range.count > 0 && range.count <= kMaxExtentBlocks &&
         range.first < std::uint64_t{1} << 52;
}

std::uint32_t count_of(const auto& list) { return static_cast<std::uint32_t>(list.size()); }

bool read_change(ByteReader& reader, Transaction& transaction) {
  const VolumeId volume{reader.le<std::uint32_t>()};
  const auto key_size = reader.le<std::uint16_t>();
  const auto value_size = reader.le<std::uint16_t>();
  const std::string_view key = reader.bytes(key_size);
  const std::string_view value = reader.bytes(value_size == kErased ? 0 : value_size);
  if (!reader.ok() || key.empty() || key.size() > kMaxKeySize || value.size() > kMaxValueSize)
    return false;
  if (value_size != kErased && kind_of(key) == KeyKind::kExtent && !decode_extent(key, value))
    return false;
  if (value_size == kErased) transaction.erase(volume, std::string(key));
  else transaction.put(volume, std::string(key), std::string(value));
  return true;
}

bool read_checksums(ByteReader& reader, std::vector<TakenBlocks>& taken) {
  for (TakenBlocks& blocks : taken) {
    const auto count = reader.le<std::uint32_t>();
    if (count != 0 && (count != blocks.range.count || count > reader.rest().size() / 4))
      return false;
    for (std::uint32_t i = 0; i < count; ++i)
      blocks.checksums.push_back(reader.le<std::uint32_t>());
  }
  return reader.ok();
}

}  // namespace

std::string encode_transaction(const Transaction& t, const std::vector<TakenBlocks>& taken) {
  ByteWriter writer;
  writer.reserve(t.size_bytes() + 24 * (taken.size() + t.overwritten().size()) + 32);
  const bool checksums = std::ranges::any_of(
      taken, [](const TakenBlocks& blocks) { return !blocks.checksums.empty(); });
  writer.le((t.read_only_allowed() ? kReadOnlyAllowed : 0) | (t.only_frees() ? kOnlyFrees : 0) |
            (checksums ? kHasChecksums : 0));
  writer.le(count_of(t.changes()))
      .le(count_of(t.retained()))
      .le(count_of(t.released()))
      .le(count_of(taken));
  writer.le(count_of(t.overwritten()));
  for (const auto& change : t.changes()) {
    writer.le(raw(change.volume)).le(static_cast<std::uint16_t>(change.key.size()));
    writer.le(change.value ? static_cast<std::uint16_t>(change.value->size()) : kErased)
        .bytes(change.key);
    if (change.value) writer.bytes(*change.value);
  }
  for (const auto& range : t.retained()) write_range(writer, range);
  for (const auto& range : t.released()) write_range(writer, range);
  for (const auto& blocks : taken) write_range(writer, blocks.range);
  for (const ObjectNumber object : t.overwritten()) writer.le(raw(object));
  for (const auto& blocks : taken) {
    if (!checksums) break;
    writer.le(count_of(blocks.checksums));
    for (const std::uint32_t checksum : blocks.checksums) writer.le(checksum);
  }
  return writer.take();
}

std::optional<LoggedTransaction> decode_transaction(std::string_view body) {
  LoggedTransaction logged;
  Transaction& transaction = logged.transaction;
  ByteReader reader(body);
  const auto flags = reader.le<std::uint32_t>();
  const auto changes = reader.le<std::uint32_t>();
  const auto retained = reader.le<std::uint32_t>();
  const auto released = reader.le<std::uint32_t>();
  const auto taken = reader.le<std::uint32_t>();
  const auto overwritten = reader.le<std::uint32_t>();
  if ((flags & kReadOnlyAllowed) != 0) transaction.allow_read_only();
  if ((flags & kOnlyFrees) != 0) transaction.frees_space();
  // The counts bound nothing by themselves: each loop ends where the bytes do.
  for (std::uint32_t i = 0; i < changes; ++i) {
    if (!read_change(reader, transaction)) return std::nullopt;
  }
  const auto read_ranges = [&](std::uint32_t count, auto take) {
    for (std::uint32_t i = 0; i < count; ++i) {
      const BlockRange range = read_range(reader);
      if (!reader.ok() || !is_sound(range)) return false;
      take(range);
    }
    return true;
  };
  const bool sound =
      read_ranges(retained, [&](const BlockRange& r) { transaction.retain(r); }) &&
      read_ranges(released, [&](const BlockRange& r) { transaction.release(r); }) &&
      read_ranges(taken, [&](const BlockRange& r) { logged.taken.push_back({r, {}}); });
  if (!sound) return std::nullopt;
  for (std::uint32_t i = 0; i < overwritten && reader.ok(); ++i)
    transaction.overwrote(ObjectNumber{reader.le<std::uint64_t>()});
  if ((flags & kHasChecksums) != 0 && !read_checksums(reader, logged.taken)) return std::nullopt;
  if (!reader.done()) return std::nullopt;
  return logged;
}

std::string encode_logged_volume(const LoggedVolume& entry) {
  return ByteWriter()
      .le(static_cast<std::uint8_t>(entry.action))
      .le(std::uint8_t{entry.read_only})
      .le(std::uint8_t{entry.has_orphans})
      .le(std::uint8_t{0})
      .le(raw(entry.id))
      .le(raw(entry.parent))
      .le(static_cast<std::uint64_t>(entry.created.seconds))
      .le(entry.created.nanoseconds)
      .bytes(entry.name)
      .take();
}

std::optional<LoggedVolume> decode_logged_volume(std::string_view body) {
  ByteReader reader(body);
  LoggedVolume entry;
  const auto action = reader.le<std::uint8_t>();
  entry.action = static_cast<VolumeAction>(action);
  entry.read_only = reader.le<std::uint8_t>() != 0;
  entry.has_orphans = reader.le<std::uint8_t>() != 0;
  reader.le<std::uint8_t>();
  entry.id = VolumeId{reader.le<std::uint32_t>()};
  entry.parent = VolumeId{reader.le<std::uint32_t>()};
  entry.created.seconds = static_cast<std::int64_t>(reader.le<std::uint64_t>());
  entry.created.nanoseconds = reader.le<std::uint32_t>();
  entry.name = std::string(reader.rest());
  const bool takes_name =
      entry.action == VolumeAction::kFork || entry.action == VolumeAction::kRename;
  const bool sound =
      reader.ok() && action >= 1 && action <= 4 && raw(entry.id) < kVolumeLimit &&
      (takes_name ? check_volume_name(entry.name).has_value() : entry.name.size() <= kNameLimit);
  if (!sound) return std::nullopt;
  return entry;
}

std::string encode_logged_object(const LoggedObject& entry) {
  return ByteWriter().le(raw(entry.object)).bytes(encode_object(entry.record)).take();
}

std::optional<LoggedObject> decode_logged_object(std::string_view body) {
  ByteReader reader(body);
  const ObjectNumber object{reader.le<std::uint64_t>()};
  const auto record = decode_object(reader.rest());
  if (!reader.ok() || object == kNoObject || !record) return std::nullopt;
  return LoggedObject{object, *record};
}

}  // namespace cowfs
