// Names, times and tables as text for people.
//
// Names in cowfs are bytes: any but NUL and '/'. What a terminal would not show, or would obey, is
// written as in C: \n, \t, ..., three octal digits for the others, \\ for a backslash.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "lib/base/time.h"

namespace cowfs {

/// Control characters and bytes that are no UTF-8 escaped; all else, blanks and backslashes
/// included, as it is. For messages.
std::string escape_controls(std::string_view text);

/// As escape_controls, and blanks (\040) and backslashes too: one word, from which the bytes can be
/// had back. For columns.
std::string escape_word(std::string_view text);

/// The length of the first character of `text` when it is one of well-formed UTF-8, else 0.
std::size_t utf8_length(std::string_view text);

bool is_utf8(std::string_view text);

/// "2026-02-28T13:14:15Z"; a year outside 0 to 9999 is written with its sign and digits.
std::string format_utc(Timestamp time);

/// As format_utc, with nine decimals of the second.
std::string format_utc_exact(Timestamp time);

/// Rows as lines of aligned columns, two blanks between, none at the end of a line. The width of a
/// cell is its number of characters. All rows have as many cells as the first.
std::string format_table(const std::vector<std::vector<std::string>>& rows);

}  // namespace cowfs
