// What all our command lines refuse before CLI11 parses them.
#pragma once

#include <algorithm>
#include <optional>
#include <span>
#include <string>

namespace cowfs {

/// The first "--name=" before "--", as it stands there; nothing where there is none. CLI11 would
/// take the next argument for its value. The program's own name may be among the arguments.
inline std::optional<std::string> option_without_value(std::span<const std::string> arguments) {
  const auto lacks_value = [](const std::string& argument) {
    return argument.starts_with("--") && argument.find('=') == argument.size() - 1;
  };
  const auto end = std::ranges::find(arguments, "--");
  const auto found = std::find_if(arguments.begin(), end, lacks_value);
  return found == end ? std::nullopt : std::optional(*found);
}

}  // namespace cowfs
