#include "tools/cowsnap/mount.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <tuple>

#include "lib/storage/host_error.h"

namespace cowfs {
namespace {

constexpr int kOpenFlags = O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;

/// What an errno of a request means, where it means more than its usual words.
const char* why(int error_number) {
  switch (error_number) {
    case ENOTTY:
    case ENOSYS:
    case EOPNOTSUPP: return "not inside a cowfs mount";
    case EPROTO: return "the mount's daemon is of another version and speaks another protocol";
    case ENOTCONN:
    case ECONNABORTED: return "the mount's daemon is gone; unmount it";
    case EPERM: return "not permitted; only root and the owner of the mount may";
    case EEXIST: return "a volume of this name exists already";
    case ENOENT: return "no such volume";
    case EBUSY: return "busy, it is the mounted volume";
    case ESTALE: return "lies in a volume that was deleted";
    case EINVAL: return "the mount's daemon does not accept this request";
    case ENAMETOOLONG: return "the name is longer than 255 bytes";
    default: return nullptr;
  }
}

/// Errors of the whole mount name the path that the user gave; the others what the request was
/// about.
bool concerns_the_mount(int error_number) {
  switch (error_number) {
    case EEXIST:
    case ENOENT:
    case EBUSY:
    case EINVAL:
    case ENAMETOOLONG: return false;
    default: return true;
  }
}

Error request_error(int error_number, const std::string& path, std::string_view what) {
  const std::string_view subject = concerns_the_mount(error_number) ? path : what;
  const char* words = why(error_number);
  if (words == nullptr) return host_error(error_number, subject);
  return Error{code_of_errno(error_number == ENOTTY ? EOPNOTSUPP : error_number),
               fmt::format("{}: {}", subject, words)};
}

std::unexpected<Error> open_error(int error_number, const std::string& path) {
  if (error_number == ENOTCONN || error_number == ECONNABORTED) {
    return fail(request_error(error_number, path, path));
  }
  return fail(host_error(error_number, path));
}

/// The directory that the file behind a path lies in.
std::string directory_of(const std::string& path) {
  std::error_code ignored;
  const auto resolved = std::filesystem::canonical(path, ignored);
  return ignored ? path : resolved.parent_path().string();
}

Result<UniqueFd> open_inside(const std::string& path) {
  struct stat status{};
  if (::stat(path.c_str(), &status) != 0) return open_error(errno, path);
  if (S_ISDIR(status.st_mode) || S_ISREG(status.st_mode)) {
    UniqueFd fd(::open(path.c_str(), kOpenFlags));
    if (fd) return fd;
    if (S_ISDIR(status.st_mode) || errno != EACCES) return open_error(errno, path);
  }
  UniqueFd fd(::open(directory_of(path).c_str(), kOpenFlags | O_DIRECTORY));
  if (!fd) return open_error(errno, path);
  return fd;
}

}  // namespace

Result<Mount> Mount::open(const std::string& path) {
  COWFS_ASSIGN(UniqueFd fd, open_inside(path));
  struct statfs host{};
  if (::fstatfs(fd.get(), &host) != 0) return open_error(errno, path);
  // A request number of ours may mean anything to another filesystem: only FUSE mounts are asked.
  if (host.f_type != FUSE_SUPER_MAGIC) return fail(request_error(ENOTTY, path, path));
  Mount mount(path, std::move(fd));
  api::DescribeVolume question;
  COWFS_TRY(mount.ask(api::kIoctlDescribeVolume, question, path));
  return mount;
}

template <typename Request>
Result<void> Mount::ask(unsigned number, Request& request, std::string_view what) const {
  int result = 0;
  do {
    result = ::ioctl(fd_.get(), number, &request);
  } while (result != 0 && errno == EINTR);
  if (result != 0) return fail(request_error(errno, path_, what));
  return {};
}

Result<api::VolumeRecord> Mount::create(api::Kind kind, std::string_view name) const {
  api::CreateVolume request;
  request.kind = raw(kind);
  if (!api::set_name(request.name, name)) return fail(request_error(EINVAL, path_, name));
  COWFS_TRY(ask(api::kIoctlCreateVolume, request, name));
  return request.volume;
}

Result<void> Mount::remove(std::string_view name) const {
  api::DeleteVolume request;
  if (!api::set_name(request.name, name)) return fail(request_error(EINVAL, path_, name));
  return ask(api::kIoctlDeleteVolume, request, name);
}

Result<void> Mount::rename(std::string_view name, std::string_view new_name) const {
  api::RenameVolume request;
  if (!api::set_name(request.name, name)) return fail(request_error(EINVAL, path_, name));
  if (!api::set_name(request.new_name, new_name)) {
    return fail(request_error(EINVAL, path_, new_name));
  }
  auto renamed = ask(api::kIoctlRenameVolume, request, name);
  if (!renamed && renamed.error().code == ErrorCode::kExists) {
    return fail(request_error(EEXIST, path_, new_name));
  }
  return renamed;
}

Result<void> Mount::sync() const {
  api::SyncStore request;
  return ask(api::kIoctlSyncStore, request, path_);
}

Result<std::vector<api::VolumeRecord>> Mount::list() const {
  std::vector<api::VolumeRecord> volumes;
  api::ListVolumes page;
  do {
    const std::uint32_t cursor = page.next_cursor;
    page = api::ListVolumes{};
    page.cursor = cursor;
    COWFS_TRY(ask(api::kIoctlListVolumes, page, path_));
    const auto count = std::min<std::size_t>(page.count, api::kListPageRecords);
    volumes.insert(volumes.end(), page.volumes, page.volumes + count);
    if (page.more != 0 && page.next_cursor <= cursor) {
      return fail(ErrorCode::kIo, path_ + ": the mount's daemon gave an endless list");
    }
  } while (page.more != 0);
  std::ranges::sort(volumes, [](const api::VolumeRecord& a, const api::VolumeRecord& b) {
    return std::tuple(a.created_seconds, a.created_nanoseconds, a.id) <
           std::tuple(b.created_seconds, b.created_nanoseconds, b.id);
  });
  return volumes;
}

}  // namespace cowfs
