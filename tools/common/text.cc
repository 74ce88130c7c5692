#include "tools/common/text.h"

#include <fmt/format.h>

#include <algorithm>
#include <ctime>

#include "lib/base/check.h"

namespace cowfs {
namespace {

constexpr unsigned char kDelete = 0x7f;

bool is_control(unsigned char byte) { return byte < ' ' || byte == kDelete; }

/// U+0080 to U+009F, control characters of two bytes that some terminals obey.
bool is_c1_control(std::string_view character) {
  return character.size() == 2 && character[0] == '\xc2' &&
         static_cast<unsigned char>(character[1]) < 0xa0;
}

std::string escape_byte(unsigned char byte) {
  switch (byte) {
    case '\a': return "\\a";
    case '\b': return "\\b";
    case '\f': return "\\f";
    case '\n': return "\\n";
    case '\r': return "\\r";
    case '\t': return "\\t";
    case '\v': return "\\v";
    case '\\': return "\\\\";
    default: return fmt::format("\\{:03o}", byte);
  }
}

std::string escape(std::string_view text, std::string_view also) {
  std::string out;
  while (!text.empty()) {
    const std::size_t length = utf8_length(text);
    const std::string_view character = text.substr(0, std::max<std::size_t>(length, 1));
    const auto first = static_cast<unsigned char>(character[0]);
    const bool as_it_is = length != 0 && !is_control(first) && !is_c1_control(character) &&
                          also.find(character[0]) == std::string_view::npos;
    if (as_it_is) {
      out += character;
    } else {
      for (const char byte : character) out += escape_byte(static_cast<unsigned char>(byte));
    }
    text.remove_prefix(character.size());
  }
  return out;
}

std::size_t width(std::string_view text) {
  return static_cast<std::size_t>(
      std::ranges::count_if(text, [](char byte) { return (byte & 0xc0) != 0x80; }));
}

std::string format_seconds(Timestamp time) {
  const std::time_t seconds = time.seconds;
  std::tm broken{};
  if (::gmtime_r(&seconds, &broken) == nullptr) return fmt::format("@{}", time.seconds);
  const long year = broken.tm_year + 1900L;
  const std::string year_text =
      year >= 0 && year <= 9999 ? fmt::format("{:04}", year) : fmt::format("{:+}", year);
  return fmt::format("{}-{:02}-{:02}T{:02}:{:02}:{:02}", year_text, broken.tm_mon + 1,
                     broken.tm_mday, broken.tm_hour, broken.tm_min, broken.tm_sec);
}

}  // namespace

std::size_t utf8_length(std::string_view text) {
  if (text.empty()) return 0;
  const auto at = [text](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char lead = at(0);
  if (lead < 0x80) return 1;
  const std::size_t length = lead >= 0xc2 && lead < 0xe0   ? 2
                             : lead >= 0xe0 && lead < 0xf0 ? 3
                             : lead >= 0xf0 && lead < 0xf5 ? 4
                                                           : 0;
  if (length == 0 || text.size() < length) return 0;
  for (std::size_t i = 1; i < length; ++i) {
    if ((at(i) & 0xc0) != 0x80) return 0;
  }
  // Too long a form, surrogates, beyond U+10FFFF (RFC 3629, section 4).
  if ((lead == 0xe0 && at(1) < 0xa0) || (lead == 0xed && at(1) >= 0xa0)) return 0;
  if ((lead == 0xf0 && at(1) < 0x90) || (lead == 0xf4 && at(1) >= 0x90)) return 0;
  return length;
}

bool is_utf8(std::string_view text) {
  while (!text.empty()) {
    const std::size_t length = utf8_length(text);
    if (length == 0) return false;
    text.remove_prefix(length);
  }
  return true;
}

std::string escape_controls(std::string_view text) { return escape(text, ""); }

std::string escape_word(std::string_view text) { return escape(text, " \\"); }

std::string format_utc(Timestamp time) { return format_seconds(time) + "Z"; }

std::string format_utc_exact(Timestamp time) {
  return fmt::format("{}.{:09}Z", format_seconds(time), time.nanoseconds);
}

std::string format_table(const std::vector<std::vector<std::string>>& rows) {
  if (rows.empty()) return {};
  std::vector<std::size_t> widths(rows.front().size(), 0);
  for (const auto& row : rows) {
    COWFS_CHECK(row.size() == widths.size());
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], width(row[i]));
  }
  std::string out;
  for (const auto& row : rows) {
    for (std::size_t i = 0; i < row.size(); ++i) {
      out += row[i];
      if (i + 1 < row.size()) out.append(widths[i] - width(row[i]) + 2, ' ');
    }
    out.erase(out.find_last_not_of(' ') + 1);
    out += '\n';
  }
  return out;
}

}  // namespace cowfs
