// Whether what a store shows after a crash is what it may show.
#pragma once

#include <optional>
#include <string>

#include "lib/volume/file_system.h"
#include "tests/crash/reference.h"

namespace cowfs {

class Judge {
 public:
  explicit Judge(const Reference& reference) : reference_(reference) {}

  /// Nothing where `seen`, read from `file_system`, is the state after one operation within the
  /// bounds; else what is wrong with the one that comes nearest.
  std::optional<std::string> complaint(FileSystem& file_system, const StoreState& seen,
                                       const CrashBounds& bounds, Loss loss) const;

  /// Whether `seen` is exactly the state after an operation within the bounds, data included.
  bool exact(const StoreState& seen, const CrashBounds& bounds, Loss loss) const;

 private:
  struct Candidate {
    std::size_t operation;
    CrashBounds bounds;
    Loss loss;
  };
  std::optional<std::string> data_complaint(FileSystem& file_system, const StoreState& seen,
                                            const Candidate& candidate) const;
  std::optional<std::string> file_complaint(FileSystem& file_system, const ExpectedVolume& volume,
                                            InodeNumber inode, const FileVersion& expected,
                                            const Candidate& candidate) const;
  /// The version that the file must have, but for writes in place.
  const FileVersion& expected_version(const std::string& volume, FileId file,
                                      const Candidate& candidate) const;

  const Reference& reference_;
};

/// The first difference of two states in volumes, names, sizes, links or extended attributes.
std::string structure_difference(const StoreState& seen, const StoreState& expected);

}  // namespace cowfs
