#include "lib/storage/host_storage.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <fstream>

#include "lib/base/time.h"
#include "lib/storage/host_error.h"
#include "lib/storage/host_io.h"

namespace cowfs {

namespace {

/// The largest array: ext4 with 4 KiB blocks refuses offsets from 2^44 on, XFS and btrfs much
/// later.
constexpr std::uint64_t kMaxArrayBytes = std::uint64_t{1} << 40;

std::string what(ArrayName name, const char* call) { return to_string(name) + ": " + call; }

Result<void> outcome(int error_number, ArrayName name, const char* call) {
  if (error_number == 0) return {};
  return fail(host_error(error_number, what(name, call)));
}

Result<void> check_range(ArrayName name, const char* call, std::uint64_t offset,
                         std::uint64_t length) {
  if (offset <= kMaxArrayBytes && length <= kMaxArrayBytes - offset) return {};
  return fail(ErrorCode::kFileTooLarge, what(name, call) + ": past the largest size of an array");
}

/// btrfs writes a changed block to a new place, which a full disk does not have, even where room
/// was reserved. Arrays that deletes need are written in place there; they have checksums of their
/// own. It works on empty files alone. Not for objects: the user's data keeps btrfs's checksums.
void write_in_place_on_btrfs(int fd, ArrayKind kind) {
  struct statfs status{};
  int flags = 0;
  if (kind == ArrayKind::kObject || ::fstatfs(fd, &status) != 0) return;
  if (status.f_type != BTRFS_SUPER_MAGIC || ::ioctl(fd, FS_IOC_GETFLAGS, &flags) != 0) return;
  flags |= FS_NOCOW_FL;
  (void)::ioctl(fd, FS_IOC_SETFLAGS, &flags);
}

}  // namespace

StorageLimits HostStorage::limits() const {
  return StorageLimits{
      .max_array_bytes = kMaxArrayBytes, .can_punch = can_punch_.load(), .has_descriptors = true};
}

Result<UniqueFd> HostStorage::open_file(ArrayName name, int flags) const {
  Result<UniqueFd> folder = folders_.open(HostFolders::folder_of(name));
  if (!folder) return fail(folder.error().code, what(name, "open: ") + folder.error().text);
  // O_NONBLOCK: opening a FIFO that somebody put there must not wait; it changes nothing for files.
  const int all_flags = flags | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
  UniqueFd fd(::openat(folder->get(), HostFolders::file_of(name).c_str(), all_flags));
  if (!fd && errno != ELOOP) return fail(host_error(errno, what(name, "open")));
  struct stat status{};
  if (fd && ::fstat(fd.get(), &status) != 0) return fail(host_error(errno, what(name, "open")));
  if (!fd || !S_ISREG(status.st_mode))
    return fail(ErrorCode::kCorrupted, what(name, "open: not a regular file"));
  return fd;
}

Result<UniqueFd> HostStorage::open_descriptor(ArrayName name) { return open_file(name, O_RDONLY); }

Result<void> HostStorage::check_change(ArrayName name, const char* call) const {
  if (mode_ == StorageMode::kReadOnly)
    return fail(ErrorCode::kReadOnly, what(name, call) + ": opened read-only");
  if (name.kind == ArrayKind::kSuperblock && name.number != 0) {
    return fail(ErrorCode::kInvalidArgument,
                what(name, call) + ": the superblock has number 0 only");
  }
  return {};
}

Result<DescriptorCache::Lease> HostStorage::acquire_for_change(ArrayName name, const char* call) {
  COWFS_TRY(check_change(name, call));
  return cache_.acquire(name);
}

Result<void> HostStorage::create(ArrayName name) {
  COWFS_TRY(check_change(name, "create"));
  const HostFolders::Folder place = HostFolders::folder_of(name);
  Result<UniqueFd> folder = folders_.open_or_make(place);
  if (!folder) return fail(folder.error().code, what(name, "create: ") + folder.error().text);
  const int flags = O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
  UniqueFd fd(::openat(folder->get(), HostFolders::file_of(name).c_str(), flags, 0600));
  if (!fd) return fail(host_error(errno, what(name, "create")));
  folders_.note_change(place);
  if (::fchmod(fd.get(), 0600) != 0) return fail(host_error(errno, what(name, "create: mode")));
  write_in_place_on_btrfs(fd.get(), name.kind);
  cache_.insert(name, std::move(fd));
  return {};
}

Result<void> HostStorage::remove(ArrayName name) {
  COWFS_TRY(check_change(name, "remove"));
  const HostFolders::Folder place = HostFolders::folder_of(name);
  Result<UniqueFd> folder = folders_.open(place);
  if (!folder) return fail(folder.error().code, what(name, "remove: ") + folder.error().text);
  if (::unlinkat(folder->get(), HostFolders::file_of(name).c_str(), 0) != 0) {
    return fail(host_error(errno, what(name, "remove")));
  }
  folders_.note_change(place);
  cache_.drop(name);
  return {};
}

Result<void> HostStorage::read(ArrayName name, std::uint64_t offset, MutableBytes out) {
  COWFS_ASSIGN(const DescriptorCache::Lease lease, cache_.acquire(name));
  if (!check_range(name, "read", offset, out.size())) {
    const std::uint64_t inside = offset < kMaxArrayBytes ? kMaxArrayBytes - offset : 0;
    std::memset(out.data() + inside, 0, out.size() - inside);
    out = out.first(inside);
  }
  return outcome(read_fully(lease.fd(), offset, out), name, "read");
}

Result<void> HostStorage::write(ArrayName name, std::uint64_t offset, Bytes in) {
  return write_vector(name, offset, {in});
}

Result<void> HostStorage::write_vector(ArrayName name, std::uint64_t offset,
                                       const std::vector<Bytes>& in) {
  std::uint64_t length = 0;
  for (Bytes part : in) length += part.size();
  COWFS_TRY(check_range(name, "write", offset, length));
  COWFS_ASSIGN(DescriptorCache::Lease lease, acquire_for_change(name, "write"));
  const int error_number = write_fully(lease.fd(), offset, in);
  lease.mark_unsynced();
  return outcome(error_number, name, "write");
}

Result<void> HostStorage::reserve(ArrayName name, std::uint64_t offset, std::uint64_t length) {
  COWFS_TRY(check_range(name, "reserve", offset, length));
  COWFS_ASSIGN(DescriptorCache::Lease lease, acquire_for_change(name, "reserve"));
  if (length == 0) return {};
  const int error_number = allocate(lease.fd(), 0, offset, length);
  lease.mark_unsynced();
  if (error_number == EOPNOTSUPP) return {};
  return outcome(error_number, name, "reserve");
}

Result<void> HostStorage::punch(ArrayName name, std::uint64_t offset, std::uint64_t length) {
  COWFS_TRY(check_range(name, "punch", offset, length));
  COWFS_ASSIGN(DescriptorCache::Lease lease, acquire_for_change(name, "punch"));
  if (length == 0) return {};
  const int error_number =
      allocate(lease.fd(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, length);
  lease.mark_unsynced();
  if (error_number == EOPNOTSUPP) can_punch_.store(false);
  return outcome(error_number, name, "punch");
}

Result<void> HostStorage::resize(ArrayName name, std::uint64_t size_bytes) {
  COWFS_TRY(check_range(name, "resize", size_bytes, 0));
  COWFS_ASSIGN(DescriptorCache::Lease lease, acquire_for_change(name, "resize"));
  int result = 0;
  do {
    result = ::ftruncate(lease.fd(), static_cast<off_t>(size_bytes));
  } while (result != 0 && errno == EINTR);
  const int error_number = result == 0 ? 0 : errno;
  lease.mark_unsynced();
  return outcome(error_number, name, "resize");
}

Result<std::uint64_t> HostStorage::size(ArrayName name) {
  COWFS_ASSIGN(const DescriptorCache::Lease lease, cache_.acquire(name));
  struct stat status{};
  if (::fstat(lease.fd(), &status) != 0) return fail(host_error(errno, what(name, "size")));
  return static_cast<std::uint64_t>(status.st_size);
}

Result<void> HostStorage::sync(ArrayName name) {
  if (mode_ == StorageMode::kReadOnly) return {};
  return cache_.sync(name);
}

void HostStorage::start_writeback(ArrayName name) {
  if (mode_ == StorageMode::kReadOnly) return;
  const Result<DescriptorCache::Lease> lease = cache_.acquire(name);
  if (lease) (void)::sync_file_range(lease->fd(), 0, 0, SYNC_FILE_RANGE_WRITE);
}

Result<void> HostStorage::sync_names(ArrayKind kind) {
  if (mode_ == StorageMode::kReadOnly) return {};
  return folders_.sync(kind);
}

Result<std::vector<std::uint64_t>> HostStorage::list(ArrayKind kind) { return folders_.list(kind); }

Result<StorageSpace> HostStorage::space() {
  struct statvfs status{};
  while (::fstatvfs(folders_.store_fd(), &status) != 0) {
    if (errno != EINTR) return fail(host_error(errno, "store: space"));
  }
  return StorageSpace{.total_bytes = status.f_blocks * status.f_frsize,
                      .free_bytes = status.f_bavail * status.f_frsize};
}

std::string HostStorage::session() const {
  std::ifstream file("/proc/sys/kernel/random/boot_id");
  std::string id;
  // Where it cannot be read, every opening is a session of its own, as after a power cut.
  if (!std::getline(file, id))
    return "process " + std::to_string(::getpid()) + " at " + std::to_string(now().seconds);
  return id;
}

}  // namespace cowfs
