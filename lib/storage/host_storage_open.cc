// How a host directory becomes a store and how a store is opened and locked; the calls on arrays
// are in host_storage.cc.
#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string_view>

#include "lib/base/process.h"
#include "lib/storage/host_error.h"
#include "lib/storage/host_io.h"
#include "lib/storage/host_storage.h"

namespace cowfs {

namespace {

constexpr std::size_t kMaxOpenArrays = 512;
constexpr std::size_t kMinOpenArrays = 16;

/// A quarter of what this process may open: the rest is for folders, connections and passthrough.
std::size_t open_array_limit() {
  return std::clamp(descriptor_limit() / 4, kMinOpenArrays, kMaxOpenArrays);
}

Result<UniqueFd> open_directory(const std::string& path) {
  UniqueFd fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd) return fail(host_error(errno, path));
  return fd;
}

Result<void> check_empty(const UniqueFd& directory, const std::string& path) {
  const int copy = ::openat(directory.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR* listing = copy < 0 ? nullptr : ::fdopendir(copy);
  if (listing == nullptr) {
    const int error_number = errno;
    if (copy >= 0) ::close(copy);
    return fail(host_error(error_number, path));
  }
  std::string found;
  errno = 0;
  while (const dirent* entry = ::readdir(listing)) {
    const std::string_view name = entry->d_name;
    if (name != "." && name != "..") found = name;
  }
  const int error_number = errno;
  ::closedir(listing);
  if (error_number != 0) return fail(host_error(error_number, path));
  if (found.empty()) return {};
  return fail(ErrorCode::kExists, path + ": the directory is not empty, it holds '" + found + "'");
}

/// Makes the new store's own name durable. Where the folder above may not be read there is no way
/// to, and no harm.
void sync_parent(const UniqueFd& directory) {
  const UniqueFd parent(::openat(directory.get(), "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (parent) (void)::fsync(parent.get());
}

}  // namespace

Result<void> HostStorage::format_directory(const std::string& path) {
  const bool made = ::mkdir(path.c_str(), 0700) == 0;
  if (!made && errno != EEXIST) return fail(host_error(errno, path));
  COWFS_ASSIGN(UniqueFd directory, open_directory(path));
  COWFS_TRY(check_empty(directory, path));
  if (::fchmod(directory.get(), 0700) != 0)
    return fail(host_error(errno, path + ": set mode 0700"));
  for (const char* folder : {"nodes", "objects"}) {
    const std::string what = path + "/" + folder;
    if (::mkdirat(directory.get(), folder, 0700) != 0) return fail(host_error(errno, what));
    const UniqueFd fd(
        ::openat(directory.get(), folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!fd || ::fchmod(fd.get(), 0700) != 0) return fail(host_error(errno, what));
  }
  if (::fsync(directory.get()) != 0) return fail(sync_error(errno, path));
  if (made) sync_parent(directory);
  return {};
}

HostStorage::HostStorage(UniqueFd store, StorageMode mode)
    : mode_(mode), folders_(std::move(store)), cache_(open_array_limit(), [this](ArrayName name) {
        return open_file(name, mode_ == StorageMode::kReadOnly ? O_RDONLY : O_RDWR);
      }) {}

Result<std::unique_ptr<HostStorage>> HostStorage::open_locked(const std::string& path,
                                                              StorageMode mode) {
  COWFS_ASSIGN(UniqueFd directory, open_directory(path));
  while (::flock(directory.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno == EINTR) continue;
    if (errno != EWOULDBLOCK) return fail(host_error(errno, path + ": lock"));
    return fail(ErrorCode::kLocked, path + ": the store is in use by another daemon");
  }
  return std::unique_ptr<HostStorage>(new HostStorage(std::move(directory), mode));
}

Result<std::unique_ptr<HostStorage>> HostStorage::create(const std::string& path) {
  COWFS_TRY(format_directory(path));
  return open_locked(path, StorageMode::kReadWrite);
}

Result<std::unique_ptr<HostStorage>> HostStorage::open(const std::string& path, StorageMode mode) {
  COWFS_ASSIGN(std::unique_ptr<HostStorage> storage, open_locked(path, mode));
  COWFS_TRY(storage->check_is_store(path));
  return storage;
}

Result<std::unique_ptr<HostStorage>> HostStorage::open_beside(const std::string& path) {
  COWFS_ASSIGN(UniqueFd directory, open_directory(path));
  std::unique_ptr<HostStorage> storage(
      new HostStorage(std::move(directory), StorageMode::kReadOnly));
  COWFS_TRY(storage->check_is_store(path));
  return storage;
}

Result<void> HostStorage::check_is_store(const std::string& path) const {
  const struct {
    const char* name;
    mode_t type;
  } parts[] = {{"nodes", S_IFDIR}, {"objects", S_IFDIR}, {"superblock", S_IFREG}};
  for (const auto& part : parts) {
    struct stat status{};
    if (::fstatat(folders_.store_fd(), part.name, &status, AT_SYMLINK_NOFOLLOW) != 0) {
      if (errno != ENOENT) return fail(host_error(errno, path + "/" + part.name));
      return fail(ErrorCode::kNotAStore,
                  path + ": not a cowfs store, it has no '" + part.name + "'");
    }
    if ((status.st_mode & S_IFMT) != part.type) {
      return fail(ErrorCode::kNotAStore,
                  path + ": not a cowfs store, '" + part.name + "' is of the wrong type");
    }
  }
  return {};
}

}  // namespace cowfs
