// Any bytes as an item of the store's tree or of a volume's tree: refused, or values that encode to an item that says the same.
//
// The input's first byte chooses the decoder, the second the length of the key; the rest is key and value.
#include <string>

#include "lib/base/check.h"
#include "lib/store/extent.h"
#include "lib/store/records.h"
#include "lib/volume/file_data.h"
#include "lib/volume/inode_record.h"
#include "lib/volume/name_item.h"

using namespace cowfs;

namespace {

/// `encode(decode(encode(x)))` is `encode(x)` for whatever was decoded.
template <typename Decode, typename Encode>
void round_trip(Decode decode, Encode encode, std::string_view key, std::string_view value) {
  const auto record = decode(key, value);
  if (!record) return;
  const std::string encoded = encode(*record);
  const auto again = decode(key, encoded);
  COWFS_CHECK(bool(again));
  COWFS_CHECK(encode(*again) == encoded);
}

template <typename Decode>
auto without_key(Decode decode) {
  return [decode](std::string_view, std::string_view value) { return decode(value); };
}

void decode_one(unsigned which, std::string_view key, std::string_view value) {
  switch (which % 8) {
    case 0: return round_trip(decode_volume, encode_volume, key, value);
    case 1: return round_trip(without_key(decode_object), encode_object, key, value);
    case 2: return round_trip(decode_block_count, encode_block_count, key, value);
    case 3: return round_trip(decode_pending_free, encode_pending_free, key, value);
    case 4: return round_trip(decode_extent, encode_extent, key, value);
    case 5: return round_trip(without_key(decode_inode), encode_inode, key, value);
    case 6: return round_trip(decode_name, encode_name, key, value);
    default: (void)decode_orphan(value);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  std::string_view input(reinterpret_cast<const char*>(data), size);
  const std::size_t key_size = std::min<std::size_t>(data[1], size - 2);
  decode_one(data[0], input.substr(2, key_size), input.substr(2 + key_size));
  return 0;
}
