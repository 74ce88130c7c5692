// The method clone-tree: one request to the cowfs daemon copies a whole directory, sharing its
// data.
#pragma once

#include <cstdint>
#include <string>

#include "tools/cowcp/options.h"
#include "tools/cowcp/user_files.h"

namespace cowfs {

struct TreeCloneRequest {
  const Place& source;
  const Place& target;
  bool sole_source = false;  // nothing else is copied by this command
};

struct TreeCloneResult {
  bool done = false;
  std::string why;  // it was not done; empty: nobody would expect it (no directory, no cowfs)
  std::uint64_t inodes = 0;
  std::uint64_t bytes = 0;
};

TreeCloneResult clone_tree(const CopyOptions& options, const TreeCloneRequest& request);

}  // namespace cowfs
