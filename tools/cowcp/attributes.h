// What is kept beside the content: times, owners, permissions with access control lists, extended
// attributes.
//
// Regular files and directories are worked on through descriptors; symbolic links and special files
// through their place, without following. Failures are told as cp tells them; `false` means that
// one counts.
#pragma once

#include <sys/stat.h>

#include "tools/cowcp/options.h"
#include "tools/cowcp/report.h"
#include "tools/cowcp/user_files.h"

namespace cowfs {

inline constexpr mode_t kPermissionBits = 07777;

/// One thing whose attributes are copied. Descriptors are -1 where there are none.
struct AttributeCopy {
  const Place& source;
  int source_fd = -1;
  const Place& target;
  int target_fd = -1;
  const struct stat& status;  // of the source
  bool is_new = true;         // the target was made by us
};

class AttributeCopier {
 public:
  AttributeCopier(const CopyOptions& options, Report& report)
      : options_(options), report_(report) {}

  /// All that options ask for, for a regular file or a directory. `mode` and `omitted`: the
  /// permissions that a new target gets, and those that were held back when it was made.
  bool copy(const AttributeCopy& what, mode_t omitted);
  /// The same for a symbolic link or a special file.
  bool copy_special(const AttributeCopy& what, mode_t omitted);

 private:
  bool copy_times(const AttributeCopy& what);
  bool copy_owner(const AttributeCopy& what, mode_t& mode);
  bool copy_extended(const AttributeCopy& what);
  bool copy_mode(const AttributeCopy& what, mode_t mode, mode_t omitted);
  bool copy_access_lists(const AttributeCopy& what, mode_t mode);
  int change_mode(const AttributeCopy& what, mode_t mode);

  const CopyOptions& options_;
  Report& report_;
};

/// The process's umask, read once by main().
mode_t current_umask();

}  // namespace cowfs
