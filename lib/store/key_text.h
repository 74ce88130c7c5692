// Keys as people read them: "inode 42, extent at block 100".
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace cowfs {

std::string describe_key(std::string_view key);
/// "from the start to inode 42, its record"; `to` absent: to the end.
std::string describe_range(std::string_view from, const std::optional<std::string>& to);

}  // namespace cowfs
