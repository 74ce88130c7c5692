// Any bytes as a superblock: an error, or values that encode to a superblock that says the same.
//
// The checksum is set right first, so that what is behind it is tried.
#include <cstring>
#include <string>

#include "lib/base/check.h"
#include "lib/base/xxh3.h"
#include "lib/store/superblock.h"
#include "tests/fuzz/target.h"

namespace cowfs::fuzz {
namespace {

void decode_and_encode(std::string_view bytes) {
  const auto superblock = decode_superblock(bytes);
  if (!superblock) return;
  const std::string encoded = encode_superblock(*superblock);
  const auto again = decode_superblock(encoded);
  COWFS_CHECK(again.has_value());
  COWFS_CHECK(encode_superblock(*again) == encoded);
}

}  // namespace

COWFS_FUZZ_TARGET(superblock) {
  decode_and_encode(input);
  // The fuzzer's bytes behind the magic and the version of a real one, which it would be long in
  // guessing.
  std::string valid = encode_superblock(Superblock{});
  constexpr std::size_t kHeadSize = 12;
  const std::size_t body = valid.size() - kHeadSize - sizeof(std::uint64_t);
  valid.replace(kHeadSize, std::min(input.size(), body), input, 0, std::min(input.size(), body));
  const std::uint64_t sum = XXH3_64bits(valid.data(), valid.size() - sizeof sum);
  std::memcpy(valid.data() + valid.size() - sizeof sum, &sum, sizeof sum);
  decode_and_encode(valid);
}

}  // namespace cowfs::fuzz
