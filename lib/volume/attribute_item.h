// Extended attributes in the tree: a value lies in chunks of at most 640 bytes.
//
//     (inode, kAttribute, name, 0, chunk u16) -> bytes          chunk 0 exists for an empty value too
//
// All chunks but the last are full; the chunks are numbered without a gap.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lib/store/store.h"

namespace cowfs {

inline constexpr std::string_view kCapabilityAttribute = "security.capability";

/// The whole value; nothing where the inode has no such attribute.
Result<std::optional<std::string>> load_attribute(const TreeView& view, VolumeId volume,
                                                  InodeNumber inode, std::string_view name);
Result<std::vector<std::string>> list_attributes(const TreeView& view, VolumeId volume,
                                                 InodeNumber inode);
/// Replaces a value whose length was `old_size` (nothing: there was none).
void put_attribute(Transaction& transaction, VolumeId volume, InodeNumber inode,
                   std::string_view name, std::string_view value,
                   std::optional<std::size_t> old_size);
void erase_attribute(Transaction& transaction, VolumeId volume, InodeNumber inode,
                     std::string_view name, std::size_t old_size);

}  // namespace cowfs
