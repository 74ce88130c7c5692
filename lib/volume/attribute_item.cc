#include "lib/volume/attribute_item.h"

#include <algorithm>

#include "lib/tree/node.h"
#include "lib/volume/volume.h"

namespace cowfs {
namespace {

std::string name_prefix(InodeNumber inode, std::string_view name) {
  return key_of(inode, KeyKind::kAttribute).bytes(name).be(std::uint8_t{0}).take();
}

std::string chunk_key(InodeNumber inode, std::string_view name, std::size_t chunk) {
  return name_prefix(inode, name) + ByteWriter().be(static_cast<std::uint16_t>(chunk)).take();
}

std::size_t chunks_of(std::size_t value_size) {
  return std::max<std::size_t>((value_size + kMaxValueSize - 1) / kMaxValueSize, 1);
}

std::unexpected<Error> damaged() {
  return fail(ErrorCode::kCorrupted, "an extended attribute is damaged");
}

}  // namespace

Result<std::optional<std::string>> load_attribute(const TreeView& view, VolumeId volume,
                                                  InodeNumber inode, std::string_view name) {
  const std::string prefix = name_prefix(inode, name);
  std::string value;
  std::size_t chunks = 0;
  bool sound = true;
  COWFS_TRY(view.scan(volume, prefix, [&](std::string_view key, std::string_view chunk) {
    if (!has_prefix(key, prefix)) return false;
    ByteReader rest(key.substr(prefix.size()));
    sound =
        rest.be<std::uint16_t>() == chunks && rest.done() && value.size() == chunks * kMaxValueSize;
    ++chunks;
    value.append(chunk);
    return sound && value.size() <= kAttributeValueLimit;
  }));
  if (!sound || value.size() > kAttributeValueLimit) return damaged();
  if (chunks == 0) return std::optional<std::string>();
  return std::optional<std::string>(std::move(value));
}

Result<std::vector<std::string>> list_attributes(const TreeView& view, VolumeId volume,
                                                 InodeNumber inode) {
  const std::string prefix = key_of(inode, KeyKind::kAttribute).take();
  std::vector<std::string> names;
  bool sound = true;
  COWFS_TRY(view.scan(volume, prefix, [&](std::string_view key, std::string_view) {
    if (!has_prefix(key, prefix)) return false;
    const std::string_view rest = key.substr(prefix.size());
    const std::size_t end = rest.find('\0');
    sound = end != 0 && end != rest.npos && rest.size() == end + 1 + sizeof(std::uint16_t);
    if (sound && rest.substr(end + 1) == std::string_view("\0\0", 2)) {
      names.emplace_back(rest.substr(0, end));
    }
    return sound;
  }));
  if (!sound) return damaged();
  return names;
}

void put_attribute(Transaction& transaction, VolumeId volume, InodeNumber inode,
                   std::string_view name, std::string_view value,
                   std::optional<std::size_t> old_size) {
  const std::size_t chunks = chunks_of(value.size());
  for (std::size_t chunk = 0; chunk < chunks; ++chunk) {
    transaction.put(volume, chunk_key(inode, name, chunk),
                    std::string(value.substr(chunk * kMaxValueSize, kMaxValueSize)));
  }
  for (std::size_t chunk = chunks; old_size && chunk < chunks_of(*old_size); ++chunk) {
    transaction.erase(volume, chunk_key(inode, name, chunk));
  }
}

void erase_attribute(Transaction& transaction, VolumeId volume, InodeNumber inode,
                     std::string_view name, std::size_t old_size) {
  for (std::size_t chunk = 0; chunk < chunks_of(old_size); ++chunk) {
    transaction.erase(volume, chunk_key(inode, name, chunk));
  }
}

}  // namespace cowfs
