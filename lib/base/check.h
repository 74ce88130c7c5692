// COWFS_CHECK: an invariant of our own that is checked in every build and aborts when broken.
//
// For what only a bug of ours can break. A damaged byte from disk, a full host or a strange request
// is an Error (lib/base/error.h), never a check.
#pragma once

#include <cstdio>
#include <cstdlib>

namespace cowfs {

[[noreturn]] inline void check_failed(const char* file, int line, const char* what) {
  std::fprintf(stderr, "cowfs: broken invariant at %s:%d: %s\n", file, line, what);
  std::abort();
}

}  // namespace cowfs

#define COWFS_CHECK(condition)                         \
  (static_cast<bool>(condition) ? static_cast<void>(0) \
                                : ::cowfs::check_failed(__FILE__, __LINE__, #condition))
