// Who asks: carried by every changing call from the first day, down to its transaction.
#pragma once

#include <sys/types.h>
#include <cstdint>
#include <vector>

namespace cowfs {

struct RequestContext {
  std::uint64_t request_id = 0;  // the kernel's unique id of the request; 0 for work of our own
  uid_t uid = 0;
  gid_t gid = 0;
  std::vector<gid_t> groups;  // supplementary groups, where the caller looked them up
  mode_t umask = 0;
};

}  // namespace cowfs
