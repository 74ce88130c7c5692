#include "lib/volume/inode_record.h"

#include <sys/stat.h>

#include <utility>

#include "lib/base/bytes.h"
#include "lib/base/check.h"
#include "lib/volume/volume.h"

namespace cowfs {
namespace {

constexpr std::uint32_t kNanosecondsPerSecond = 1'000'000'000;

void write_time(ByteWriter& writer, Timestamp time) {
  writer.le(static_cast<std::uint64_t>(time.seconds)).le(time.nanoseconds);
}

Timestamp read_time(ByteReader& reader) {
  const auto seconds = static_cast<std::int64_t>(reader.le<std::uint64_t>());
  return {seconds, reader.le<std::uint32_t>()};
}

bool is_known_type(mode_t mode) {
  switch (mode & S_IFMT) {
    case S_IFREG:
    case S_IFDIR:
    case S_IFLNK:
    case S_IFCHR:
    case S_IFBLK:
    case S_IFIFO:
    case S_IFSOCK: return true;
    default: return false;
  }
}

bool is_sound(const InodeRecord& record) {
  for (const Timestamp& time :
       {record.access_time, record.modify_time, record.change_time, record.birth_time}) {
    if (time.nanoseconds >= kNanosecondsPerSecond) return false;
  }
  return is_known_type(record.mode) && (record.mode & ~(S_IFMT | 07777u)) == 0 &&
         record.size <= kFileSizeLimit;
}

}  // namespace

mode_t InodeRecord::type() const { return mode & S_IFMT; }
bool InodeRecord::is_directory() const { return S_ISDIR(mode); }
bool InodeRecord::is_regular() const { return S_ISREG(mode); }
bool InodeRecord::is_symlink() const { return S_ISLNK(mode); }

std::string inode_key(InodeNumber inode) { return key_of(inode, KeyKind::kInode).take(); }

std::string encode_inode(const InodeRecord& record) {
  ByteWriter writer;
  writer.reserve(kInodeRecordSize);
  writer.le(record.mode).le(record.link_count).le(record.uid).le(record.gid);
  writer.le(record.size).le(record.blocks).le(record.device);
  writer.le(record.flags).le(record.project);
  write_time(writer, record.access_time);
  write_time(writer, record.modify_time);
  write_time(writer, record.change_time);
  write_time(writer, record.birth_time);
  std::string out = writer.take();
  COWFS_CHECK(out.size() == kInodeRecordSize && is_sound(record));
  return out;
}

Result<InodeRecord> decode_inode(std::string_view value) {
  ByteReader reader(value);
  InodeRecord record;
  record.mode = reader.le<std::uint32_t>();
  record.link_count = reader.le<std::uint32_t>();
  record.uid = reader.le<std::uint32_t>();
  record.gid = reader.le<std::uint32_t>();
  record.size = reader.le<std::uint64_t>();
  record.blocks = reader.le<std::uint64_t>();
  record.device = reader.le<std::uint64_t>();
  record.flags = reader.le<std::uint32_t>();
  record.project = reader.le<std::uint32_t>();
  record.access_time = read_time(reader);
  record.modify_time = read_time(reader);
  record.change_time = read_time(reader);
  record.birth_time = read_time(reader);
  if (!reader.done() || !is_sound(record)) {
    return fail(ErrorCode::kCorrupted, "an inode item is damaged");
  }
  return record;
}

Attributes attributes_of(InodeNumber inode, const InodeRecord& record) {
  return {.inode = inode,
          .mode = record.mode,
          .link_count = record.link_count,
          .uid = record.uid,
          .gid = record.gid,
          .device = record.device,
          .size = record.size,
          .blocks = record.blocks,
          .access_time = record.access_time,
          .modify_time = record.modify_time,
          .change_time = record.change_time,
          .birth_time = record.birth_time};
}

Result<InodeRecord> load_inode(const TreeView& view, VolumeId volume, InodeNumber inode) {
  COWFS_ASSIGN(const auto value, view.get(volume, inode_key(inode)));
  if (!value) return fail(ErrorCode::kStale);
  return decode_inode(*value);
}

void put_inode(Transaction& transaction, VolumeId volume, InodeNumber inode,
               const InodeRecord& record) {
  transaction.put(volume, inode_key(inode), encode_inode(record));
}

}  // namespace cowfs
