// getxattr, setxattr, listxattr, removexattr: names of any prefix, values as they come. Who may set which is the
// kernel's business.
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

}  // namespace

Result<std::string> Volume::get_extended_attribute(InodeNumber inode, std::string_view name) {
  COWFS_TRY(check_attribute_name(name));
  ReadView view(store_);
  COWFS_TRY(load_inode(view, id_, inode));
  COWFS_ASSIGN(auto value, load_attribute(view, id_, inode, name));
  if (!value) return fail(ErrorCode::kNoData);
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
  if (old && *old == value) return {};  // nothing changes, the time neither: as ext4 does it
  put_attribute(change.transaction(), id_, inode, name, value, size_of(old));
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
  if (!old) return fail(ErrorCode::kNoData);
  erase_attribute(change.transaction(), id_, inode, name, old->size());
  note_capability(*record, name, false);
  record->change_time = change.time();
  return change.commit();
}

}  // namespace cowfs
