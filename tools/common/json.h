// What `--json` prints: one object on stdout, with a header that says its shape.
//
//   { "header": {"tool": "cowsnap", "command": "list", "format": 1, "version": "0.1.0"}, ... }
//
// `format` grows when a member goes away or changes its meaning; new members come without notice.
//
// Names are bytes and JSON strings are not. A name that is UTF-8 stands in NAME alone. Of one that
// is not, NAME holds a readable form (U+FFFD for each bad byte) and NAME_hex the bytes, two hex
// digits each.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string_view>

#include "lib/base/time.h"

namespace cowfs {

inline constexpr int kJsonFormat = 1;

/// An object that holds the header and nothing else.
nlohmann::ordered_json json_answer(std::string_view tool, std::string_view command);

/// Sets `object[member]`, and `object[member + "_hex"]` where the bytes are no UTF-8.
void set_bytes(nlohmann::ordered_json& object, std::string_view member, std::string_view bytes);

/// Writes it to stdout, indented, with a newline.
void print_json(const nlohmann::ordered_json& answer);

}  // namespace cowfs
