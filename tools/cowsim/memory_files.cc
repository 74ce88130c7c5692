#include "tools/cowsim/memory_files.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

namespace cowfs {
namespace {

std::unexpected<Error> file_failure(const std::string& what) {
  return fail(ErrorCode::kIo, fmt::format("{}: {}", what, std::strerror(errno)));
}

/// Something has the name that a process's files or volume would get.
std::unexpected<Error> in_the_way(const std::string& path, const std::string& remedy) {
  return fail(ErrorCode::kIo,
              fmt::format("{}: there already, of an earlier run perhaps: {}", path, remedy));
}

}  // namespace

Result<void> MemoryFiles::open() {
  root_.reset(::open(options_.directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!root_) return file_failure(options_.directory);
  api::DescribeDaemon daemon;
  if (::ioctl(root_.get(), api::kIoctlDescribeDaemon, &daemon) != 0) {
    return fail(ErrorCode::kNotSupported, options_.directory + ": not inside a cowfs mount");
  }
  COWFS_ASSIGN(base_blocks_, live_blocks());
  return {};
}

Result<void> MemoryFiles::clean_up() {
  while (!areas_.empty()) COWFS_TRY(exit(areas_.begin()->first));
  return {};
}

Result<void> MemoryFiles::perform(const sim::Operation& op) {
  if (op.verb > sim::Verb::kKill && op.verb != sim::Verb::kRead) ++since_checkpoint_;
  switch (op.verb) {
    case sim::Verb::kProcess: return start(op.process);
    case sim::Verb::kMap: return map(op);
    case sim::Verb::kWrite: return write(op);
    case sim::Verb::kFork: return fork(op.process, op.other);
    case sim::Verb::kExit: return exit(op.process);
    case sim::Verb::kDontneed: return punch(op);
    case sim::Verb::kMsync: return sync_file(op);
    case sim::Verb::kRemount: return restart(options_.remount);
    case sim::Verb::kKill: return kill();
    case sim::Verb::kRead: return {};
    default: return fail(ErrorCode::kNotSupported, "files cannot do '" + sim::to_text(op) + "'");
  }
}

Result<std::string> MemoryFiles::contents(const UniqueFd& file, std::uint32_t pages, bool mapped) {
  const std::size_t size = std::size_t{pages} * kPage;
  std::string bytes(size, '?');
  if (!mapped) {
    if (::pread(file.get(), bytes.data(), size, 0) != static_cast<ssize_t>(size)) {
      return file_failure("pread");
    }
    return bytes;
  }
  void* place = ::mmap(nullptr, size, PROT_READ, MAP_SHARED, file.get(), 0);
  if (place == MAP_FAILED) return file_failure("mmap");
  std::memcpy(bytes.data(), place, size);
  ::munmap(place, size);
  return bytes;
}

Result<std::vector<api::LocateBlock>> MemoryFiles::places(const UniqueFd& file, std::uint32_t pages,
                                                          bool each) {
  std::vector<api::LocateBlock> out;
  while (out.size() < pages) {
    api::LocateBlock request;
    request.file_block = out.size();
    if (::ioctl(file.get(), api::kIoctlLocateBlock, &request) != 0) {
      return file_failure("LocateBlock");
    }
    const std::uint64_t run = each ? 1 : request.count;
    for (std::uint64_t i = 0; i < run && out.size() < pages; ++i) {
      out.push_back(request);
      if (request.object != 0) ++request.object_block;
      request.references = 0;
    }
  }
  return out;
}

Result<UniqueFd> MemoryFiles::open_area(const std::string& process, const std::string& area) {
  UniqueFd file(::open((home(process) + "/" + area).c_str(), O_RDWR | O_CLOEXEC));
  if (!file) return file_failure("open of " + process + ":" + area);
  return file;
}

Result<void> MemoryFiles::sync() {
  api::SyncStore request;
  if (::ioctl(root_.get(), api::kIoctlSyncStore, &request) != 0) return file_failure("SyncStore");
  since_checkpoint_ = 0;
  return {};
}

Result<std::uint64_t> MemoryFiles::used_blocks() {
  COWFS_ASSIGN(const std::uint64_t live, live_blocks());
  return live - base_blocks_;
}

Result<std::uint64_t> MemoryFiles::live_blocks() {
  api::DescribeSpace space;
  if (::ioctl(root_.get(), api::kIoctlDescribeSpace, &space) != 0)
    return file_failure("DescribeSpace");
  return space.live_blocks;
}

/// Where the files of a process are: a directory, or this directory in the process's own volume.
std::string MemoryFiles::home(const std::string& process) const {
  return options_.directory + (by_volume() ? "/.cowfs/cowsim-" : "/") + process;
}

Result<void> MemoryFiles::make_volume(const std::string& parent_path, const std::string& name) {
  const UniqueFd parent(::open(parent_path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!parent) return file_failure(parent_path);
  api::CreateVolume request;
  request.kind = raw(api::Kind::kFork);
  (void)api::set_name(request.name, "cowsim-" + name);
  if (::ioctl(parent.get(), api::kIoctlCreateVolume, &request) != 0) {
    if (errno == EEXIST)
      return in_the_way(home(name), "delete that volume (cowsnap delete), or empty the mount");
    return file_failure("fork of a volume");
  }
  return {};
}

Result<void> MemoryFiles::start(const std::string& process) {
  if (by_volume()) {
    COWFS_TRY(make_volume(options_.directory, process));
  } else if (::mkdir(home(process).c_str(), 0700) != 0) {
    if (errno == EEXIST) return in_the_way(home(process), "remove it, or name an empty directory");
    return file_failure(home(process));
  }
  areas_[process];
  return {};
}

Result<void> MemoryFiles::map(const sim::Operation& op) {
  if (op.other != "anon" || op.shared) {
    return fail(
        ErrorCode::kNotSupported,
        "files stand for private anonymous memory alone, not for '" + sim::to_text(op) + "'");
  }
  const UniqueFd file(::open((home(op.process) + "/" + op.name).c_str(),
                             O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!file || ::ftruncate(file.get(), off_t{op.count} * kPage) != 0)
    return file_failure("new file");
  areas_[op.process][op.name] = op.count;
  return {};
}

Result<void> MemoryFiles::write(const sim::Operation& op) {
  COWFS_ASSIGN(const UniqueFd file, open_area(op.process, op.name));
  const off_t offset = off_t{op.pages.first} * kPage + op.offset;
  const auto size = static_cast<ssize_t>(op.bytes.size());
  if (::pwrite(file.get(), op.bytes.data(), op.bytes.size(), offset) != size)
    return file_failure("pwrite");
  return {};
}

Result<void> MemoryFiles::fork(const std::string& parent, const std::string& child) {
  if (by_volume()) {
    COWFS_TRY(make_volume(home(parent), child));
    areas_[child] = areas_[parent];
    return {};
  }
  COWFS_TRY(start(child));
  for (const auto& [area, pages] : areas_[parent]) {
    COWFS_ASSIGN(const UniqueFd from, open_area(parent, area));
    const UniqueFd to(
        ::open((home(child) + "/" + area).c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
    if (!to || ::ftruncate(to.get(), off_t{pages} * kPage) != 0) return file_failure("new file");
    for (off64_t at = 0, end = off64_t{pages} * kPage; at < end;) {
      off64_t target = at;
      const ssize_t done = ::copy_file_range(from.get(), &at, to.get(), &target,
                                             static_cast<std::size_t>(end - at), 0);
      if (done <= 0) return file_failure("copy_file_range");
    }
    areas_[child][area] = pages;
  }
  return {};
}

Result<void> MemoryFiles::exit(const std::string& process) {
  if (by_volume()) {
    api::DeleteVolume request;
    (void)api::set_name(request.name, "cowsim-" + process);
    if (::ioctl(root_.get(), api::kIoctlDeleteVolume, &request) != 0)
      return file_failure("deletion of a volume");
  } else {
    for (const auto& [area, pages] : areas_[process]) {
      if (::unlink((home(process) + "/" + area).c_str()) != 0) return file_failure("unlink");
    }
    if (::rmdir(home(process).c_str()) != 0) return file_failure("rmdir");
  }
  areas_.erase(process);
  return {};
}

Result<void> MemoryFiles::punch(const sim::Operation& op) {
  COWFS_ASSIGN(const UniqueFd file, open_area(op.process, op.name));
  const std::uint32_t last = op.pages.whole ? areas_[op.process][op.name] - 1 : op.pages.last;
  const off_t offset = op.pages.whole ? 0 : off_t{op.pages.first} * kPage;
  const off_t length = off_t{last + 1} * kPage - offset;
  if (::fallocate(file.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, length) != 0) {
    return file_failure("fallocate");
  }
  return {};
}

Result<void> MemoryFiles::sync_file(const sim::Operation& op) {
  COWFS_ASSIGN(const UniqueFd file, open_area(op.process, op.name));
  if (::fsync(file.get()) != 0) return file_failure("fsync");
  return {};
}

// Every write was answered by the daemon: the mount caches none (no FUSE_CAP_WRITEBACK_CACHE).
Result<void> MemoryFiles::kill() {
  if (options_.kill.empty()) return {};
  if (since_checkpoint_ > 0) ++replays_;
  return restart(options_.kill);
}

Result<void> MemoryFiles::restart(const std::string& command) {
  if (command.empty()) return {};
  root_.reset();
  since_checkpoint_ = 0;
  const int status = std::system(command.c_str());
  if (WIFSIGNALED(status))
    return fail(ErrorCode::kIo, fmt::format("'{}' ended by signal {}", command, WTERMSIG(status)));
  if (status != 0)
    return fail(ErrorCode::kIo, fmt::format("'{}' ended with {}", command, WEXITSTATUS(status)));
  root_.reset(::open(options_.directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!root_) return file_failure(options_.directory);
  return {};
}

}  // namespace cowfs
