// An entry on its way through the decisions of copy_entry().
#pragma once

#include <optional>
#include <string>

#include "tools/cowcp/copier.h"

namespace cowfs {

struct Copier::Item {
  const Entry& entry;
  const Place& source;
  const Place& target;
  struct stat status{};         // of the source
  struct stat target_status{};  // meaningful where the target is there
  bool is_new = true;           // there is no target (any more)
  bool dangling = false;        // the target is a symbolic link to nothing
  Follow follow = Follow::kNo;  // of the source
  std::string backup_shown;     // the target was renamed to this; empty: it was not
  std::optional<Place> backup;
  bool noted = false;  // this call noted the inode in copied_

  explicit Item(const Entry& what) : entry(what), source(what.source), target(what.target) {}
  bool is_directory() const { return S_ISDIR(status.st_mode); }
  bool is_regular() const { return S_ISREG(status.st_mode); }
  bool is_symlink() const { return S_ISLNK(status.st_mode); }
  bool target_is_directory() const { return S_ISDIR(target_status.st_mode); }
};

}  // namespace cowfs
