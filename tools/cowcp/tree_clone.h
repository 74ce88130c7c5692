// The method clone-tree: one request to the cowfs daemon copies a whole directory, sharing its
// data.
//
// The daemon works on a job; clone_tree() asks how far it is until it has ended. A signal that
// would end this program (SIGINT, SIGTERM, SIGHUP) cancels the job first and ends the program when
// nothing of the copy is left; a second one does so at once, and the daemon notices by the
// descriptor that was closed.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "tools/cowcp/options.h"
#include "tools/cowcp/user_files.h"

namespace cowfs {

struct TreeCloneRequest {
  const Place& source;
  const Place& target;
  bool sole_source = false;  // nothing else is copied by this command
};

/// How far it is.
struct TreeCloneProgress {
  std::uint64_t inodes = 0;  // of all kinds
  std::uint64_t files = 0;
  std::uint64_t directories = 0;
  std::uint64_t shared_bytes = 0;
  std::uint64_t hole_bytes = 0;

  std::uint64_t others() const { return inodes - files - directories; }
};

struct TreeCloneResult {
  bool done = false;
  std::string why;  // it was not done; empty: nobody would expect it (no directory, no cowfs)
  TreeCloneProgress progress;
};

using TreeCloneWatch = std::function<void(const TreeCloneProgress&)>;

/// `watch` is called now and then while it goes on, and at the end.
TreeCloneResult clone_tree(const CopyOptions& options, const TreeCloneRequest& request,
                           const TreeCloneWatch& watch);

}  // namespace cowfs
