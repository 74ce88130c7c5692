// getxattr, setxattr, listxattr, removexattr: names of any prefix, values as they come but for
// access control lists. Who may set which is the kernel's business.
#include <sys/stat.h>

#include "lib/volume/acl.h"
#include "lib/volume/attribute_item.h"
#include "lib/volume/volume_change.h"

namespace cowfs {
namespace {

Result<void> check_attribute_name(std::string_view name) {
  if (name.empty() || name.size() > kAttributeNameLimit) return fail(ErrorCode::kRange);
  if (name.find('\0') != name.npos) return fail(ErrorCode::kInvalidArgument);
  return {};
}

void note_capability(InodeRecord& record, std::string_view name, bool present) {
  if (name != kCapabilityAttribute) return;
  if (present) record.flags |= kInodeHasCapability;
  else record.flags &= ~kInodeHasCapability;
}

std::optional<std::size_t> size_of(const std::optional<std::string>& value) {
  return value ? std::optional(value->size()) : std::nullopt;
}

/// What is to be stored of a list, and what it makes of the mode (the kernel's
/// posix_acl_update_mode).
Result<std::optional<std::string>> settle_acl(const RequestContext& context, std::string_view name,
                                              std::string_view value, InodeRecord& record) {
  COWFS_ASSIGN(const Acl list, Acl::decode(value));
  if (record.is_symlink()) return fail(ErrorCode::kNotSupported);
  if (name == kDefaultAclAttribute) {
    if (!record.is_directory()) return fail(ErrorCode::kAccessDenied);
    return list.encode();
  }
  record.mode = (record.mode & ~0777U) | list.permissions();
  if (context.uid != 0 && !in_group(context, record.gid))
    record.mode &= ~static_cast<std::uint32_t>(S_ISGID);
  if (list.is_minimal()) return std::optional<std::string>();
  return list.encode();
}

}  // namespace

Result<std::string> Volume::get_extended_attribute(InodeNumber inode, std::string_view name) {
  COWFS_TRY(check_attribute_name(name));
  ReadView view(store_);
  COWFS_TRY(load_inode(view, id_, inode));
  COWFS_ASSIGN(auto value, load_attribute(view, id_, inode, name));
  if (!value) return fail(ErrorCode::kNoData);
  if (is_acl_attribute(name) && !Acl::decode(*value)) {
    return fail(ErrorCode::kCorrupted, "an access control list is damaged");
  }
  return std::move(*value);
}

Result<std::vector<std::string>> Volume::list_extended_attributes(InodeNumber inode) {
  ReadView view(store_);
  COWFS_TRY(load_inode(view, id_, inode));
  return list_attributes(view, id_, inode);
}

Result<void> Volume::set_extended_attribute(const RequestContext& context, InodeNumber inode,
                                            std::string_view name, std::string_view value,
                                            AttributeMode mode) {
  COWFS_TRY(check_attribute_name(name));
  if (value.size() > kAttributeValueLimit) return fail(ErrorCode::kTooBig);
  VolumeChange change(*this, context);
  COWFS_TRY(change.check_writable());
  COWFS_ASSIGN(InodeRecord * record, change.inode(inode));
  COWFS_ASSIGN(const auto old, load_attribute(change.view(), id_, inode, name));
  if (old && mode == AttributeMode::kCreate) return fail(ErrorCode::kExists);
  if (!old && mode == AttributeMode::kReplace) return fail(ErrorCode::kNoData);
  std::optional<std::string> settled(value);
  const std::uint32_t old_mode = record->mode;
  if (is_acl_attribute(name)) {
    COWFS_ASSIGN(settled, settle_acl(context, name, value, *record));
  }
  if (old == settled && record->mode == old_mode)
    return {};  // nothing changes, the time neither: as ext4 does it
  if (settled) put_attribute(change.transaction(), id_, inode, name, *settled, size_of(old));
  else if (old) erase_attribute(change.transaction(), id_, inode, name, old->size());
  note_capability(*record, name, true);
  record->change_time = change.time();
  return change.commit();
}

Result<void> Volume::remove_extended_attribute(const RequestContext& context, InodeNumber inode,
                                               std::string_view name) {
  COWFS_TRY(check_attribute_name(name));
  VolumeChange change(*this, context);
  COWFS_TRY(change.check_writable());
  COWFS_ASSIGN(InodeRecord * record, change.inode(inode));
  COWFS_ASSIGN(const auto old, load_attribute(change.view(), id_, inode, name));
  if (!old && is_acl_attribute(name)) return {};
  if (!old) return fail(ErrorCode::kNoData);
  erase_attribute(change.transaction(), id_, inode, name, old->size());
  note_capability(*record, name, false);
  record->change_time = change.time();
  return change.commit();
}

}  // namespace cowfs
