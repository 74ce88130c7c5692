#include "tools/cowcp/quote.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>

#include "tools/common/text.h"

namespace cowfs {
namespace {

/// The length of the printable character that `text` begins with; 0: its first byte must be
/// escaped.
std::size_t printable_length(std::string_view text) {
  const auto byte = static_cast<unsigned char>(text.front());
  if (byte < 0x80) return byte >= 0x20 && byte != 0x7f ? 1 : 0;
  return MB_CUR_MAX > 1 ? utf8_length(text) : 0;
}

std::string escaped(unsigned char byte) {
  constexpr std::string_view kBytes = "\a\b\f\n\r\t\v";
  constexpr std::string_view kLetters = "abfnrtv";
  const std::size_t at = kBytes.find(static_cast<char>(byte));
  return at == kBytes.npos ? fmt::format("\\{:03o}", byte) : fmt::format("\\{}", kLetters[at]);
}

bool is_printable(std::string_view name) {
  while (!name.empty()) {
    const std::size_t length = printable_length(name);
    if (length == 0) return false;
    name.remove_prefix(length);
  }
  return true;
}

bool ends_printable(std::string_view name) {
  bool printable = true;
  while (!name.empty()) {
    const std::size_t length = printable_length(name);
    printable = length > 0;
    name.remove_prefix(std::max<std::size_t>(length, 1));
  }
  return printable;
}

/// Means nothing to a shell. `first`: at the beginning of a word, where '#' and '~' do.
bool is_plain(char c, bool first) {
  constexpr std::string_view kPlain = "%+,-./:@]_";
  const bool alphanumeric =
      (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
  return alphanumeric || kPlain.find(c) != kPlain.npos || (!first && (c == '#' || c == '~'));
}

/// Whether double quotes alone make it safe: GNU's choice for names with an apostrophe.
bool suits_double_quotes(std::string_view name) {
  for (std::size_t i = 0; i < name.size(); ++i) {
    const char c = name[i];
    const bool at_first = i == 0 && (c == '#' || c == '~');
    const bool later = i != 0 && (c == '#' || c == '~');
    const bool other_alphabet = static_cast<unsigned char>(c) >= 0x80;
    if (later || !(is_plain(c, true) || at_first || c == ' ' || c == '\'' || other_alphabet))
      return false;
  }
  return true;
}

}  // namespace

std::string quote_if_needed(std::string_view name) {
  bool plain = !name.empty();
  for (std::size_t i = 0; i < name.size() && plain; ++i) plain = is_plain(name[i], i == 0);
  return plain ? std::string(name) : quote(name);
}

std::string quote(std::string_view name) {
  const bool apostrophe = name.find('\'') != name.npos;
  if (apostrophe && is_printable(name) && suits_double_quotes(name))
    return fmt::format("\"{}\"", name);
  std::string out = "'";
  // GNU's quoting begins such names with an empty pair; a shell does not mind.
  if (apostrophe && name.front() != '\'' && printable_length(name) > 0 && !ends_printable(name))
    out += "''";
  bool escaping = false;  // inside $'...'
  while (!name.empty()) {
    const std::size_t length = printable_length(name);
    if (length == 0) {
      if (!escaping) out += "'$'";
      escaping = true;
      out += escaped(static_cast<unsigned char>(name.front()));
      name.remove_prefix(1);
      continue;
    }
    if (escaping && name.front() != '\'') {
      out += "''";
      escaping = false;
    }
    if (name.front() == '\'') out += escaping ? "\\'" : "'\\''";
    else out += name.substr(0, length);
    name.remove_prefix(length);
  }
  return out + "'";
}

}  // namespace cowfs
