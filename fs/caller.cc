#include "fs/caller.h"

#include <fmt/format.h>
#include <limits.h>
#include <linux/capability.h>

#include <algorithm>
#include <fstream>
#include <string>
#include <vector>

#include "fs/reply.h"

namespace cowfs {
namespace {

constexpr std::uint64_t bit(int capability) { return std::uint64_t{1} << capability; }

/// What copying anybody's files into anybody's directory takes.
constexpr std::uint64_t kNeeded = bit(CAP_CHOWN) | bit(CAP_DAC_OVERRIDE) | bit(CAP_FOWNER) |
                                  bit(CAP_FSETID) | bit(CAP_MKNOD) | bit(CAP_SYS_ADMIN);

bool has_all_capabilities(pid_t pid) {
  std::ifstream status(fmt::format("/proc/{}/status", pid));
  for (std::string line; std::getline(status, line);) {
    if (!line.starts_with("CapEff:")) continue;
    return (std::strtoull(line.c_str() + 7, nullptr, 16) & kNeeded) == kNeeded;
  }
  return false;
}

}  // namespace

Result<Caller> caller_of(fuse_req_t request) {
  Caller caller;
  caller.context = context_of(request);
  std::vector<gid_t> groups(NGROUPS_MAX);
  const int count = fuse_req_getgroups(request, static_cast<int>(groups.size()), groups.data());
  if (count < 0) return fail(ErrorCode::kNotSupported);
  groups.resize(static_cast<std::size_t>(std::min(count, NGROUPS_MAX)));
  caller.context.groups = std::move(groups);
  if (caller.context.uid != 0) return caller;
  caller.privileged = has_all_capabilities(fuse_req_ctx(request)->pid);
  if (!caller.privileged) return fail(ErrorCode::kNotSupported);
  return caller;
}

}  // namespace cowfs
