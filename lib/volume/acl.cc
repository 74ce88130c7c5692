#include "lib/volume/acl.h"

#include <sys/stat.h>

#include <algorithm>
#include <array>

#include "lib/base/bytes.h"
#include "lib/base/check.h"
#include "lib/volume/attribute_item.h"

namespace cowfs {
namespace {

constexpr std::uint32_t kAclVersion = 2;
constexpr std::size_t kAclHeadSize = 4;
constexpr std::size_t kAclEntrySize = 8;
constexpr std::uint32_t kNoId = 0xffffffff;
constexpr std::array kTagsInOrder = {AclTag::kOwner, AclTag::kUser, AclTag::kOwningGroup,
                                     AclTag::kGroup, AclTag::kMask, AclTag::kOther};
constexpr std::size_t kMaskRank = 4;

bool is_named(AclTag tag) { return tag == AclTag::kUser || tag == AclTag::kGroup; }

std::size_t rank_of(AclTag tag) {
  return static_cast<std::size_t>(std::ranges::find(kTagsInOrder, tag) - kTagsInOrder.begin());
}

bool is_sound_list(const std::vector<AclEntry>& entries) {
  std::array<std::size_t, kTagsInOrder.size()> counts{};
  std::size_t rank = 0;
  for (const AclEntry& entry : entries) {
    const std::size_t next = rank_of(entry.tag);
    if (next == kTagsInOrder.size() || next < rank || (entry.permissions & ~7U) != 0) return false;
    if (is_named(entry.tag) && entry.id == kNoId) return false;
    rank = next;
    ++counts[rank];
  }
  const bool names_anybody = counts[1] + counts[3] > 0;
  return counts[0] == 1 && counts[2] == 1 && counts[5] == 1 && counts[kMaskRank] <= 1 &&
         (!names_anybody || counts[kMaskRank] == 1);
}

std::unexpected<Error> no_list() { return fail(ErrorCode::kInvalidArgument); }

}  // namespace

Result<Acl> Acl::decode(std::string_view value) {
  if (value.size() > kAclHeadSize + kAclEntryLimit * kAclEntrySize) return no_list();
  ByteReader reader(value);
  if (reader.le<std::uint32_t>() != kAclVersion) return no_list();
  std::vector<AclEntry> entries;
  entries.reserve(value.size() / kAclEntrySize);
  while (!reader.rest().empty()) {
    AclEntry entry;
    entry.tag = AclTag{reader.le<std::uint16_t>()};
    entry.permissions = reader.le<std::uint16_t>();
    entry.id = reader.le<std::uint32_t>();
    if (!reader.ok()) return no_list();
    if (!is_named(entry.tag)) entry.id = kNoId;
    entries.push_back(entry);
  }
  if (!is_sound_list(entries)) return no_list();
  return Acl(std::move(entries));
}

std::string Acl::encode() const {
  ByteWriter writer;
  writer.reserve(kAclHeadSize + entries_.size() * kAclEntrySize).le(kAclVersion);
  for (const AclEntry& entry : entries_) {
    writer.le(static_cast<std::uint16_t>(entry.tag)).le(entry.permissions).le(entry.id);
  }
  return writer.take();
}

const AclEntry* Acl::find(AclTag tag) const {
  const auto found = std::ranges::find(entries_, tag, &AclEntry::tag);
  return found == entries_.end() ? nullptr : &*found;
}

AclEntry& Acl::get(AclTag tag) {
  const auto found = std::ranges::find(entries_, tag, &AclEntry::tag);
  COWFS_CHECK(found != entries_.end());
  return *found;
}

AclEntry& Acl::group_class() {
  return get(find(AclTag::kMask) != nullptr ? AclTag::kMask : AclTag::kOwningGroup);
}

mode_t Acl::permissions() const {
  const AclEntry* mask = find(AclTag::kMask);
  const AclEntry& group = mask != nullptr ? *mask : *find(AclTag::kOwningGroup);
  return (mode_t{find(AclTag::kOwner)->permissions} << 6) | (mode_t{group.permissions} << 3) |
         mode_t{find(AclTag::kOther)->permissions};
}

void Acl::set_permissions(mode_t mode) {
  get(AclTag::kOwner).permissions = static_cast<std::uint16_t>((mode >> 6) & 7);
  group_class().permissions = static_cast<std::uint16_t>((mode >> 3) & 7);
  get(AclTag::kOther).permissions = static_cast<std::uint16_t>(mode & 7);
}

mode_t Acl::restrict_to(mode_t mode) {
  set_permissions(permissions() & mode);
  return (mode & ~mode_t{0777}) | permissions();
}

/// acl(5), "Access check algorithm".
bool Acl::grants(const RequestContext& context, gid_t group, mode_t wanted) const {
  const AclEntry* mask = find(AclTag::kMask);
  const mode_t most = mask != nullptr ? mask->permissions : mode_t{7};
  bool in_some_group = false;
  for (const AclEntry& entry : entries_) {
    const bool has_all = (entry.permissions & wanted) == wanted;
    if (entry.tag == AclTag::kUser && entry.id == context.uid)
      return has_all && (most & wanted) == wanted;
    const bool is_group = entry.tag == AclTag::kOwningGroup || entry.tag == AclTag::kGroup;
    if (!is_group || !in_group(context, entry.tag == AclTag::kGroup ? entry.id : group)) continue;
    if (has_all) return (most & wanted) == wanted;
    in_some_group = true;
  }
  return !in_some_group && (find(AclTag::kOther)->permissions & wanted) == wanted;
}

Result<std::optional<Acl>> load_acl(const TreeView& view, VolumeId volume, InodeNumber inode,
                                    std::string_view name) {
  COWFS_ASSIGN(const auto value, load_attribute(view, volume, inode, name));
  if (!value) return std::optional<Acl>();
  auto acl = Acl::decode(*value);
  if (!acl) return fail(ErrorCode::kCorrupted, "an access control list is damaged");
  return std::optional<Acl>(std::move(*acl));
}

}  // namespace cowfs
