// Byte strings for storage tests.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "lib/storage/storage.h"

namespace cowfs {

inline Bytes as_bytes(std::string_view text) {
  return {reinterpret_cast<const std::byte*>(text.data()), text.size()};
}

/// Reads `length` bytes as text; what went wrong, in angle brackets, when the read fails.
inline std::string read_text(Storage& storage, ArrayName name, std::uint64_t offset,
                             std::size_t length) {
  std::string text(length, '?');
  const MutableBytes out(reinterpret_cast<std::byte*>(text.data()), text.size());
  const Result<void> result = storage.read(name, offset, out);
  return result ? text : "<" + result.error().text + ">";
}

inline std::string zeros(std::size_t length) { return std::string(length, '\0'); }

inline constexpr ArrayName object_name(std::uint64_t number) {
  return {ArrayKind::kObject, number};
}
/// An object that tests work on.
inline constexpr ArrayName kArray = object_name(0x1ff);
inline constexpr ArrayName nodes_name(std::uint64_t number) { return {ArrayKind::kNodes, number}; }

}  // namespace cowfs
