// Who a caller is beyond user and group: what permission checks of our own need.
#pragma once

#include "fs/fuse_compat.h"
#include "lib/base/error.h"
#include "lib/base/request_context.h"

namespace cowfs {

struct Caller {
  RequestContext context;   // with the supplementary groups
  bool privileged = false;  // root, with the capabilities that root usually has
};

/// Read from the caller's entry in /proc; the request must not be answered yet. kNotSupported where
/// it cannot be read.
Result<Caller> caller_of(fuse_req_t request);

}  // namespace cowfs
