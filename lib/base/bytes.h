// Fixed-width integers in byte strings: little-endian for values, big-endian for keys.
//
// The readers take what they read from the front of a span and say whether there was enough:
// nothing is read past an end, whatever the bytes say.
#pragma once

#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>

namespace cowfs {

static_assert(std::endian::native == std::endian::little,
              "cowfs is written for little-endian hosts");

using Bytes = std::span<const std::byte>;
using MutableBytes = std::span<std::byte>;

template <std::unsigned_integral T>
constexpr T byteswap_to_big(T value) {
  if constexpr (sizeof(T) == 1) return value;
  else if constexpr (sizeof(T) == 2) return static_cast<T>(__builtin_bswap16(value));
  else if constexpr (sizeof(T) == 4) return static_cast<T>(__builtin_bswap32(value));
  else return static_cast<T>(__builtin_bswap64(value));
}

template <std::unsigned_integral T>
void store_le(std::byte* to, T value) {
  std::memcpy(to, &value, sizeof value);
}

template <std::unsigned_integral T>
T load_le(const std::byte* from) {
  T value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

/// Builds a value (little-endian) or a key (big-endian) in a std::string.
class ByteWriter {
 public:
  template <std::unsigned_integral T>
  ByteWriter& le(T value) {
    out_.append(reinterpret_cast<const char*>(&value), sizeof value);
    return *this;
  }
  template <std::unsigned_integral T>
  ByteWriter& be(T value) {
    return le(byteswap_to_big(value));
  }
  ByteWriter& bytes(std::string_view text) {
    out_.append(text);
    return *this;
  }
  /// Makes room for `size` bytes in all.
  ByteWriter& reserve(std::size_t size) {
    out_.reserve(size);
    return *this;
  }
  std::string take() { return std::move(out_); }

 private:
  std::string out_;
};

/// Reads a value or a key from the front of a string; `ok()` is false after the first read past the
/// end.
class ByteReader {
 public:
  explicit ByteReader(std::string_view in) : in_(in) {}

  template <std::unsigned_integral T>
  T le() {
    T value{};
    if (in_.size() < sizeof value) {
      ok_ = false;
      in_ = {};
      return T{};
    }
    std::memcpy(&value, in_.data(), sizeof value);
    in_.remove_prefix(sizeof value);
    return value;
  }
  template <std::unsigned_integral T>
  T be() {
    return byteswap_to_big(le<T>());
  }
  std::string_view bytes(std::size_t count) {
    if (in_.size() < count) {
      ok_ = false;
      in_ = {};
      return {};
    }
    std::string_view out = in_.substr(0, count);
    in_.remove_prefix(count);
    return out;
  }
  std::string_view rest() const { return in_; }
  bool ok() const { return ok_; }
  /// True when everything was read and nothing was missing.
  bool done() const { return ok_ && in_.empty(); }

 private:
  std::string_view in_;
  bool ok_ = true;
};

}  // namespace cowfs
