#include "tools/mkfs.cowfs/new_store.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <memory>
#include <system_error>
#include <utility>

#include "lib/storage/host_storage.h"
#include "lib/volume/file_system.h"

namespace cowfs {
namespace {

constexpr mode_t kRootPermissions = 0755;

bool is_missing(const std::string& path) {
  struct stat status{};
  return ::lstat(path.c_str(), &status) != 0 && errno == ENOENT;
}

bool is_empty_directory(const std::string& path) {
  std::error_code ignored;
  return std::filesystem::is_empty(path, ignored) && std::filesystem::is_directory(path, ignored);
}

/// Takes away what was made; the directory was empty before, so all in it is ours.
void remove_remains(const std::string& path, bool directory_is_ours) {
  std::error_code ignored;
  for (const char* part : {"superblock", "nodes", "objects", "journal"}) {
    std::filesystem::remove_all(std::filesystem::path(path) / part, ignored);
  }
  if (directory_is_ours) ::rmdir(path.c_str());
}

Result<std::string> format(std::unique_ptr<HostStorage> storage,
                           const FormatOptions& format_options) {
  RequestContext owner;
  owner.uid = ::getuid();
  owner.gid = ::getgid();
  COWFS_TRY(FileSystem::format(*storage, owner, kRootPermissions, format_options));
  StoreOptions options;
  options.read_only = true;
  options.background = false;
  COWFS_ASSIGN(auto file_system, FileSystem::open(std::move(storage), options));
  std::string id = file_system->store().store_id();
  COWFS_TRY(file_system->close());
  return id;
}

}  // namespace

Result<std::string> make_store(const std::string& path, const FormatOptions& options) {
  const bool missing = is_missing(path);
  const bool ours = missing || is_empty_directory(path);
  auto storage = HostStorage::create(path);
  auto id =
      storage ? format(std::move(storage).value(), options) : fail(std::move(storage).error());
  // kExists: somebody else put something there meanwhile.
  if (!id && ours && id.error().code != ErrorCode::kExists) remove_remains(path, missing);
  return id;
}

}  // namespace cowfs
