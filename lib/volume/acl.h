// POSIX access control lists: what system.posix_acl_access and system.posix_acl_default hold, and
// what acl(5) says of them.
//
//     version u32 (2) | tag u16 | permissions u16 | id u32 | tag u16 ...       little-endian, as setxattr(2) gets it
//
// Invariants of a list (what the kernel asks, fs/posix_acl.c, posix_acl_valid): entries come in the
// order of their tags; there is exactly one for the owner, one for the owning group and one for
// others; at most one mask, and one where a user or a group is named; permissions are within 7; ids
// of named users and groups are not 2^32 - 1. At most kAclEntryLimit entries: what the kernel reads
// back in one page.
//
// Where an inode has an access list, the group bits of its mode are those of the list's mask (of
// the owning group without one): a change of either changes the other. A list that says no more
// than a mode does is not stored.
//
// Not here: who may change a list (the kernel checks that).
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lib/base/request_context.h"
#include "lib/store/store.h"

namespace cowfs {

inline constexpr std::string_view kAccessAclAttribute = "system.posix_acl_access";
inline constexpr std::string_view kDefaultAclAttribute = "system.posix_acl_default";
inline constexpr std::size_t kAclEntryLimit = 511;

inline bool is_acl_attribute(std::string_view name) {
  return name == kAccessAclAttribute || name == kDefaultAclAttribute;
}

inline bool in_group(const RequestContext& context, gid_t gid) {
  if (context.gid == gid) return true;
  for (const gid_t group : context.groups) {
    if (group == gid) return true;
  }
  return false;
}

enum class AclTag : std::uint16_t {
  kOwner = 1,
  kUser = 2,
  kOwningGroup = 4,
  kGroup = 8,
  kMask = 16,
  kOther = 32
};

struct AclEntry {
  AclTag tag{};
  std::uint16_t permissions = 0;  // 4 read, 2 write, 1 execute
  std::uint32_t id = 0;           // of a named user or group; else without meaning

  friend bool operator==(const AclEntry&, const AclEntry&) = default;
};

class Acl {
 public:
  /// kInvalidArgument where the bytes break an invariant.
  static Result<Acl> decode(std::string_view value);
  std::string encode() const;

  const std::vector<AclEntry>& entries() const { return entries_; }
  /// Whether a mode says the same.
  bool is_minimal() const { return entries_.size() == 3; }
  /// The nine bits of a mode that stand for it.
  mode_t permissions() const;

  /// chmod(2): owner, mask (or owning group) and others get the bits of the mode.
  void set_permissions(mode_t mode);
  /// A default list becomes the access list of a new inode that was asked for with `mode`: nothing
  /// is granted that the mode does not. Returns what is left of the mode.
  mode_t restrict_to(mode_t mode);

  /// Whether a caller who is not the owner has all that is `wanted` (bits as in AclEntry) of a file
  /// of `group`.
  bool grants(const RequestContext& context, gid_t group, mode_t wanted) const;

 private:
  explicit Acl(std::vector<AclEntry> entries) : entries_(std::move(entries)) {}
  const AclEntry* find(AclTag tag) const;
  AclEntry& get(AclTag tag);
  AclEntry& group_class();

  std::vector<AclEntry> entries_;
};

/// The list of an inode; nothing where it has none. kCorrupted where what is stored is no list.
Result<std::optional<Acl>> load_acl(const TreeView& view, VolumeId volume, InodeNumber inode,
                                    std::string_view name);

}  // namespace cowfs
