// Answers to the kernel: the one place where codes become errno and attributes become struct stat.
//
// Every request is answered exactly once. An answer that hands out a node counts one lookup of it
// (Volume::remember), taken back where the kernel did not want the answer any more (the caller was
// killed).
#pragma once

#include <sys/stat.h>

#include <cstdint>
#include <memory>
#include <utility>

#include "fs/fuse_compat.h"
#include "lib/base/error.h"
#include "lib/base/request_context.h"
#include "lib/volume/attributes.h"
#include "lib/volume/volume.h"

namespace cowfs {

class Mount;

/// Seconds: without limit, because everything changes through this mount or is told to the kernel.
inline constexpr double kForever = 1e9;
/// What programs are told to read and write at once: each write is a request.
inline constexpr unsigned kPreferredBytes = 65536;

int errno_of(ErrorCode code);

/// Who asks. The kernel's number of a request is not told by libfuse, and the supplementary groups
/// are not looked up: the kernel has checked permissions.
RequestContext context_of(fuse_req_t request);
/// With the supplementary groups, which are read from the caller's entry in /proc: too slow for
/// each request.
RequestContext context_with_groups(fuse_req_t request);
/// Of a caller who makes an inode with this mode: with the groups where setgid makes them matter.
RequestContext creator_of(fuse_req_t request, mode_t mode);

struct stat stat_of(const Attributes& attributes, std::uint64_t node);

/// A reply of an entry, not yet counted.
fuse_entry_param entry_of(const Attributes& attributes, std::uint64_t node);

/// Logs what the host or the store has to do with.
void reply_error(fuse_req_t request, const Error& error);
inline void reply_error(fuse_req_t request, ErrorCode code) {
  fuse_reply_err(request, errno_of(code));
}
void reply_done(fuse_req_t request, const Result<void>& result);
/// Whether it went well, without what came of it.
template <typename T>
Result<void> discard(Result<T> result) {
  if (!result) return fail(std::move(result).error());
  return {};
}

void reply_attributes(fuse_req_t request, std::uint64_t node, const Result<Attributes>& result);
/// An entry of `volume`; counts a lookup. The kernel may remember the name for `entry_timeout`
/// seconds.
void reply_entry(fuse_req_t request, const std::shared_ptr<Volume>& volume,
                 const Result<Attributes>& result, double entry_timeout = kForever);
/// "There is no such name", which the kernel may remember.
void reply_no_entry(fuse_req_t request);

}  // namespace cowfs
