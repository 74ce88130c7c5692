// A simulator against files of a mounted cowfs, step by step: all bytes, the blocks in use, which
// blocks are shared, and their reference counts.
#pragma once

#include <map>
#include <string>
#include <utility>

#include "lib/base/error.h"
#include "lib/sim/machine.h"
#include "tools/cowsim/commands.h"
#include "tools/cowsim/memory_files.h"

namespace cowfs {

class FileComparison {
 public:
  /// The machine is the caller's, who applies each operation to it.
  FileComparison(const FileOptions& options, const sim::Machine& machine)
      : options_(options), machine_(machine), files_(options) {}

  Result<void> open() { return files_.open(); }

  /// Does what the machine has just done, and says what differs; empty: all agree. At the `last`
  /// step everything is looked at, block by block.
  Result<std::string> follow(const sim::Operation& op, const sim::StepResult& result, bool last);

  /// Removes the files; of a trace that agreed nothing may be left.
  Result<std::string> close(bool agreed);

  std::uint64_t replays() const { return files_.replays(); }

 private:
  template <typename Look>
  Result<std::string> wait_until(Look look);
  Result<std::string> expect_blocks(std::uint64_t wanted);
  Result<std::string> compare(bool everything, bool each);
  Result<std::string> compare_area(const std::string& process, const sim::Area& area, bool mapped,
                                   bool each);
  std::string compare_place(const sim::Entry* entry, const api::LocateBlock& place);

  const FileOptions& options_;
  const sim::Machine& machine_;
  MemoryFiles files_;
  std::map<sim::FrameId, std::pair<std::uint64_t, std::uint64_t>> places_;
  std::map<std::pair<std::uint64_t, std::uint64_t>, sim::FrameId> owners_;
  std::uint64_t step_ = 0;
};

}  // namespace cowfs
