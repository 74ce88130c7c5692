#include "tools/fsck.cowfs/mounted_store.h"

#include <fcntl.h>
#include <sys/ioctl.h>

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "lib/api/ioctl.h"
#include "lib/storage/host_error.h"

namespace cowfs {
namespace {

/// "\040" and the like, as /proc writes them.
std::string without_escapes(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\' || i + 3 >= text.size()) {
      out += text[i];
      continue;
    }
    out +=
        static_cast<char>((text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 + (text[i + 3] - '0'));
    i += 3;
  }
  return out;
}

/// Where a store is mounted, as the table of mounts says; no mount is touched. Empty: nowhere.
std::string mount_point_of(const std::string& store) {
  std::error_code ignored;
  const std::string path = std::filesystem::canonical(store, ignored).string();
  std::ifstream table("/proc/self/mountinfo");
  for (std::string line; std::getline(table, line);) {
    std::istringstream fields(line);
    std::string skipped, point, type, source;
    fields >> skipped >> skipped >> skipped >> skipped >> point;
    while (fields >> skipped && skipped != "-") {}
    fields >> type >> source;
    std::error_code unreadable;
    const auto real = std::filesystem::canonical(without_escapes(source), unreadable);
    if (type.starts_with("fuse") && !unreadable && real == path) return without_escapes(point);
  }
  return "";
}

std::unexpected<Error> not_held(int error_number, const std::string& point) {
  if (error_number == EPERM) {
    return fail(ErrorCode::kNotPermitted,
                point + ": only root and the owner of the mount may check a store that is mounted");
  }
  return fail(host_error(error_number, point + ": the mount's daemon does not hold a checkpoint"));
}

}  // namespace

Result<MountedStore> look_beside_mount(const std::string& store) {
  MountedStore mounted;
  mounted.mount_point = mount_point_of(store);
  const std::string& point = mounted.mount_point;
  if (point.empty())
    return fail(ErrorCode::kNotFound,
                store + ": the store is in use, and no mount of it is known here");
  mounted.descriptor = UniqueFd(::open(point.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!mounted.descriptor) return fail(host_error(errno, point));
  api::DescribeDaemon daemon;
  if (::ioctl(mounted.descriptor.get(), api::kIoctlDescribeDaemon, &daemon) != 0)
    return not_held(errno, point);
  mounted.read_only = (daemon.mount_flags & api::kMountReadOnly) != 0;
  if (!mounted.read_only) {
    api::HoldCheckpoint hold;
    if (::ioctl(mounted.descriptor.get(), api::kIoctlHoldCheckpoint, &hold) != 0)
      return not_held(errno, point);
    mounted.superblock.assign(reinterpret_cast<const char*>(hold.superblock),
                              sizeof hold.superblock);
  }
  COWFS_ASSIGN(mounted.storage, HostStorage::open_beside(store));
  return mounted;
}

Result<bool> is_damaged_in_mount(const MountedStore& mounted, const SuspectBlock& block) {
  api::VerifyBlock question;
  question.volume = raw(block.volume);
  question.inode = raw(block.inode);
  question.file_block = block.file_block;
  question.object = raw(block.object);
  question.object_block = block.object_block;
  if (::ioctl(mounted.descriptor.get(), api::kIoctlVerifyBlock, &question) != 0) {
    return fail(host_error(
        errno, mounted.mount_point + ": the mount's daemon does not say whether data is damaged"));
  }
  return question.state == api::raw(api::BlockState::kDamaged);
}

}  // namespace cowfs
