// Any bytes as an item of the store's tree or of a volume's tree: refused, or values that encode to
// an item that says the same.
//
// The input's first byte chooses the decoder, the second the length of the key; the rest is key and
// value.
#include <string>

#include "lib/base/check.h"
#include "lib/store/checksum_item.h"
#include "lib/store/extent.h"
#include "lib/store/records.h"
#include "lib/volume/acl.h"
#include "lib/volume/file_data.h"
#include "lib/volume/inode_record.h"
#include "lib/volume/name_item.h"
#include "tests/fuzz/target.h"

namespace cowfs::fuzz {
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

// A list, and all that can be asked of it.
void decode_acl(std::string_view key, std::string_view value) {
  auto list = Acl::decode(value);
  if (!list) return;
  COWFS_CHECK(Acl::decode(list->encode())->entries() == list->entries());
  Source source(key);
  RequestContext caller;
  caller.uid = static_cast<uid_t>(source.number(4));
  caller.gid = static_cast<gid_t>(source.number(4));
  caller.groups = {static_cast<gid_t>(source.number(4))};
  const auto group = static_cast<gid_t>(source.number(4));
  for (mode_t wanted = 0; wanted < 8; ++wanted) (void)list->grants(caller, group, wanted);
  const auto mode = static_cast<mode_t>(source.number(2) & 07777);
  COWFS_CHECK((list->restrict_to(mode) & ~mode) == 0);
  list->set_permissions(mode);
  COWFS_CHECK(list->permissions() == (mode & 0777) && Acl::decode(list->encode()).has_value());
}

void decode_one(unsigned which, std::string_view key, std::string_view value) {
  switch (which % 10) {
    case 0: return round_trip(decode_volume, encode_volume, key, value);
    case 1: return round_trip(without_key(decode_object), encode_object, key, value);
    case 2: return round_trip(decode_block_count, encode_block_count, key, value);
    case 3: return round_trip(decode_pending_free, encode_pending_free, key, value);
    case 4: return round_trip(decode_extent, encode_extent, key, value);
    case 5: return round_trip(without_key(decode_inode), encode_inode, key, value);
    case 6: return round_trip(decode_name, encode_name, key, value);
    case 7: return void(decode_orphan(value));
    case 8: return round_trip(decode_checksums, encode_checksums, key, value);
    default: return decode_acl(key, value);
  }
}

}  // namespace

COWFS_FUZZ_TARGET(record) {
  if (input.size() < 2) return;
  const auto which = static_cast<unsigned char>(input[0]);
  const std::size_t key_size =
      std::min<std::size_t>(static_cast<unsigned char>(input[1]), input.size() - 2);
  decode_one(which, input.substr(2, key_size), input.substr(2 + key_size));
}

}  // namespace cowfs::fuzz
