#include "fs/opening.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <filesystem>
#include <thread>

#include "fs/log.h"
#include "fs/mount_table.h"
#include "lib/base/unique_fd.h"
#include "lib/storage/host_storage.h"

namespace cowfs {

namespace {

namespace stdfs = std::filesystem;

constexpr mode_t kRootPermissions = 0755;
constexpr std::chrono::seconds kEndingDaemonLimit{5};
constexpr std::chrono::milliseconds kRetryInterval{20};

Error path_error(const std::string& path, const std::error_code& error) {
  const auto code = error.value() == ENOENT   ? ErrorCode::kNotFound
                    : error.value() == EACCES ? ErrorCode::kAccessDenied
                                              : ErrorCode::kIo;
  return {code, path + ": " + error.message()};
}

Result<std::string> settle_store(const std::string& path, bool may_be_missing) {
  std::error_code error;
  const stdfs::path absolute = stdfs::absolute(path, error);
  const stdfs::path settled =
      may_be_missing ? stdfs::weakly_canonical(absolute, error) : stdfs::canonical(absolute, error);
  if (error) return fail(path_error(path, error));
  // A slash at the end of a missing path would stay.
  return settled.has_filename() ? settled.string() : settled.parent_path().string();
}

/// The kernel may still know the attributes of a mount whose daemon is gone, but opens nothing.
bool is_dead_mount(const std::string& path) {
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  return !fd && errno == ENOTCONN;
}

Result<std::string> settle_mountpoint(const std::string& path) {
  std::error_code error;
  const stdfs::file_status status = stdfs::status(path, error);
  if (error.value() == ENOTCONN || is_dead_mount(path)) {
    return fail(ErrorCode::kIo, path + ": a mount without a daemon is here; unmount it first");
  }
  if (status.type() == stdfs::file_type::not_found) {
    return fail(ErrorCode::kNotFound, path + ": the mount point does not exist");
  }
  if (error) return fail(path_error(path, error));
  if (!stdfs::is_directory(status)) {
    return fail(ErrorCode::kNotDirectory, path + ": the mount point is not a directory");
  }
  const stdfs::path settled = stdfs::canonical(path, error);
  if (error) return fail(path_error(path, error));
  return settled.string();
}

bool lies_in(const stdfs::path& inner, const stdfs::path& outer) {
  const auto [in, out] = std::ranges::mismatch(inner, outer);
  return out == outer.end();
}

bool is_missing_or_empty(const std::string& path) {
  std::error_code error;
  if (!stdfs::exists(path, error)) return !error;
  return stdfs::is_directory(path, error) && stdfs::is_empty(path, error) && !error;
}

/// A file with data belongs to who makes the store.
RequestContext maker() {
  RequestContext context;
  context.uid = ::geteuid();
  context.gid = ::getegid();
  return context;
}

Result<std::unique_ptr<HostStorage>> make_store(const std::string& path) {
  COWFS_ASSIGN(auto storage, HostStorage::create(path));
  COWFS_TRY(FileSystem::format(*storage, maker(), kRootPermissions));
  return storage;
}

bool is_mounted(const std::string& store) {
  const Result<bool> mounted = is_mounted_from(store);
  return mounted && *mounted;
}

/// umount(8) does not wait for the daemon: one that is not mounted any more gets a moment to end.
Result<std::unique_ptr<HostStorage>> open_storage(const std::string& path, StorageMode mode) {
  const auto deadline = std::chrono::steady_clock::now() + kEndingDaemonLimit;
  while (true) {
    Result<std::unique_ptr<HostStorage>> storage = HostStorage::open(path, mode);
    if (storage || storage.error().code != ErrorCode::kLocked || is_mounted(path) ||
        std::chrono::steady_clock::now() > deadline) {
      return storage;
    }
    std::this_thread::sleep_for(kRetryInterval);
  }
}

}  // namespace

Result<void> settle_paths(Options& options) {
  COWFS_ASSIGN(options.store, settle_store(options.store, options.create));
  COWFS_ASSIGN(options.mountpoint, settle_mountpoint(options.mountpoint));
  if (lies_in(options.store, options.mountpoint)) {
    return fail(ErrorCode::kInvalidArgument,
                options.store + ": the store lies inside the mount point " + options.mountpoint);
  }
  if (lies_in(options.mountpoint, options.store)) {
    return fail(ErrorCode::kInvalidArgument,
                options.mountpoint + ": the mount point lies inside the store " + options.store);
  }
  if (!options.log_file.empty()) options.log_file = stdfs::absolute(options.log_file).string();
  if (options.source_name.empty()) options.source_name = options.store;
  return {};
}

Result<std::unique_ptr<FileSystem>> open_file_system(const Options& options) {
  StoreOptions settings;
  settings.read_only = options.read_only;
  settings.on_background_error = [](const Error& error) { log_error(error.text); };
  if (options.commit_interval) settings.commit_interval = *options.commit_interval;
  if (options.journal_mib) settings.journal_bytes = std::uint64_t{*options.journal_mib} << 20;
  if (options.cache_mib) settings.node_cache_bytes = std::size_t{*options.cache_mib} << 20;
  const auto mode = options.read_only ? StorageMode::kReadOnly : StorageMode::kReadWrite;
  const bool make = options.create && is_missing_or_empty(options.store);
  COWFS_ASSIGN(std::unique_ptr<Storage> storage,
               make ? make_store(options.store) : open_storage(options.store, mode));
  return FileSystem::open(std::move(storage), settings);
}

}  // namespace cowfs
