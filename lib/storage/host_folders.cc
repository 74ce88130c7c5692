#include "lib/storage/host_folders.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <memory>
#include <optional>
#include <string_view>

#include "lib/storage/host_error.h"

namespace cowfs {

namespace {

constexpr int kFolderFlags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
constexpr std::size_t kNumberDigits = 16;

std::size_t index(HostFolders::Folder folder) { return static_cast<std::size_t>(folder); }

HostFolders::Folder folder_of_object(std::uint64_t number) {
  return static_cast<HostFolders::Folder>(index(HostFolders::Folder::kFirstOfObjects) +
                                          (number & 0xff));
}

/// The number that a file's name says, when the name is one that we give.
std::optional<std::uint64_t> parse_number(std::string_view name) {
  if (name.size() != kNumberDigits) return std::nullopt;
  if (name.find_first_not_of("0123456789abcdef") != std::string_view::npos) return std::nullopt;
  std::uint64_t number = 0;
  std::from_chars(name.data(), name.data() + name.size(), number, 16);
  return number;
}

struct CloseDirectory {
  void operator()(DIR* directory) const { ::closedir(directory); }
};

}  // namespace

HostFolders::Folder HostFolders::folder_of(ArrayName name) {
  switch (name.kind) {
    case ArrayKind::kSuperblock: return Folder::kStore;
    case ArrayKind::kNodes: return Folder::kNodes;
    case ArrayKind::kObject: return folder_of_object(name.number);
    case ArrayKind::kJournal: return Folder::kJournal;
  }
  return Folder::kStore;
}

std::string HostFolders::file_of(ArrayName name) {
  if (name.kind == ArrayKind::kSuperblock) return "superblock";
  return fmt::format("{:016x}", name.number);
}

HostFolders::Folder HostFolders::parent_of(Folder folder) {
  return index(folder) >= index(Folder::kFirstOfObjects) ? Folder::kObjects : Folder::kStore;
}

std::string HostFolders::name_of(Folder folder) {
  switch (folder) {
    case Folder::kStore: return ".";
    case Folder::kNodes: return "nodes";
    case Folder::kObjects: return "objects";
    case Folder::kJournal: return "journal";
    default: return fmt::format("{:02x}", index(folder) - index(Folder::kFirstOfObjects));
  }
}

Result<UniqueFd> HostFolders::open(Folder folder) const {
  UniqueFd above;
  if (parent_of(folder) == Folder::kObjects) {
    COWFS_ASSIGN(above, open(Folder::kObjects));
  }
  UniqueFd fd(::openat(above ? above.get() : store_.get(), name_of(folder).c_str(), kFolderFlags));
  if (fd) return fd;
  const std::string what = fmt::format("folder {}: open", name_of(folder));
  if (errno == ENOTDIR || errno == ELOOP)
    return fail(ErrorCode::kCorrupted, what + ": not a folder");
  return fail(host_error(errno, what));
}

Result<UniqueFd> HostFolders::open_or_make(Folder folder) {
  Result<UniqueFd> opened = open(folder);
  if (opened || opened.error().code != ErrorCode::kNotFound || folder == Folder::kStore)
    return opened;
  COWFS_ASSIGN(UniqueFd above, open_or_make(parent_of(folder)));
  const std::string name = name_of(folder);
  const std::string what = fmt::format("folder {}: make", name);
  if (::mkdirat(above.get(), name.c_str(), 0700) != 0) {
    if (errno != EEXIST) return fail(host_error(errno, what));
    return open(folder);
  }
  note_change(parent_of(folder));
  COWFS_ASSIGN(UniqueFd made, open(folder));
  // mkdirat's mode went through the umask and the parent's default ACL.
  if (::fchmod(made.get(), 0700) != 0) return fail(host_error(errno, what));
  return made;
}

void HostFolders::note_change(Folder folder) {
  MutexLock lock(mutex_);
  ++unsynced_[index(folder)].changes;
}

Result<void> HostFolders::sync_folder(Folder folder) {
  std::uint64_t changes = 0;
  {
    MutexLock lock(mutex_);
    const Unsynced& state = unsynced_[index(folder)];
    if (state.changes == state.synced) return {};
    changes = state.changes;
  }
  const Result<UniqueFd> fd = open(folder);
  if (!fd && fd.error().code != ErrorCode::kNotFound) return fail(fd.error());
  if (fd) {
    int result = 0;
    do {
      result = ::fsync(fd->get());
    } while (result != 0 && errno == EINTR);
    if (result != 0) return fail(sync_error(errno, fmt::format("folder {}", name_of(folder))));
  }
  MutexLock lock(mutex_);
  Unsynced& state = unsynced_[index(folder)];
  state.synced = std::max(state.synced, changes);
  return {};
}

Result<void> HostFolders::sync(ArrayKind kind) {
  if (kind == ArrayKind::kObject) {
    for (std::uint64_t low = 0; low < 256; ++low) COWFS_TRY(sync_folder(folder_of_object(low)));
    COWFS_TRY(sync_folder(Folder::kObjects));
  } else {
    COWFS_TRY(sync_folder(folder_of(ArrayName{kind, 0})));
  }
  return sync_folder(Folder::kStore);
}

Result<void> HostFolders::list_folder(Folder folder, std::vector<std::uint64_t>* numbers) const {
  Result<UniqueFd> fd = open(folder);
  if (!fd) {
    if (fd.error().code == ErrorCode::kNotFound) return {};
    return fail(std::move(fd).error());
  }
  const std::unique_ptr<DIR, CloseDirectory> directory(::fdopendir(fd->get()));
  if (!directory) return fail(host_error(errno, fmt::format("folder {}: list", name_of(folder))));
  (void)fd->release();
  const bool of_objects = parent_of(folder) == Folder::kObjects;
  while (true) {
    errno = 0;
    const dirent* entry = ::readdir(directory.get());
    if (entry == nullptr) break;
    const std::optional<std::uint64_t> number = parse_number(entry->d_name);
    if (number && (!of_objects || folder_of_object(*number) == folder)) numbers->push_back(*number);
  }
  if (errno != 0) return fail(host_error(errno, fmt::format("folder {}: list", name_of(folder))));
  return {};
}

Result<std::vector<std::uint64_t>> HostFolders::list(ArrayKind kind) const {
  std::vector<std::uint64_t> numbers;
  if (kind == ArrayKind::kSuperblock) {
    struct stat status{};
    if (::fstatat(store_.get(), "superblock", &status, AT_SYMLINK_NOFOLLOW) == 0) {
      numbers.push_back(0);
    } else if (errno != ENOENT) {
      return fail(host_error(errno, "superblock: list"));
    }
  } else if (kind == ArrayKind::kObject) {
    for (std::uint64_t low = 0; low < 256; ++low)
      COWFS_TRY(list_folder(folder_of_object(low), &numbers));
  } else {
    COWFS_TRY(list_folder(folder_of(ArrayName{kind, 0}), &numbers));
  }
  std::sort(numbers.begin(), numbers.end());
  return numbers;
}

}  // namespace cowfs
