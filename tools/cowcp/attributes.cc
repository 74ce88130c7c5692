#include "tools/cowcp/attributes.h"

#include <fmt/format.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <optional>

#include "tools/cowcp/quote.h"

namespace cowfs {
namespace {

constexpr mode_t kModeBits = 07777;
constexpr char kAccessList[] = "system.posix_acl_access";
constexpr char kDefaultList[] = "system.posix_acl_default";

/// Does a kind of extended attribute call either through a descriptor or through a path that leads
/// to a place without a descriptor of its own (an O_PATH one, by /proc).
class ExtendedAttributes {
 public:
  ExtendedAttributes(int fd, const Place& place) {
    int use = fd;
    if (fd < 0) {
      held_ =
          UniqueFd(::openat(place.directory, place.name.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
      use = held_.get();
    }
    path_ = fmt::format("/proc/self/fd/{}", use);
    fd_ = fd;
  }

  /// ENODATA and ENOTSUP are "nothing"; other errors stay in errno and give nothing too.
  std::optional<std::string> get(const char* name) const {
    std::string value(256, '\0');
    for (;;) {
      const ssize_t length = fd_ >= 0 ? ::fgetxattr(fd_, name, value.data(), value.size())
                                      : ::getxattr(path_.c_str(), name, value.data(), value.size());
      if (length < 0 && errno == ERANGE && value.size() < 65536) {
        value.resize(value.size() * 4);
        continue;
      }
      if (length < 0) return std::nullopt;
      value.resize(static_cast<std::size_t>(length));
      return value;
    }
  }
  bool set(const char* name, const std::string& value) const {
    return (fd_ >= 0 ? ::fsetxattr(fd_, name, value.data(), value.size(), 0)
                     : ::setxattr(path_.c_str(), name, value.data(), value.size(), 0)) == 0;
  }
  bool remove(const char* name) const {
    return (fd_ >= 0 ? ::fremovexattr(fd_, name) : ::removexattr(path_.c_str(), name)) == 0;
  }
  /// Names one after another, each with its NUL; nothing on errors.
  std::optional<std::string> list() const {
    for (std::size_t size = 1024;; size *= 8) {
      std::string names(size, '\0');
      const ssize_t length = fd_ >= 0 ? ::flistxattr(fd_, names.data(), names.size())
                                      : ::listxattr(path_.c_str(), names.data(), names.size());
      if (length < 0 && errno == ERANGE && size < 1 << 20) continue;
      if (length < 0) return std::nullopt;
      names.resize(static_cast<std::size_t>(length));
      return names;
    }
  }

 private:
  UniqueFd held_;
  int fd_ = -1;
  std::string path_;
};

bool is_missing(int error_number) { return error_number == ENODATA || error_number == ENOTSUP; }

/// Those that are permissions, or belong to a file system's inside (attr(5)'s /etc/xattr.conf).
bool is_left_out(std::string_view name) {
  return name.starts_with("system.posix_acl_") || name.starts_with("system.nfs4") ||
         name.starts_with("trusted.SGI_") || name.starts_with("xfsroot.") ||
         name.starts_with("afs.") || name == "security.evm";
}

}  // namespace

mode_t current_umask() {
  static const mode_t mask = [] {
    const mode_t seen = ::umask(0);
    ::umask(seen);
    return seen;
  }();
  return mask;
}

bool AttributeCopier::copy(const AttributeCopy& what, mode_t omitted) {
  mode_t mode = what.status.st_mode & kModeBits;
  if (options_.preserve.timestamps && !copy_times(what)) return false;
  if (options_.preserve.ownership && !copy_owner(what, mode)) return false;
  if (options_.preserve.attributes && !copy_extended(what) && options_.preserve.attributes_required)
    return false;
  return copy_mode(what, mode, omitted);
}

bool AttributeCopier::copy_special(const AttributeCopy& what, mode_t omitted) {
  if (!S_ISLNK(what.status.st_mode)) return copy(what, omitted);
  mode_t mode = 0;
  if (options_.preserve.timestamps && !copy_times(what)) return false;
  if (options_.preserve.ownership && !copy_owner(what, mode)) return false;
  if (options_.preserve.attributes && !copy_extended(what))
    return !options_.preserve.attributes_required;
  return true;
}

bool AttributeCopier::copy_times(const AttributeCopy& what) {
  const timespec times[2] = {what.status.st_atim, what.status.st_mtim};
  const int result = what.target_fd >= 0
                         ? ::futimens(what.target_fd, times)
                         : ::utimensat(what.target.directory, what.target.name.c_str(), times,
                                       AT_SYMLINK_NOFOLLOW);
  if (result == 0) return true;
  report_.error(fmt::format("preserving times for {}", quote(what.target.shown)), errno);
  return !options_.preserve.mode_required;
}

/// What cannot be given away loses its setuid and setgid bits.
bool AttributeCopier::copy_owner(const AttributeCopy& what, mode_t& mode) {
  const auto change = [&](uid_t uid, gid_t gid) {
    return what.target_fd >= 0 ? ::fchown(what.target_fd, uid, gid)
                               : ::fchownat(what.target.directory, what.target.name.c_str(), uid,
                                            gid, AT_SYMLINK_NOFOLLOW);
  };
  const auto now =
      what.target_fd >= 0 ? stat_fd(what.target_fd) : stat_place(what.target, Follow::kNo);
  if (now && now->st_uid == what.status.st_uid && now->st_gid == what.status.st_gid) return true;
  // Nobody else may use the old permissions in the hands of the new owner, nor the reverse.
  if (now && !what.is_new && options_.preserve.mode && !S_ISLNK(now->st_mode)) {
    (void)change_mode(what, now->st_mode & mode & S_IRWXU);
  }
  if (change(what.status.st_uid, what.status.st_gid) == 0) return true;
  const int why = errno;
  if (why == EPERM || why == EINVAL) {
    (void)change(static_cast<uid_t>(-1), what.status.st_gid);
    // A new directory keeps its sticky bit, as by cp: it only guards what others put there.
    const bool keeps_sticky = what.is_new && S_ISDIR(what.status.st_mode);
    mode &= ~static_cast<mode_t>(S_ISUID | S_ISGID | (keeps_sticky ? 0 : S_ISVTX));
    if (::geteuid() != 0) return true;
  }
  report_.error(fmt::format("failed to preserve ownership for {}", quote(what.target.shown)), why);
  return !options_.preserve.mode_required;
}

bool AttributeCopier::copy_extended(const AttributeCopy& what) {
  const ExtendedAttributes from(what.source_fd, what.source);
  const auto names = from.list();
  const bool required = options_.preserve.attributes_required;
  if (!names) {
    if (required && errno != ENOTSUP)
      report_.error(fmt::format("listing attributes of {}", quote(what.source.shown)), errno);
    return errno == ENOTSUP;
  }
  if (names->empty()) return true;
  const ExtendedAttributes to(what.target_fd, what.target);
  bool all = true;
  for (const char* name = names->c_str(); name < names->data() + names->size();
       name += std::strlen(name) + 1) {
    if (is_left_out(name)) continue;
    const auto value = from.get(name);
    if (!value && errno == ENODATA) continue;
    if (value && to.set(name, *value)) continue;
    all = false;
    const bool told = required || (errno != ENOTSUP && errno != EPERM);
    if (told)
      report_.warning(
          fmt::format("setting attribute {} for {}", quote(name), quote(what.target.shown)), errno);
  }
  if (!all && required) ++report_.counters().failures;
  return all;
}

int AttributeCopier::change_mode(const AttributeCopy& what, mode_t mode) {
  const int result = what.target_fd >= 0
                         ? ::fchmod(what.target_fd, mode)
                         : ::fchmodat(what.target.directory, what.target.name.c_str(), mode, 0);
  return result == 0 ? 0 : errno;
}

bool AttributeCopier::copy_mode(const AttributeCopy& what, mode_t mode, mode_t omitted) {
  if (options_.preserve.mode) return copy_access_lists(what, mode);
  if (!what.is_new) return true;
  if (options_.preserve.no_mode) {
    const mode_t usual =
        S_ISDIR(what.status.st_mode) || S_ISSOCK(what.status.st_mode) ? 0777 : 0666;
    const auto now =
        what.target_fd >= 0 ? stat_fd(what.target_fd) : stat_place(what.target, Follow::kNo);
    const mode_t special = now ? now->st_mode & 07000 : 0;
    const int failed = change_mode(what, special | (usual & ~current_umask()));
    if (failed != 0)
      report_.error(fmt::format("preserving permissions for {}", quote(what.target.shown)), failed);
    return failed == 0 || !options_.preserve.mode_required;
  }
  omitted &= what.status.st_mode & ~current_umask();
  if (omitted == 0) return true;
  const auto now =
      what.target_fd >= 0 ? stat_fd(what.target_fd) : stat_place(what.target, Follow::kNo);
  if (!now) return true;
  const int failed = change_mode(what, (now->st_mode & kModeBits) | omitted);
  if (failed == 0) return true;
  report_.error(fmt::format("preserving permissions for {}", quote(what.target.shown)), failed);
  return !options_.preserve.mode_required;
}

/// The source's lists, or none where it has none though the target got some from its directory.
bool AttributeCopier::copy_access_lists(const AttributeCopy& what, mode_t mode) {
  const ExtendedAttributes from(what.source_fd, what.source);
  const ExtendedAttributes to(what.target_fd, what.target);
  int failed = 0;
  const auto copy_list = [&](const char* name) {
    const auto list = from.get(name);
    if (list ? to.set(name, *list) : !is_missing(errno) || to.remove(name) || is_missing(errno))
      return;
    failed = errno;
  };
  copy_list(kAccessList);
  if (const int changed = change_mode(what, mode); changed != 0) failed = changed;
  if (S_ISDIR(what.status.st_mode)) copy_list(kDefaultList);
  if (failed == 0) return true;
  report_.error(fmt::format("preserving permissions for {}", quote(what.target.shown)), failed);
  return !options_.preserve.mode_required;
}

}  // namespace cowfs
