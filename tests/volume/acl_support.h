// Access control lists written short, for tests: "u::rwx,u:61001:r--,g::r-x,m::r-x,o::---".
#pragma once

#include <sstream>
#include <string>
#include <string_view>

#include "lib/base/bytes.h"

namespace cowfs {

/// The bytes of a list, entries in the order that is given, whether that is sound or not.
inline std::string acl_bytes(const std::string& text) {
  ByteWriter writer;
  writer.le(std::uint32_t{2});
  std::istringstream entries(text);
  for (std::string entry; std::getline(entries, entry, ',');) {
    const std::size_t first = entry.find(':');
    const std::size_t second = entry.find(':', first + 1);
    const std::string id = entry.substr(first + 1, second - first - 1);
    const std::string_view bits = std::string_view(entry).substr(second + 1);
    unsigned tag = 0;
    if (entry[0] == 'u') tag = id.empty() ? 1 : 2;
    else if (entry[0] == 'g') tag = id.empty() ? 4 : 8;
    else tag = entry[0] == 'm' ? 16 : 32;
    const unsigned permissions =
        (bits[0] == 'r' ? 4U : 0U) | (bits[1] == 'w' ? 2U : 0U) | (bits[2] == 'x' ? 1U : 0U);
    writer.le(static_cast<std::uint16_t>(tag)).le(static_cast<std::uint16_t>(permissions));
    writer.le(id.empty() ? 0xffffffffU : static_cast<std::uint32_t>(std::stoul(id)));
  }
  return writer.take();
}

}  // namespace cowfs
