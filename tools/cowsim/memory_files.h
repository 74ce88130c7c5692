// Files in a mounted cowfs that stand for the memory of processes: an area is a file, a page a block,
// fork a clone of every file or a fork of the volume, exit an unlink, a page never written a hole.
//
// A `kill` step kills the daemon without a word to it before: what operations did since the last
// checkpoint is then in the store's journal alone, and must be there again.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "lib/api/ioctl.h"
#include "lib/base/error.h"
#include "lib/base/unique_fd.h"
#include "lib/sim/operation.h"
#include "tools/cowsim/commands.h"

namespace cowfs {

class MemoryFiles {
 public:
  explicit MemoryFiles(const FileOptions& options) : options_(options) {}

  /// kNotSupported: the directory is not inside a cowfs mount.
  Result<void> open();

  /// Removes all that is left of a trace.
  Result<void> clean_up();

  Result<void> perform(const sim::Operation& op);

  Result<UniqueFd> open_area(const std::string& process, const std::string& area);

  /// All bytes of an area, with pread(2) or through a mapping.
  Result<std::string> contents(const UniqueFd& file, std::uint32_t pages, bool mapped);

  /// Where each block of an area lies. Of a run only the first has its references, unless `each`
  /// block is asked for.
  Result<std::vector<api::LocateBlock>> places(const UniqueFd& file, std::uint32_t pages,
                                               bool each);

  /// A checkpoint: the store applies what it gathered of released blocks, and counts anew.
  Result<void> sync();

  /// Blocks in use by the trace; also those whose release is under way.
  Result<std::uint64_t> used_blocks();

  /// Kills of the daemon that found operations which no checkpoint had seen.
  std::uint64_t replays() const { return replays_; }

 private:
  bool by_volume() const { return options_.fork == "volume"; }
  std::string home(const std::string& process) const;
  Result<std::uint64_t> live_blocks();
  Result<void> make_volume(const std::string& parent_path, const std::string& name);
  Result<void> start(const std::string& process);
  Result<void> map(const sim::Operation& op);
  Result<void> write(const sim::Operation& op);
  Result<void> fork(const std::string& parent, const std::string& child);
  Result<void> exit(const std::string& process);
  Result<void> punch(const sim::Operation& op);
  Result<void> sync_file(const sim::Operation& op);
  Result<void> kill();
  Result<void> restart(const std::string& command);

  const FileOptions& options_;
  UniqueFd root_;
  std::uint64_t base_blocks_ = 0;
  std::map<std::string, std::map<std::string, std::uint32_t>>
      areas_;                           // of each process, with their pages
  std::uint64_t since_checkpoint_ = 0;  // operations that changed files
  std::uint64_t replays_ = 0;
};

}  // namespace cowfs
