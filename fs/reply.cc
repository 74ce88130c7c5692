#include "fs/reply.h"

#include <fmt/format.h>

#include <limits.h>

#include <algorithm>
#include <cerrno>
#include <utility>
#include <vector>

#include "fs/log.h"
#include "fs/mount.h"

namespace cowfs {

int errno_of(ErrorCode code) {
  switch (code) {
    case ErrorCode::kNotFound: return ENOENT;
    case ErrorCode::kExists: return EEXIST;
    case ErrorCode::kNotDirectory: return ENOTDIR;
    case ErrorCode::kIsDirectory: return EISDIR;
    case ErrorCode::kNotEmpty: return ENOTEMPTY;
    case ErrorCode::kNameTooLong: return ENAMETOOLONG;
    case ErrorCode::kInvalidArgument: return EINVAL;
    case ErrorCode::kNotPermitted: return EPERM;
    case ErrorCode::kAccessDenied: return EACCES;
    case ErrorCode::kReadOnly: return EROFS;
    case ErrorCode::kNoSpace: return ENOSPC;
    case ErrorCode::kQuotaExceeded: return EDQUOT;
    case ErrorCode::kTooManyLinks: return EMLINK;
    case ErrorCode::kCrossVolume: return EXDEV;
    case ErrorCode::kBusy: return EBUSY;
    case ErrorCode::kStale: return ESTALE;
    case ErrorCode::kFileTooLarge: return EFBIG;
    case ErrorCode::kNoData: return ENODATA;
    case ErrorCode::kRange: return ERANGE;
    case ErrorCode::kTooBig: return E2BIG;
    case ErrorCode::kNoSuchOffset: return ENXIO;
    case ErrorCode::kNotSupported: return EOPNOTSUPP;
    case ErrorCode::kLocked: return EBUSY;
    case ErrorCode::kNotAStore:
    case ErrorCode::kCorrupted:
    case ErrorCode::kIo: return EIO;
  }
  return EIO;
}

RequestContext context_of(fuse_req_t request) {
  const fuse_ctx* caller = fuse_req_ctx(request);
  RequestContext context;
  context.uid = caller->uid;
  context.gid = caller->gid;
  context.umask = caller->umask;
  return context;
}

RequestContext context_with_groups(fuse_req_t request) {
  RequestContext context = context_of(request);
  std::vector<gid_t> groups(NGROUPS_MAX);
  const int count = fuse_req_getgroups(request, static_cast<int>(groups.size()), groups.data());
  groups.resize(count > 0 ? static_cast<std::size_t>(std::min(count, NGROUPS_MAX)) : 0);
  context.groups = std::move(groups);
  return context;
}

RequestContext creator_of(fuse_req_t request, mode_t mode) {
  return (mode & S_ISGID) != 0 ? context_with_groups(request) : context_of(request);
}

namespace {

timespec timespec_of(const Timestamp& time) {
  return {static_cast<time_t>(time.seconds), static_cast<long>(time.nanoseconds)};
}

/// Whether this only repeats why the store takes no more changes: that was logged when it happened.
bool is_told(fuse_req_t request, const Error& error) {
  const std::string failure = Mount::of(request).file_system().store().failure();
  return !failure.empty() && error.text.ends_with(failure);
}

void log(fuse_req_t request, const Error& error) {
  const bool of_the_host = error.code == ErrorCode::kIo || error.code == ErrorCode::kCorrupted;
  if (error.text.empty()) return;
  if (of_the_host && !is_told(request, error)) log_error(error.text);
  else if (is_out_of_space(error)) log_warning(error.text);
  else log_debug(error.text);
}

}  // namespace

struct stat stat_of(const Attributes& attributes, std::uint64_t node) {
  struct stat status{};
  status.st_ino = node;
  status.st_mode = attributes.mode;
  status.st_nlink = attributes.link_count;
  status.st_uid = attributes.uid;
  status.st_gid = attributes.gid;
  status.st_rdev = attributes.device;
  status.st_size = static_cast<off_t>(attributes.size);
  status.st_blocks = static_cast<blkcnt_t>(attributes.blocks * (kBlockSize / 512));
  status.st_blksize = kPreferredBytes;
  status.st_atim = timespec_of(attributes.access_time);
  status.st_mtim = timespec_of(attributes.modify_time);
  status.st_ctim = timespec_of(attributes.change_time);
  return status;
}

fuse_entry_param entry_of(const Attributes& attributes, std::uint64_t node) {
  fuse_entry_param entry{};
  entry.ino = node;
  entry.attr = stat_of(attributes, node);
  entry.attr_timeout = kForever;
  entry.entry_timeout = kForever;
  return entry;
}

void reply_error(fuse_req_t request, const Error& error) {
  log(request, error);
  fuse_reply_err(request, errno_of(error.code));
}

void reply_done(fuse_req_t request, const Result<void>& result) {
  if (!result) return reply_error(request, result.error());
  fuse_reply_err(request, 0);
}

void reply_attributes(fuse_req_t request, std::uint64_t node, const Result<Attributes>& result) {
  if (!result) return reply_error(request, result.error());
  const struct stat status = stat_of(*result, node);
  fuse_reply_attr(request, &status, kForever);
}

void reply_entry(fuse_req_t request, const std::shared_ptr<Volume>& volume,
                 const Result<Attributes>& result, double entry_timeout) {
  if (!result) return reply_error(request, result.error());
  const InodeNumber inode = result->inode;
  fuse_entry_param entry =
      entry_of(*result, Mount::of(request).nodes().of_inode(volume->id(), inode));
  entry.entry_timeout = entry_timeout;
  volume->remember(inode);
  if (fuse_reply_entry(request, &entry) != 0) volume->forget(inode, 1);
}

void reply_no_entry(fuse_req_t request) {
  fuse_entry_param entry{};
  entry.entry_timeout = kForever;
  fuse_reply_entry(request, &entry);
}

}  // namespace cowfs
