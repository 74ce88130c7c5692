// The simulator against files of a mounted cowfs: an area is a file, a page a block, fork a clone
// or a fork of the volume, exit an unlink, a page never written a hole.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <map>
#include <thread>

#include "lib/api/ioctl.h"
#include "lib/base/unique_fd.h"
#include "lib/sim/generator.h"
#include "lib/sim/runner.h"
#include "lib/sim/session.h"
#include "tools/common/message.h"
#include "tools/cowsim/commands.h"

namespace cowfs {
namespace {

constexpr std::uint64_t kFullLookEvery = 6;    // steps
constexpr std::chrono::seconds kPatience{15};  // for what the daemon gives back in the background

std::unexpected<Error> system_failure(const std::string& what) {
  return fail(ErrorCode::kIo, fmt::format("{}: {}", what, std::strerror(errno)));
}

/// The files that stand for the memory of processes.
class Files {
 public:
  explicit Files(const FileOptions& options) : options_(options) {}

  Result<void> open() {
    root_.reset(::open(options_.directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!root_) return system_failure(options_.directory);
    api::DescribeDaemon daemon;
    if (::ioctl(root_.get(), api::kIoctlDescribeDaemon, &daemon) != 0) {
      return fail(ErrorCode::kNotSupported, options_.directory + ": not inside a cowfs mount");
    }
    COWFS_ASSIGN(base_blocks_, live_blocks());
    return {};
  }

  /// Removes all that is left of a trace, and waits until its space is back.
  Result<void> clean_up() {
    while (!areas_.empty()) COWFS_TRY(exit(areas_.begin()->first));
    return {};
  }

  Result<void> perform(const sim::Operation& op) {
    switch (op.verb) {
      case sim::Verb::kProcess: return start(op.process);
      case sim::Verb::kMap: return map(op);
      case sim::Verb::kWrite: return write(op);
      case sim::Verb::kFork: return fork(op.process, op.other);
      case sim::Verb::kExit: return exit(op.process);
      case sim::Verb::kDontneed: return punch(op);
      case sim::Verb::kMsync: return sync_file(op);
      case sim::Verb::kRemount: return restart(options_.remount);
      case sim::Verb::kKill: return sync_and_kill();
      case sim::Verb::kRead: return {};
      default: return fail(ErrorCode::kNotSupported, "files cannot do '" + sim::to_text(op) + "'");
    }
  }

  /// All bytes of an area, with pread(2) or through a mapping.
  Result<std::string> contents(const UniqueFd& file, std::uint32_t pages, bool mapped) {
    const std::size_t size = std::size_t{pages} * kPage;
    std::string bytes(size, '?');
    if (!mapped) {
      if (::pread(file.get(), bytes.data(), size, 0) != static_cast<ssize_t>(size)) {
        return system_failure("pread");
      }
      return bytes;
    }
    void* place = ::mmap(nullptr, size, PROT_READ, MAP_SHARED, file.get(), 0);
    if (place == MAP_FAILED) return system_failure("mmap");
    std::memcpy(bytes.data(), place, size);
    ::munmap(place, size);
    return bytes;
  }

  /// Where each block of an area lies. Of a run only the first has its references, unless `each`
  /// block is asked for.
  Result<std::vector<api::LocateBlock>> places(const UniqueFd& file, std::uint32_t pages,
                                               bool each) {
    std::vector<api::LocateBlock> out;
    while (out.size() < pages) {
      api::LocateBlock request;
      request.file_block = out.size();
      if (::ioctl(file.get(), api::kIoctlLocateBlock, &request) != 0) {
        return system_failure("LocateBlock");
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

  Result<UniqueFd> open_area(const std::string& process, const std::string& area) {
    UniqueFd file(::open((home(process) + "/" + area).c_str(), O_RDWR | O_CLOEXEC));
    if (!file) return system_failure("open of " + process + ":" + area);
    return file;
  }

  /// A checkpoint: the store applies what it gathered of released blocks, and counts anew.
  Result<void> sync() {
    api::SyncStore request;
    if (::ioctl(root_.get(), api::kIoctlSyncStore, &request) != 0)
      return system_failure("SyncStore");
    return {};
  }

  /// Blocks in use by the trace; nothing while space is still being given back.
  Result<std::uint64_t> used_blocks() {
    COWFS_ASSIGN(const std::uint64_t live, live_blocks());
    return live - base_blocks_;
  }

 private:
  bool by_volume() const { return options_.fork == "volume"; }

  Result<std::uint64_t> live_blocks() {
    api::DescribeSpace space;
    if (::ioctl(root_.get(), api::kIoctlDescribeSpace, &space) != 0)
      return system_failure("DescribeSpace");
    return space.live_blocks;
  }

  /// Where the files of a process are: a directory, or this directory in the process's own volume.
  std::string home(const std::string& process) const {
    return options_.directory + (by_volume() ? "/.cowfs/cowsim-" : "/") + process;
  }

  Result<void> make_volume(const std::string& parent_path, const std::string& name) {
    const UniqueFd parent(::open(parent_path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!parent) return system_failure(parent_path);
    api::CreateVolume request;
    request.kind = raw(api::Kind::kFork);
    (void)api::set_name(request.name, "cowsim-" + name);
    if (::ioctl(parent.get(), api::kIoctlCreateVolume, &request) != 0)
      return system_failure("fork of a volume");
    return {};
  }

  Result<void> start(const std::string& process) {
    if (by_volume()) {
      COWFS_TRY(make_volume(options_.directory, process));
    } else if (::mkdir(home(process).c_str(), 0700) != 0) {
      return system_failure("mkdir");
    }
    areas_[process];
    return {};
  }

  Result<void> map(const sim::Operation& op) {
    const UniqueFd file(::open((home(op.process) + "/" + op.name).c_str(),
                               O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
    if (!file || ::ftruncate(file.get(), off_t{op.count} * kPage) != 0)
      return system_failure("new file");
    areas_[op.process][op.name] = op.count;
    return {};
  }

  Result<void> write(const sim::Operation& op) {
    COWFS_ASSIGN(const UniqueFd file, open_area(op.process, op.name));
    const off_t offset = off_t{op.pages.first} * kPage + op.offset;
    const auto size = static_cast<ssize_t>(op.bytes.size());
    if (::pwrite(file.get(), op.bytes.data(), op.bytes.size(), offset) != size)
      return system_failure("pwrite");
    return {};
  }

  Result<void> fork(const std::string& parent, const std::string& child) {
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
      if (!to || ::ftruncate(to.get(), off_t{pages} * kPage) != 0)
        return system_failure("new file");
      for (off64_t at = 0, end = off64_t{pages} * kPage; at < end;) {
        off64_t target = at;
        const ssize_t done = ::copy_file_range(from.get(), &at, to.get(), &target,
                                               static_cast<std::size_t>(end - at), 0);
        if (done <= 0) return system_failure("copy_file_range");
      }
      areas_[child][area] = pages;
    }
    return {};
  }

  Result<void> exit(const std::string& process) {
    if (by_volume()) {
      api::DeleteVolume request;
      (void)api::set_name(request.name, "cowsim-" + process);
      if (::ioctl(root_.get(), api::kIoctlDeleteVolume, &request) != 0)
        return system_failure("deletion of a volume");
    } else {
      for (const auto& [area, pages] : areas_[process]) {
        if (::unlink((home(process) + "/" + area).c_str()) != 0) return system_failure("unlink");
      }
      if (::rmdir(home(process).c_str()) != 0) return system_failure("rmdir");
    }
    areas_.erase(process);
    return {};
  }

  Result<void> punch(const sim::Operation& op) {
    COWFS_ASSIGN(const UniqueFd file, open_area(op.process, op.name));
    const std::uint32_t last = op.pages.whole ? areas_[op.process][op.name] - 1 : op.pages.last;
    const off_t offset = op.pages.whole ? 0 : off_t{op.pages.first} * kPage;
    const off_t length = off_t{last + 1} * kPage - offset;
    if (::fallocate(file.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, length) != 0) {
      return system_failure("fallocate");
    }
    return {};
  }

  Result<void> sync_file(const sim::Operation& op) {
    COWFS_ASSIGN(const UniqueFd file, open_area(op.process, op.name));
    if (::fsync(file.get()) != 0) return system_failure("fsync");
    return {};
  }

  Result<void> sync_and_kill() {
    COWFS_TRY(sync());
    return restart(options_.kill);
  }

  Result<void> restart(const std::string& command) {
    if (command.empty()) return {};
    root_.reset();
    const int code = std::system(command.c_str());
    if (code != 0) return fail(ErrorCode::kIo, fmt::format("'{}' ended with {}", command, code));
    root_.reset(::open(options_.directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!root_) return system_failure(options_.directory);
    return {};
  }

  const FileOptions& options_;
  UniqueFd root_;
  std::uint64_t base_blocks_ = 0;
  std::map<std::string, std::map<std::string, std::uint32_t>>
      areas_;  // of each process, with their pages
};

/// One trace on both.
class FileComparison {
 public:
  FileComparison(const FileOptions& options, const sim::MachineSettings& settings)
      : options_(options), machine_(settings), files_(options) {}

  /// What differs; empty: all agree.
  Result<std::string> run(const std::vector<sim::Operation>& operations) {
    COWFS_TRY(files_.open());
    auto difference = run_steps(operations);
    auto cleaned = files_.clean_up();
    if (difference && !cleaned) return fail(std::move(cleaned).error());
    if (difference && difference->empty()) return wait_until([this] { return expect_blocks(0); });
    return difference;
  }

 private:
  Result<std::string> run_steps(const std::vector<sim::Operation>& operations) {
    std::uint64_t step = 0;
    steps_ = operations.size();
    for (const sim::Operation& op : operations) {
      const sim::StepResult result = machine_.apply(op);
      // An operation that a shrunk trace has lost the ground for is left out here too.
      if (result.outcome == sim::Outcome::kOk) COWFS_TRY(files_.perform(op));
      const bool look = ++step % kFullLookEvery == 0 || step == operations.size() ||
                        op.verb == sim::Verb::kFork || op.verb == sim::Verb::kExit ||
                        op.verb <= sim::Verb::kKill;
      COWFS_ASSIGN(const std::string difference, wait_until([&] { return compare(look, step); }));
      if (!difference.empty()) return fmt::format("'{}': {}", sim::to_text(op), difference);
    }
    return std::string();
  }

  /// Looks until there is no difference: files that were deleted give their blocks back a moment
  /// later.
  template <typename Look>
  Result<std::string> wait_until(Look look) {
    const auto end = std::chrono::steady_clock::now() + kPatience;
    for (;;) {
      COWFS_ASSIGN(const std::string difference, look());
      if (difference.empty() || std::chrono::steady_clock::now() > end) return difference;
      COWFS_TRY(files_.sync());
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  }

  Result<std::string> expect_blocks(std::uint64_t wanted) {
    COWFS_ASSIGN(const std::uint64_t used, files_.used_blocks());
    if (used == wanted) return std::string();
    return fmt::format("{} blocks are in use, the simulator uses {} frames", used, wanted);
  }

  Result<std::string> compare(bool everything, std::uint64_t step) {
    COWFS_ASSIGN(std::string difference, expect_blocks(machine_.frames().used()));
    if (!difference.empty() || !everything) return difference;
    const bool each = step == steps_;
    places_.clear();
    owners_.clear();
    for (const auto& [name, process] : machine_.processes()) {
      const sim::AddressSpace* space = machine_.space_of(name);
      if (space == nullptr) continue;
      for (std::size_t i = 0; i < space->areas.size(); ++i) {
        COWFS_ASSIGN(difference, compare_area(name, space->areas[i], (step + i) % 2 == 0, each));
        if (!difference.empty()) return fmt::format("{}:{}", name, difference);
      }
    }
    return std::string();
  }

  Result<std::string> compare_area(const std::string& process, const sim::Area& area, bool mapped,
                                   bool each) {
    COWFS_ASSIGN(const UniqueFd file, files_.open_area(process, area.name));
    COWFS_ASSIGN(const std::string bytes, files_.contents(file, area.pages, mapped));
    COWFS_ASSIGN(const auto places, files_.places(file, area.pages, each));
    for (std::uint32_t i = 0; i < area.pages; ++i) {
      const std::string_view page = std::string_view(bytes).substr(std::size_t{i} * kPage, kPage);
      std::string difference = page == machine_.peek(process, area.name, i)
                                   ? compare_place(machine_.entry(process, area.name, i), places[i])
                                   : "the file has other bytes";
      if (!difference.empty()) return fmt::format("{}.{}: {}", area.name, i, difference);
    }
    return std::string();
  }

  std::string compare_place(const sim::Entry* entry, const api::LocateBlock& place) {
    const bool own = entry != nullptr && entry->present() && entry->frame != sim::kZeroFrame;
    if (!own)
      return place.object == 0 ? "" : "the file has a block where the simulator has no frame";
    if (place.object == 0) return "the file has a hole where the simulator has a frame";
    const std::pair block(place.object, place.object_block);
    const auto [known, new_place] = places_.try_emplace(entry->frame, block);
    const auto [owner, new_owner] = owners_.try_emplace(block, entry->frame);
    if (known->second != block || owner->second != entry->frame) {
      return "blocks are shared otherwise than frames";
    }
    const std::uint64_t pages = machine_.frames()[entry->frame].references;
    if (place.references == 0 || place.references == pages) return {};
    // A fork of a volume shares leaves of its tree: their blocks count once until the leaf is
    // copied.
    if (options_.fork == "volume" && place.references < pages) return {};
    return fmt::format("the store counts {} references, a recount finds {}", place.references,
                       pages);
  }

  const FileOptions& options_;
  sim::Machine machine_;
  Files files_;
  std::map<sim::FrameId, std::pair<std::uint64_t, std::uint64_t>> places_;
  std::map<std::pair<std::uint64_t, std::uint64_t>, sim::FrameId> owners_;
  std::uint64_t steps_ = 0;  // of the trace
};

}  // namespace

ExitCode run_files(const FileOptions& options) {
  if (!options.file.empty()) {
    return compare_file(options.file, [&](const sim::Trace& trace) {
      return FileComparison(options, trace.settings).run(sim::operations_of(trace));
    });
  }
  sim::TraceWish wish = sim::common_wish(!options.remount.empty() || !options.kill.empty());
  wish.settings.page_size = kPage;
  std::uint64_t steps = 0;
  for (std::uint64_t seed = options.seeds.first; seed <= options.seeds.last; ++seed) {
    auto operations = sim::generate(wish, seed);
    steps += operations.size();
    const auto difference = FileComparison(options, wish.settings).run(operations);
    if (!difference)
      return cannot(Error{difference.error().code,
                          fmt::format("seed {}: {}", seed, difference.error().text)});
    if (difference->empty()) continue;
    int tries = 60;  // each may wait for the daemon
    operations = sim::shrink(std::move(operations), [&](const std::vector<sim::Operation>& fewer) {
      if (tries-- <= 0) return false;
      const auto now = FileComparison(options, wish.settings).run(fewer);
      return now && !now->empty();
    });
    print_failing_trace(seed, *difference, wish.settings, operations);
    return finish_output(kCowsim, ExitCode::kFailed);
  }
  fmt::print("{} seeds, {} steps, all agree\n", options.seeds.last - options.seeds.first + 1,
             steps);
  return finish_output(kCowsim, ExitCode::kOk);
}

}  // namespace cowfs
