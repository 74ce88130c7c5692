// What each command of cowsnap does, once the command line is understood.
//
// Every one prints its answer and its errors, and returns the exit code.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "lib/api/ioctl.h"
#include "tools/common/exit_code.h"

namespace cowfs {

inline constexpr const char* kCowsnap = "cowsnap";

struct Output {
  bool json = false;
  bool quiet = false;
};

/// Without a name, a snapshot gets one by the time; a fork always has one.
ExitCode create_volume(const std::string& path, api::Kind kind,
                       const std::optional<std::string>& name, Output output);
ExitCode list_volumes(const std::string& path, Output output);
ExitCode rename_volume(const std::string& path, const std::string& name,
                       const std::string& new_name);
ExitCode delete_volumes(const std::string& path, const std::vector<std::string>& names);
ExitCode sync_store(const std::string& path);

}  // namespace cowfs
