#include "tools/fsck.cowfs/run.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>
#include <memory>

#include "lib/storage/host_storage.h"
#include "tools/common/message.h"
#include "tools/common/print_text.h"
#include "tools/fsck.cowfs/fsck_report.h"
#include "tools/fsck.cowfs/mounted_store.h"
#include "tools/fsck.cowfs/progress.h"

namespace cowfs {
namespace {

FsckExit failed(const Error& error) {
  print_error(kFsck, error.text.empty() ? error_code_name(error.code) : error.text);
  return FsckExit::kFailed;
}

bool is_yes(int answer) { return answer == 'y' || answer == 'Y'; }

/// Asks on the terminal; no, where there is none.
bool agreed(std::uint64_t problems) {
  if (::isatty(STDIN_FILENO) != 1 || ::isatty(STDOUT_FILENO) != 1) return false;
  print_text("{} problems. Repair them? [y/N] ", problems);
  std::fflush(stdout);
  return is_yes(std::getchar());
}

class Run {
 public:
  explicit Run(const FsckCommand& command) : command_(command), progress_(command.progress_fd) {}

  FsckExit run() {
    const bool reads_only = command_.mode == FsckMode::kCheckOnly;
    auto storage = HostStorage::open(command_.store,
                                     reads_only ? StorageMode::kReadOnly : StorageMode::kReadWrite);
    if (!storage && storage.error().code != ErrorCode::kLocked) return failed(storage.error());
    const auto done = storage ? look(std::move(*storage)) : look_beside();
    progress_.clear();
    if (!done) return failed(Error{done.error().code, command_.store + ": " + done.error().text});
    if (command_.json) print_fsck_json(command_, answer_);
    else print_summary(command_, answer_);
    const bool told = finish_output(kFsck, ExitCode::kOk) == ExitCode::kOk;
    return told ? answer_.exit : FsckExit::kFailed;
  }

 private:
  /// The store is mounted: a look, and nothing else.
  Result<void> look_beside() {
    if (command_.mode == FsckMode::kSafe || command_.mode == FsckMode::kAll) {
      return fail(ErrorCode::kLocked,
                  "the store is in use: unmount it for a repair, or only check it (-n)");
    }
    COWFS_ASSIGN(MountedStore mounted, look_beside_mount(command_.store));
    FsckOptions options = options_of_check();
    if (!mounted.read_only) {
      options.is_damaged = [&](const SuspectBlock& block) {
        return is_damaged_in_mount(mounted, block);
      };
    }
    COWFS_ASSIGN(answer_.found,
                 mounted.read_only
                     ? check_store(*mounted.storage, options)
                     : check_held_checkpoint(*mounted.storage, mounted.superblock, options));
    tell_found();
    return {};
  }

  void tell_found() {
    progress_.clear();
    const bool clean = answer_.found.problems.clean() && answer_.found.damaged_data.clean();
    if (!clean) answer_.exit = FsckExit::kLeft;
    if (command_.json) return;
    print_problems(command_, answer_.found.problems);
    print_problems(command_, answer_.found.damaged_data);
  }

  FsckOptions options_of_check() {
    FsckOptions options;
    options.scrub = command_.scrub;
    options.progress = [this](std::string_view stage, std::uint64_t done, std::uint64_t total) {
      progress_.tell(stage, done, total);
    };
    return options;
  }

  Result<void> look(std::unique_ptr<HostStorage> storage) {
    storage_ = std::move(storage);
    if (!command_.force && !command_.scrub) {
      COWFS_ASSIGN(const FsckGlance glance, glance_at_store(*storage_));
      answer_.skipped = answer_.found.was_clean = glance.clean;
      answer_.found.live_blocks = glance.live_blocks;
      if (answer_.skipped) return {};
    }
    const FsckOptions options = options_of_check();
    COWFS_ASSIGN(answer_.found, check_store(*storage_, options));
    tell_found();
    if (answer_.found.problems.clean()) return {};
    return wants_repair() ? repair(options) : Result<void>{};
  }

  bool wants_repair() const {
    const ProblemList& problems = answer_.found.problems;
    switch (command_.mode) {
      case FsckMode::kCheckOnly: return false;
      case FsckMode::kAll: return true;
      case FsckMode::kSafe: return problems.count(Severity::kLoss) == 0;
      case FsckMode::kAsk: return agreed(problems.count());
    }
    return false;
  }

  Result<void> repair(const FsckOptions& options) {
    auto mended = repair_store(*storage_, options);
    if (!mended) {
      if (mended.error().code != ErrorCode::kCorrupted) return fail(mended.error());
      progress_.clear();
      print_error(kFsck, command_.store, mended.error());
      return {};  // left as it is
    }
    answer_.mended = *std::move(mended);
    answer_.repaired = true;
    FsckOptions again = options;
    again.scrub = false;  // a repair changes no data
    COWFS_ASSIGN(answer_.after, check_store(*storage_, again));
    answer_.after.scrubbed_blocks = answer_.found.scrubbed_blocks;
    progress_.clear();
    if (!command_.json) print_mended(command_, answer_);
    const bool left = !answer_.after.problems.clean() || !answer_.found.damaged_data.clean();
    answer_.exit = left ? FsckExit::kLeft : FsckExit::kCorrected;
    return {};
  }

  const FsckCommand& command_;
  FsckProgress progress_;
  std::unique_ptr<HostStorage> storage_;
  FsckAnswer answer_;
};

}  // namespace

FsckExit run_fsck(const FsckCommand& command) { return Run(command).run(); }

}  // namespace cowfs
