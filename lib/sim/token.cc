#include "lib/sim/token.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

namespace cowfs::sim {
namespace {

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

std::optional<std::string> hex_bytes(std::string_view digits) {
  if (digits.empty() || digits.size() % 2 != 0) return std::nullopt;
  std::string out;
  for (std::size_t i = 0; i < digits.size(); i += 2) {
    unsigned value = 0;
    const auto [end, error] = std::from_chars(&digits[i], &digits[i] + 2, value, 16);
    if (error != std::errc() || end != &digits[i] + 2) return std::nullopt;
    out += static_cast<char>(value);
  }
  return out;
}

}  // namespace

std::optional<std::uint32_t> parse_number(std::string_view text) {
  std::uint32_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::optional<std::string> parse_bytes(std::string_view text) {
  if (text.size() == 3 && text.front() == '\'' && text.back() == '\'')
    return std::string(1, text[1]);
  if (text.size() >= 3 && text.front() == '"' && text.back() == '"') {
    return std::string(text.substr(1, text.size() - 2));
  }
  if (text.starts_with("0x")) return hex_bytes(text.substr(2));
  const auto number = parse_number(text);
  if (!number || *number > 255) return std::nullopt;
  return std::string(1, static_cast<char>(*number));
}

bool is_name(std::string_view text) {
  return !text.empty() && text.size() <= 32 && (is_letter(text[0]) || text[0] == '_') &&
         std::ranges::all_of(text, [](char c) { return is_letter(c) || is_digit(c) || c == '_'; });
}

std::vector<std::vector<Token>> split_line(std::string_view line) {
  std::vector<std::vector<Token>> statements(1);
  bool in_word = false;
  for (std::size_t i = 0; i < line.size(); ++i) {
    const char c = line[i];
    if (c == '#') break;
    if (c == ' ' || c == '\t' || c == '\r' || c == ';') {
      in_word = false;
      if (c == ';') statements.emplace_back();
      continue;
    }
    if (!in_word) statements.back().push_back({"", static_cast<std::uint32_t>(i + 1)});
    in_word = true;
    std::string& word = statements.back().back().text;
    word += c;
    if (c != '\'' && c != '"') continue;
    // A quote ends at its like; '' and ''' hold no or one character, which may be a quote itself.
    std::size_t end = c == '\'' ? i + 2 : line.find('"', i + 1);
    if (end >= line.size() || line[end] != c) continue;
    word += line.substr(i + 1, end - i);
    i = end;
  }
  std::erase_if(statements, [](const auto& words) { return words.empty(); });
  return statements;
}

void TokenReader::complain(std::string_view why) {
  if (error_) return;
  const std::size_t at = std::min(next_ == 0 ? 0 : next_ - 1, tokens_.size() - 1);
  error_ =
      Error{ErrorCode::kInvalidArgument, fmt::format("{}:{}: {}", line_, tokens_[at].column, why)};
}

bool TokenReader::accept(std::string_view word) {
  if (peek() != word || !more()) return false;
  ++next_;
  return true;
}

std::string TokenReader::word(std::string_view what) {
  if (error_) return {};
  if (next_ >= tokens_.size()) {
    const Token& last = tokens_.back();
    error_ = Error{ErrorCode::kInvalidArgument,
                   fmt::format("{}:{}: expected {} after '{}'", line_,
                               last.column + last.text.size(), what, last.text)};
    return {};
  }
  return tokens_[next_++].text;
}

std::string TokenReader::name(std::string_view what) {
  std::string text = word(what);
  if (!error_ && !is_name(text)) complain(fmt::format("'{}' is no name: expected {}", text, what));
  return text;
}

std::uint32_t TokenReader::number(std::string_view what, std::uint32_t least, std::uint32_t most) {
  const std::string text = word(what);
  if (error_) return least;
  const auto value = parse_number(text);
  if (!value || *value < least || *value > most) {
    complain(fmt::format("'{}': expected {}, a number from {} to {}", text, what, least, most));
    return least;
  }
  return *value;
}

std::string TokenReader::bytes() {
  const std::string text = word("a value ('x', \"text\", 0x00ff or 0 to 255)");
  if (error_) return {};
  const auto value = parse_bytes(text);
  if (!value) complain(fmt::format("'{}' is no value: 'x', \"text\", 0x00ff or 0 to 255", text));
  return value.value_or("");
}

TokenReader::Place TokenReader::place() {
  const std::string text = word("AREA.PAGE");
  Place place;
  if (error_) return place;
  std::string_view rest = text;
  const std::size_t plus = rest.find('+');
  if (plus != std::string_view::npos) {
    const auto offset = parse_number(rest.substr(plus + 1));
    if (!offset) complain(fmt::format("'{}': expected a number of bytes after '+'", text));
    place.offset = offset.value_or(0);
    rest = rest.substr(0, plus);
  }
  const std::size_t dot = rest.find('.');
  place.name = rest.substr(0, dot);
  if (!is_name(place.name))
    complain(fmt::format("'{}': expected AREA.PAGE or AREA.FIRST-LAST", text));
  if (dot == std::string_view::npos) return place;
  rest = rest.substr(dot + 1);
  const std::size_t dash = rest.find('-');
  const auto first = parse_number(rest.substr(0, dash));
  const auto last = dash == std::string_view::npos ? first : parse_number(rest.substr(dash + 1));
  if (!first || !last || *first > *last || *last >= (1U << 22)) {
    complain(fmt::format("'{}': expected a page number or FIRST-LAST after '.'", text));
  }
  place.pages = {first.value_or(0), last.value_or(0), false};
  return place;
}

bool TokenReader::assignment(std::string& key, std::string& value) {
  const std::size_t equal = peek().find('=');
  if (!more() || equal == std::string_view::npos || equal == 0 || peek() == "==") return false;
  key = peek().substr(0, equal);
  value = peek().substr(equal + 1);
  ++next_;
  return true;
}

void TokenReader::end() {
  if (!more()) return;
  ++next_;
  complain(fmt::format("unexpected '{}'", tokens_[next_ - 1].text));
}

}  // namespace cowfs::sim
