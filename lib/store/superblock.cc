#include "lib/store/superblock.h"

#include <algorithm>
#include <cstring>

#include "lib/base/xxh3.h"

namespace cowfs {
namespace {

constexpr std::string_view kMagic = "cowfs\r\n\x1a";
constexpr std::string_view kNoSuperblock = "there is no cowfs superblock";
constexpr std::size_t kChecksumAt = kSuperblockSize - 8;

std::uint64_t checksum(std::string_view bytes) { return XXH3_64bits(bytes.data(), kChecksumAt); }

Error worse(const Error& a, const Error& b) { return a.code == ErrorCode::kCorrupted ? a : b; }

}  // namespace

std::string encode_superblock(const Superblock& s) {
  ByteWriter writer;
  writer.bytes(kMagic)
      .le(s.version)
      .le(static_cast<std::uint32_t>(kBlockSize))
      .le(static_cast<std::uint32_t>(kNodeSize));
  writer.le(std::uint32_t{s.clean});
  writer.le(s.compatible).le(s.read_only_compatible).le(s.incompatible);
  writer.bytes({reinterpret_cast<const char*>(s.store_id.data()), s.store_id.size()})
      .le(s.name_seed);
  writer.le(static_cast<std::uint64_t>(s.created.seconds))
      .le(s.created.nanoseconds)
      .le(s.next_volume);
  writer.le(s.checkpoint).le(raw(s.generation)).bytes(encode_pointer(s.root));
  writer.le(s.node_segments)
      .le(s.next_object)
      .le(s.object_limit)
      .le(s.next_inode)
      .le(s.inode_limit)
      .le(s.live_blocks);
  for (const std::uint64_t pack : s.open_packs) writer.le(pack);
  writer.le(s.journal.segment).le(s.journal.offset).le(s.journal.sequence);
  std::string bytes = writer.take();
  bytes.resize(kChecksumAt);
  const std::uint64_t sum = checksum(bytes);
  bytes.append(reinterpret_cast<const char*>(&sum), sizeof sum);
  return bytes;
}

Result<Superblock> decode_superblock(std::string_view bytes) {
  ByteReader reader(bytes);
  if (bytes.size() != kSuperblockSize || reader.bytes(kMagic.size()) != kMagic) {
    return fail(ErrorCode::kNotAStore, std::string(kNoSuperblock));
  }
  Superblock s;
  s.version = reader.le<std::uint32_t>();
  std::uint64_t sum = 0;
  std::memcpy(&sum, bytes.data() + kChecksumAt, sizeof sum);
  if (sum != checksum(bytes))
    return fail(ErrorCode::kCorrupted, "the superblock is damaged (checksum mismatch)");
  if (s.version != kFormatVersion) {
    return fail(ErrorCode::kNotAStore, "the store has format version " + std::to_string(s.version) +
                                           ", this program knows version " +
                                           std::to_string(kFormatVersion));
  }
  const auto block_size = reader.le<std::uint32_t>();
  const auto node_size = reader.le<std::uint32_t>();
  s.clean = reader.le<std::uint32_t>() != 0;
  s.compatible = reader.le<std::uint64_t>();
  s.read_only_compatible = reader.le<std::uint64_t>();
  s.incompatible = reader.le<std::uint64_t>();
  std::memcpy(s.store_id.data(), reader.bytes(s.store_id.size()).data(), s.store_id.size());
  s.name_seed = reader.le<std::uint64_t>();
  s.created.seconds = static_cast<std::int64_t>(reader.le<std::uint64_t>());
  s.created.nanoseconds = reader.le<std::uint32_t>();
  s.next_volume = reader.le<std::uint32_t>();
  s.checkpoint = reader.le<std::uint64_t>();
  s.generation = Generation{reader.le<std::uint64_t>()};
  s.root = decode_pointer(reader.bytes(kNodePointerSize));
  s.node_segments = reader.le<std::uint64_t>();
  s.next_object = reader.le<std::uint64_t>();
  s.object_limit = reader.le<std::uint64_t>();
  s.next_inode = reader.le<std::uint64_t>();
  s.inode_limit = reader.le<std::uint64_t>();
  s.live_blocks = reader.le<std::uint64_t>();
  for (std::uint64_t& pack : s.open_packs) pack = reader.le<std::uint64_t>();
  s.journal.segment = reader.le<std::uint64_t>();
  s.journal.offset = reader.le<std::uint64_t>();
  s.journal.sequence = reader.le<std::uint64_t>();
  const bool sound = reader.ok() && block_size == kBlockSize && node_size == kNodeSize &&
                     s.checkpoint > 0 && s.node_segments > 0 &&
                     s.node_segments < (std::uint64_t{1} << 32) &&
                     (s.journal.sequence > 0 || (s.incompatible & kFeatureJournal) == 0) &&
                     s.next_volume <= kVolumeLimit;
  if (!sound) return fail(ErrorCode::kCorrupted, "the superblock holds impossible values");
  if (s.journal.sequence == 0) s.journal.sequence = 1;  // written before there was a journal
  s.incompatible |= kFeatureJournal;
  if ((s.incompatible & ~kKnownIncompatible) != 0) {
    return fail(ErrorCode::kNotAStore, "the store uses features that this program does not know");
  }
  return s;
}

Result<void> write_superblock(Storage& storage, const Superblock& superblock) {
  const std::string bytes = encode_superblock(superblock);
  const std::uint64_t offset = kSuperblockSlotDistance * (superblock.checkpoint % kSuperblockSlots);
  COWFS_TRY(storage.write({ArrayKind::kSuperblock, 0}, offset, std::as_bytes(std::span(bytes))));
  return storage.sync({ArrayKind::kSuperblock, 0});
}

Result<SuperblockSlots> read_superblocks(Storage& storage) {
  SuperblockSlots slots;
  std::optional<Error> error;
  for (unsigned slot = 0; slot < kSuperblockSlots; ++slot) {
    std::string bytes(kSuperblockSize, '\0');
    COWFS_TRY(storage.read({ArrayKind::kSuperblock, 0}, slot * kSuperblockSlotDistance,
                           std::as_writable_bytes(std::span(bytes))));
    auto decoded = decode_superblock(bytes);
    const bool blank = bytes.find_first_not_of('\0') == std::string::npos;
    slots.damaged = slots.damaged || (!decoded && !blank);
    if (decoded) slots.valid.push_back(*decoded);
    else error = error ? worse(*error, decoded.error()) : decoded.error();
  }
  // A newer version's slot beside an old one of ours: the store was taken over by a newer program.
  if (error && error->code == ErrorCode::kNotAStore && error->text != kNoSuperblock)
    return fail(*error);
  if (slots.valid.empty()) return fail(*error);
  std::ranges::sort(slots.valid, std::greater{}, &Superblock::checkpoint);
  // Only a new store has one slot alone.
  slots.blank = !slots.damaged && slots.valid.size() == 1 && slots.valid.front().checkpoint > 1;
  slots.damaged = slots.damaged || slots.blank;
  return slots;
}

}  // namespace cowfs
