#include "lib/volume/name_item.h"

#include <sys/stat.h>
#include <algorithm>

#include "lib/base/bytes.h"
#include "lib/base/xxh3.h"

namespace cowfs {
namespace {

constexpr unsigned kTypeShift = 12;  // S_IFMT's lowest bit
constexpr unsigned kUnusedHashBits = 9;
constexpr unsigned kIndexBits = 8;

std::unexpected<Error> damaged(const char* what) {
  return fail(ErrorCode::kCorrupted, std::string(what) + " is damaged");
}

std::string parent_key(InodeNumber inode, InodeNumber directory, std::uint64_t cookie) {
  return key_of(inode, KeyKind::kParent).be(raw(directory)).be(cookie).take();
}

}  // namespace

std::uint64_t first_cookie(std::uint64_t seed, std::string_view name) {
  const std::uint64_t hash =
      XXH3_64bits_withSeed(name.data(), name.size(), seed) >> kUnusedHashBits;
  return std::max<std::uint64_t>(hash, 1) << kIndexBits;
}

std::string name_key(InodeNumber directory, std::uint64_t cookie) {
  return key_of(directory, KeyKind::kName).be(cookie).take();
}

std::string encode_name(const NameItem& item) {
  return ByteWriter()
      .le(raw(item.child))
      .le(static_cast<std::uint8_t>(item.type >> kTypeShift))
      .bytes(item.name)
      .take();
}

Result<NameItem> decode_name(std::string_view key, std::string_view value) {
  ByteReader rest(rest_of(key));
  ByteReader reader(value);
  NameItem item;
  item.cookie = rest.be<std::uint64_t>();
  item.child = InodeNumber{reader.le<std::uint64_t>()};
  item.type = static_cast<mode_t>(reader.le<std::uint8_t>()) << kTypeShift;
  item.name = reader.rest();
  const bool sound = rest.done() && reader.ok() && item.cookie >= kFirstNameCookie &&
                     raw(item.child) >= raw(kFirstFreeInode) && raw(item.child) < kInodeLimit &&
                     check_new_name(item.name).has_value();
  if (!sound) return damaged("a name item");
  return item;
}

Result<NameSlot> find_name(const TreeView& view, VolumeId volume, InodeNumber directory,
                           std::string_view name, std::uint64_t seed) {
  const std::uint64_t first = first_cookie(seed, name);
  const std::string from = name_key(directory, first);
  const std::string_view same_hash = std::string_view(from).substr(0, from.size() - 1);
  NameSlot slot;
  std::uint64_t next_free = first;
  Result<void> decoded;
  COWFS_TRY(view.scan(volume, from, [&](std::string_view key, std::string_view value) {
    if (!has_prefix(key, same_hash)) return false;
    auto item = decode_name(key, value);
    if (!item) {
      decoded = fail(std::move(item).error());
      return false;
    }
    if (item->cookie == next_free) ++next_free;
    if (item->name != name) return true;
    slot.item = std::move(*item);
    return false;
  }));
  if (!decoded) return fail(std::move(decoded).error());
  if (next_free < first + kNamesOfOneHash) slot.free_cookie = next_free;
  return slot;
}

Result<std::vector<NameItem>> names_from(const TreeView& view, VolumeId volume,
                                         InodeNumber directory, std::uint64_t cookie,
                                         std::size_t limit) {
  const std::string prefix = key_of(directory, KeyKind::kName).take();
  std::vector<NameItem> names;
  names.reserve(std::min<std::size_t>(limit, 64));
  Result<void> decoded;
  COWFS_TRY(view.scan(volume, name_key(directory, cookie),
                      [&](std::string_view key, std::string_view value) {
                        if (!has_prefix(key, prefix) || names.size() == limit) return false;
                        auto item = decode_name(key, value);
                        if (item) names.push_back(std::move(*item));
                        else decoded = fail(std::move(item).error());
                        return decoded.has_value();
                      }));
  if (!decoded) return fail(std::move(decoded).error());
  return names;
}

void put_name(Transaction& transaction, VolumeId volume, InodeNumber directory,
              const NameItem& item) {
  transaction.put(volume, name_key(directory, item.cookie), encode_name(item));
  transaction.put(volume, parent_key(item.child, directory, item.cookie), item.name);
}

void erase_name(Transaction& transaction, VolumeId volume, InodeNumber directory,
                const NameItem& item) {
  transaction.erase(volume, name_key(directory, item.cookie));
  transaction.erase(volume, parent_key(item.child, directory, item.cookie));
}

Result<std::optional<ParentItem>> find_parent(const TreeView& view, VolumeId volume,
                                              InodeNumber inode) {
  const std::string prefix = key_of(inode, KeyKind::kParent).take();
  std::optional<ParentItem> found;
  bool sound = true;
  COWFS_TRY(view.scan(volume, prefix, [&](std::string_view key, std::string_view value) {
    if (!has_prefix(key, prefix)) return false;
    ByteReader rest(rest_of(key));
    found = ParentItem{InodeNumber{rest.be<std::uint64_t>()}, rest.be<std::uint64_t>(),
                       std::string(value)};
    sound = rest.done() && check_new_name(value).has_value();
    return false;
  }));
  if (!sound) return damaged("a parent item");
  return found;
}

Result<void> check_name(std::string_view name) {
  if (name.empty()) return fail(ErrorCode::kNotFound);
  if (name.size() > kNameLimit) return fail(ErrorCode::kNameTooLong);
  if (name.find('/') != name.npos || name.find('\0') != name.npos) {
    return fail(ErrorCode::kInvalidArgument);
  }
  return {};
}

Result<void> check_new_name(std::string_view name) {
  COWFS_TRY(check_name(name));
  if (name == "." || name == "..") return fail(ErrorCode::kExists);
  return {};
}

}  // namespace cowfs
