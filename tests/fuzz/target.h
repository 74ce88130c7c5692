// What a fuzz target is: a function that takes any bytes and neither crashes nor hangs, whatever
// they are.
//
//     COWFS_FUZZ_TARGET(node) { ... input ... }        in tests/fuzz/node_fuzz.cc
//
// With COWFS_SANITIZE=fuzzer each *_fuzz.cc is a program of libFuzzer. Everywhere else all of them
// are in one program, test_fuzz, which feeds each with its seeds (seeds.h) and with what was kept
// of earlier runs (corpus/TARGET), as an ordinary test.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace cowfs::fuzz {

struct Target {
  std::string_view name;
  void (*run)(std::string_view input);
};

/// Those that are linked into this program.
inline std::vector<Target>& targets() {
  static std::vector<Target> all;
  return all;
}

inline bool add_target(Target target) {
  targets().push_back(target);
  return true;
}

/// Takes numbers off an input; zeros where it has ended.
class Source {
 public:
  explicit Source(std::string_view input) : input_(input) {}

  bool done() const { return input_.empty(); }
  std::uint64_t number(std::size_t bytes) {
    std::uint64_t value = 0;
    for (const char byte : take(bytes)) value = value << 8 | static_cast<unsigned char>(byte);
    return value;
  }
  /// One of [0, limit); limit > 0.
  std::uint64_t below(std::uint64_t limit, std::size_t bytes = 2) { return number(bytes) % limit; }
  bool flag() { return (number(1) & 1) != 0; }
  std::string_view take(std::size_t size) {
    const std::string_view taken = input_.substr(0, size);
    input_.remove_prefix(taken.size());
    return taken;
  }

 private:
  std::string_view input_;
};

}  // namespace cowfs::fuzz

#ifdef COWFS_LIBFUZZER
#define COWFS_FUZZ_TARGET(name)                                                       \
  static void name##_fuzz_target(std::string_view input);                             \
  extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) { \
    name##_fuzz_target(std::string_view(reinterpret_cast<const char*>(data), size));  \
    return 0;                                                                         \
  }                                                                                   \
  static void name##_fuzz_target(std::string_view input)
#else
#define COWFS_FUZZ_TARGET(name)                               \
  static void name##_fuzz_target(std::string_view input);     \
  [[maybe_unused]] static const bool name##_is_added =        \
      ::cowfs::fuzz::add_target({#name, name##_fuzz_target}); \
  static void name##_fuzz_target(std::string_view input)
#endif
