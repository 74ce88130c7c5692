// GETXATTR, LISTXATTR, SETXATTR, REMOVEXATTR: the name spaces user, trusted and security, and
// access control lists.
//
// The kernel checks who may use which. What else there is in "system." is not supported.
#include <sys/xattr.h>

#include <array>
#include <string>
#include <string_view>

#include "fs/handlers.h"
#include "fs/mount.h"
#include "fs/reply.h"
#include "lib/volume/acl.h"

namespace cowfs {

namespace {

constexpr std::array<std::string_view, 3> kNameSpaces = {"user.", "trusted.", "security."};

Result<void> check_name(std::string_view name) {
  if (is_acl_attribute(name)) return {};
  for (const std::string_view prefix : kNameSpaces) {
    if (!name.starts_with(prefix)) continue;
    if (name.size() == prefix.size()) return fail(ErrorCode::kInvalidArgument);
    return {};
  }
  return fail(ErrorCode::kNotSupported);
}

/// A size of 0 asks how long the value is.
void reply_value(fuse_req_t request, const Result<std::string>& value, std::size_t size) {
  if (!value) return reply_error(request, value.error());
  if (size == 0) {
    fuse_reply_xattr(request, value->size());
  } else if (value->size() > size) {
    reply_error(request, ErrorCode::kRange);
  } else {
    fuse_reply_buf(request, value->data(), value->size());
  }
}

void get(fuse_req_t request, fuse_ino_t node, const char* name, std::size_t size) {
  if (Mount::of(request).is_virtual(node)) return reply_error(request, ErrorCode::kNoData);
  if (const Result<void> valid = check_name(name); !valid) {
    return reply_error(request, valid.error());
  }
  reply_value(request,
              on_inode(request, node,
                       [&](Volume& volume, InodeNumber inode) {
                         return volume.get_extended_attribute(inode, name);
                       }),
              size);
}

/// Names that only root may use are not told to others, as the kernel's own filesystems do.
Result<std::string> list_names(Volume& volume, InodeNumber inode, bool for_root) {
  COWFS_ASSIGN(const std::vector<std::string> names, volume.list_extended_attributes(inode));
  std::string list;
  for (const std::string& name : names) {
    if (for_root || !name.starts_with("trusted.")) list.append(name).push_back('\0');
  }
  return list;
}

void list(fuse_req_t request, fuse_ino_t node, std::size_t size) {
  if (Mount::of(request).is_virtual(node)) return reply_value(request, std::string(), size);
  const bool for_root = fuse_req_ctx(request)->uid == 0;
  reply_value(request,
              on_inode(request, node,
                       [&](Volume& volume, InodeNumber inode) {
                         return list_names(volume, inode, for_root);
                       }),
              size);
}

Result<AttributeMode> attribute_mode_of(int flags) {
  switch (flags) {
    case 0: return AttributeMode::kAny;
    case XATTR_CREATE: return AttributeMode::kCreate;
    case XATTR_REPLACE: return AttributeMode::kReplace;
    default: return fail(ErrorCode::kInvalidArgument);
  }
}

Result<void> set_checked(fuse_req_t request, fuse_ino_t node, std::string_view name,
                         std::string_view value, int flags) {
  COWFS_TRY(check_name(name));
  COWFS_ASSIGN(const AttributeMode mode, attribute_mode_of(flags));
  // libfuse does not tell of the kernel's word that setgid goes (FUSE_SETXATTR_ACL_KILL_SGID):
  // groups decide.
  const bool is_list = name == kAccessAclAttribute && fuse_req_ctx(request)->uid != 0;
  const RequestContext context = is_list ? context_with_groups(request) : context_of(request);
  return on_inode(request, node, [&](Volume& volume, InodeNumber inode) {
    return volume.set_extended_attribute(context, inode, name, value, mode);
  });
}

void set(fuse_req_t request, fuse_ino_t node, const char* name, const char* value, std::size_t size,
         int flags) {
  reply_done(request, set_checked(request, node, name, std::string_view(value, size), flags));
}

Result<void> remove_checked(fuse_req_t request, fuse_ino_t node, std::string_view name) {
  COWFS_TRY(check_name(name));
  return on_inode(request, node, [&](Volume& volume, InodeNumber inode) {
    return volume.remove_extended_attribute(context_of(request), inode, name);
  });
}

void remove(fuse_req_t request, fuse_ino_t node, const char* name) {
  reply_done(request, remove_checked(request, node, name));
}

}  // namespace

void add_extended_attribute_handlers(fuse_lowlevel_ops& table) {
  table.getxattr = get;
  table.listxattr = list;
  table.setxattr = set;
  table.removexattr = remove;
}

}  // namespace cowfs
