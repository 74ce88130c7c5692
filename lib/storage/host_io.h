// Whole transfers on a descriptor: EINTR and short counts are retried.
//
// Each call returns 0 or the host's errno.
#pragma once

#include <cstdint>
#include <vector>

#include "lib/base/bytes.h"

namespace cowfs {

/// Reads all of `out` from `offset`; what lies past the end of the file is zero.
int read_fully(int fd, std::uint64_t offset, MutableBytes out);

/// Writes all parts one after another, with as few pwritev as IOV_MAX allows.
int write_fully(int fd, std::uint64_t offset, const std::vector<Bytes>& parts);

/// fallocate(2).
int allocate(int fd, int mode, std::uint64_t offset, std::uint64_t length);

}  // namespace cowfs
