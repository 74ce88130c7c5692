#include "lib/volume/change_checks.h"

#include <sys/stat.h>

#include "lib/volume/attribute_item.h"

namespace cowfs {
namespace {

mode_t without_privileges(mode_t mode) {
  mode &= ~static_cast<mode_t>(S_ISUID);
  if ((mode & S_IXGRP) != 0) mode &= ~static_cast<mode_t>(S_ISGID);
  return mode;
}

}  // namespace

Result<void> check_writable(const TreeView& view, const Store& store, VolumeId volume) {
  COWFS_ASSIGN(const VolumeInfo info, view.volume(volume));
  if (info.name.empty()) return fail(ErrorCode::kStale, "the volume was deleted");
  if (info.read_only || store.read_only()) return fail(ErrorCode::kReadOnly);
  return {};
}

bool has_privileges(const InodeRecord& record) {
  return !record.is_directory() && (without_privileges(record.mode) != record.mode ||
                                    (record.flags & kInodeHasCapability) != 0);
}

Result<void> drop_privileges(const TreeView& view, Transaction& transaction, VolumeId volume,
                             InodeNumber inode, InodeRecord& record) {
  if (!has_privileges(record)) return {};
  record.mode = without_privileges(record.mode);
  if ((record.flags & kInodeHasCapability) == 0) return {};
  record.flags &= ~kInodeHasCapability;
  COWFS_ASSIGN(const auto value, load_attribute(view, volume, inode, kCapabilityAttribute));
  if (value) erase_attribute(transaction, volume, inode, kCapabilityAttribute, value->size());
  return {};
}

}  // namespace cowfs
