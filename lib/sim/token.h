// Words of the trace language with their places.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lib/base/error.h"
#include "lib/sim/operation.h"

namespace cowfs::sim {

struct Token {
  std::string text;
  std::uint32_t column = 1;
};

/// The statements of a line, each its words: separated by ';', ended by '#', neither inside of
/// quotes.
std::vector<std::vector<Token>> split_line(std::string_view line);

/// Reads the words of one statement one after another; the first mistake is kept, and ends it.
class TokenReader {
 public:
  TokenReader(const std::vector<Token>& tokens, std::uint32_t line)
      : tokens_(tokens), line_(line) {}

  bool more() const { return !error_ && next_ < tokens_.size(); }
  std::string_view peek() const {
    return more() ? std::string_view(tokens_[next_].text) : std::string_view();
  }
  bool accept(std::string_view word);

  /// A word of any kind; `what` is what should stand there.
  std::string word(std::string_view what);
  std::string name(std::string_view what);
  std::uint32_t number(std::string_view what, std::uint32_t least, std::uint32_t most);
  std::string bytes();

  struct Place {
    std::string name;
    PageRange pages;
    std::uint32_t offset = 0;
  };
  /// NAME, NAME.3, NAME.3+17, NAME.3-5.
  Place place();

  /// "key=value"; false where the next word is none.
  bool assignment(std::string& key, std::string& value);

  /// Keeps an error about the last word that was read.
  void complain(std::string_view why);
  void end();  // no words may be left

  const std::optional<Error>& error() const { return error_; }

 private:
  const std::vector<Token>& tokens_;
  std::uint32_t line_;
  std::size_t next_ = 0;
  std::optional<Error> error_;
};

/// 'C', "several", 0x00ff, 255. Nothing where it is none of these.
std::optional<std::string> parse_bytes(std::string_view text);
std::optional<std::uint32_t> parse_number(std::string_view text);
bool is_name(std::string_view text);

}  // namespace cowfs::sim
