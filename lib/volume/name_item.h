// Names in the tree: what a directory says of its entries, and an inode of its names.
//
//     (directory, kName, cookie)           -> child inode u64 · type u8 · name       one for each entry
//     (child, kParent, directory, cookie)  -> name                                   one for each name of an inode
//
// The cookie of an entry is 55 bits of the name's hash, then 8 bits that tell names of equal hash
// apart: the first that is free when the name is made. It is what readdir gives as a position, so
// an entry keeps its place whatever happens to others, in every fork too. Hash 0 is not used, so
// that cookies below 256 are free for "." and "..". The hash is XXH3 (64 bits) with the store's
// seed, its upper 55 bits: nobody outside can make many names of one hash.
//
// The root has no parent item; every other directory has exactly one.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lib/store/store.h"

namespace cowfs {

inline constexpr std::uint64_t kFirstNameCookie = 256;
inline constexpr std::uint64_t kNamesOfOneHash = 256;

struct NameItem {
  std::uint64_t cookie = 0;
  InodeNumber child{};
  mode_t type = 0;  // S_IFMT bits
  std::string name;
};

/// What an entry adds to the size of its directory: a figure for people, as on btrfs.
inline std::uint64_t entry_size(std::string_view name) { return name.size() + 32; }

/// The cookie of the first name with this name's hash.
std::uint64_t first_cookie(std::uint64_t seed, std::string_view name);

std::string name_key(InodeNumber directory, std::uint64_t cookie);
std::string encode_name(const NameItem& item);
/// kCorrupted where the bytes are no name item.
Result<NameItem> decode_name(std::string_view key, std::string_view value);

/// Where a name is, or could go.
struct NameSlot {
  std::optional<NameItem> item;
  std::optional<std::uint64_t> free_cookie;  // nothing: all 256 of its hash are taken
};
Result<NameSlot> find_name(const TreeView& view, VolumeId volume, InodeNumber directory,
                           std::string_view name, std::uint64_t seed);

/// The first `limit` entries of a directory with cookies from `cookie` on, in the order of cookies.
/// kCorrupted where one makes no sense.
Result<std::vector<NameItem>> names_from(const TreeView& view, VolumeId volume,
                                         InodeNumber directory, std::uint64_t cookie,
                                         std::size_t limit);

/// Adds an entry with both its items, or takes both away.
void put_name(Transaction& transaction, VolumeId volume, InodeNumber directory,
              const NameItem& item);
void erase_name(Transaction& transaction, VolumeId volume, InodeNumber directory,
                const NameItem& item);

/// A name that an inode has.
struct ParentItem {
  InodeNumber directory{};
  std::uint64_t cookie = 0;
  std::string name;
};
/// The first of an inode's names (a directory's only one); nothing where it has none.
Result<std::optional<ParentItem>> find_parent(const TreeView& view, VolumeId volume,
                                              InodeNumber inode);

/// What a name can be: kNotFound for none, kNameTooLong, kInvalidArgument for '/' and NUL in it.
Result<void> check_name(std::string_view name);
/// The same for a name that is to be made: kExists for "." and "..".
Result<void> check_new_name(std::string_view name);

}  // namespace cowfs
