#include "tools/common/json.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <string>

#include "tools/common/print_text.h"
#include "tools/common/text.h"

namespace cowfs {
namespace {

std::string with_replacements(std::string_view bytes) {
  std::string out;
  while (!bytes.empty()) {
    const std::size_t length = utf8_length(bytes);
    if (length == 0) {
      out += "\xef\xbf\xbd";
    } else {
      out += bytes.substr(0, length);
    }
    bytes.remove_prefix(std::max<std::size_t>(length, 1));
  }
  return out;
}

std::string hex(std::string_view bytes) {
  std::string out;
  for (const char byte : bytes) out += fmt::format("{:02x}", static_cast<unsigned char>(byte));
  return out;
}

}  // namespace

nlohmann::ordered_json json_answer(std::string_view tool, std::string_view command) {
  nlohmann::ordered_json header;
  header["tool"] = tool;
  header["command"] = command;
  header["format"] = kJsonFormat;
  header["version"] = COWFS_VERSION;
  nlohmann::ordered_json answer;
  answer["header"] = std::move(header);
  return answer;
}

void set_bytes(nlohmann::ordered_json& object, std::string_view member, std::string_view bytes) {
  const std::string name(member);
  object[name] = with_replacements(bytes);
  if (!is_utf8(bytes)) object[name + "_hex"] = hex(bytes);
}

void print_json(const nlohmann::ordered_json& answer) { print_text("{}\n", answer.dump(2)); }

}  // namespace cowfs
