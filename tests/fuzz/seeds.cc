#include "tests/fuzz/seeds.h"

#include <cstring>

#include "lib/base/check.h"
#include "lib/journal/record.h"
#include "lib/store/key.h"
#include "lib/store/superblock.h"
#include "lib/tree/node.h"
#include "tests/fuzz/sample_store.h"
#include "tests/volume/acl_support.h"

namespace cowfs::fuzz {
namespace {

constexpr std::uint64_t kSeedNodes = 96;  // of the first segment
constexpr std::size_t kMostOfAKind = 3;

std::string read(const ArraySet& store, ArrayName name, std::uint64_t at, std::size_t size) {
  const auto found = store.find(name);
  COWFS_CHECK(found != store.end());
  std::string bytes(size, '\0');
  found->second->read(at, std::as_writable_bytes(std::span(bytes)));
  return bytes;
}

char byte(std::size_t value) { return static_cast<char>(value); }

/// The number of a kind's decoder in record_fuzz.cc.
int decoder_of(KeyKind kind) {
  switch (kind) {
    case KeyKind::kVolume: return 0;
    case KeyKind::kObject: return 1;
    case KeyKind::kBlockCount: return 2;
    case KeyKind::kPendingFree: return 3;
    case KeyKind::kExtent: return 4;
    case KeyKind::kInode: return 5;
    case KeyKind::kName: return 6;
    case KeyKind::kOrphan: return 7;
    case KeyKind::kBlockChecksum: return 8;
    default: return -1;
  }
}

void add_items(const Node& node, std::vector<std::size_t>& counts, std::vector<Seed>& seeds) {
  for (std::size_t slot = 0; slot < node.count(); ++slot) {
    const std::string_view key = node.key(slot);
    const int decoder = decoder_of(kind_of(key));
    if (decoder < 0 || ++counts[static_cast<std::size_t>(decoder)] > kMostOfAKind) continue;
    seeds.push_back(
        {"record", std::string{byte(static_cast<std::size_t>(decoder)), byte(key.size())} +
                       std::string(key) + std::string(node.value(slot))});
  }
}

void add_nodes(std::vector<Seed>& seeds) {
  std::vector<std::size_t> counts(16);
  std::size_t leaves = 0;
  for (std::uint64_t number = 1; number < kSeedNodes; ++number) {
    const std::string page =
        read(closed_store(), {ArrayKind::kNodes, 0}, number * kNodeSize, kNodeSize);
    Node node;
    std::memcpy(node.mutable_page().data(), page.data(), page.size());
    if (!node.validate(node.pointer())) continue;
    if (node.is_leaf()) add_items(node, counts, seeds);
    if (!node.is_leaf() || ++leaves <= kMostOfAKind) seeds.push_back({"node", page});
  }
  seeds.push_back({"record", std::string{byte(9), byte(12)} + "callergroups" +
                                 acl_bytes("u::rwx,u:61001:rw-,g::r-x,g:5:r--,m::rwx,o::r--")});
}

void add_journal(std::vector<Seed>& seeds) {
  std::vector<std::size_t> counts(8);
  for (const auto& [name, array] : killed_store()) {
    if (name.kind != ArrayKind::kJournal) continue;
    const std::string bytes =
        read(killed_store(), name, 0, std::min<std::uint64_t>(array->size(), 1 << 16));
    seeds.push_back({"journal", bytes.substr(0, kSegmentHeadSize)});
    for (std::size_t at = kSegmentHeadSize; at + kRecordHeadSize < bytes.size();) {
      ByteReader head(std::string_view(bytes).substr(at + 12));
      const auto length = head.le<std::uint32_t>();
      const auto type = head.le<std::uint16_t>();
      if (length < kRecordHeadSize || length > bytes.size() - at) break;
      if (type < counts.size() && ++counts[type] <= kMostOfAKind) {
        seeds.push_back({"journal", bytes.substr(at, length)});
        seeds.push_back({"journal", bytes.substr(at + kRecordHeadSize, length - kRecordHeadSize)});
      }
      at += length;
    }
  }
}

/// Inputs of the targets that use a whole store: nothing changed, and each kind of change.
void add_damages(std::vector<Seed>& seeds) {
  for (std::size_t flags = 0; flags < 32; ++flags) {
    seeds.push_back({"store", {byte(flags)}});
    seeds.push_back({"fsck", {byte(flags)}});
  }
  for (std::size_t flags = 0; flags < 8; ++flags) seeds.push_back({"volume", {byte(flags)}});
  for (std::size_t what = 0; what < 8; ++what) {
    for (std::size_t at = 1; at < 200; at += 40) {
      const std::string arguments{byte(what), 0, byte(at), 0, byte(at / 2), 2, byte(at), 1};
      for (const std::size_t flags : {std::size_t{0}, std::size_t{1}}) {
        seeds.push_back({"store", byte(flags) + arguments});
        seeds.push_back({"fsck", byte(flags) + arguments});
        seeds.push_back({"volume", byte(flags) + arguments});
      }
    }
  }
}

void add_requests(std::vector<Seed>& seeds) {
  const std::string offer{byte(10), 0, 1, 5};
  for (std::size_t number = 1; number < 16; ++number) {
    for (std::size_t uid = 0; uid < 2; ++uid) {
      for (std::size_t node = 0; node < 6; ++node) {
        const std::string ask{byte(number), byte(uid), 1, byte(node)};
        seeds.push_back(
            {"ioctl", offer + std::string{0, 8} + std::string(8, '\0') + ask +
                          std::string{byte(number == 11), 0, 79, 1, 0, 0, 0, 0, 0, 0, 0} +
                          std::string(79, 'n')});
      }
    }
  }
}

}  // namespace

std::vector<Seed> make_seeds() {
  std::vector<Seed> seeds;
  add_nodes(seeds);
  for (const std::uint64_t slot : {std::uint64_t{0}, std::uint64_t{1}}) {
    seeds.push_back({"superblock", read(closed_store(), {ArrayKind::kSuperblock, 0}, slot * 4096,
                                        kSuperblockSize)});
    seeds.push_back({"superblock", seeds.back().input.substr(12)});
  }
  add_journal(seeds);
  add_damages(seeds);
  add_requests(seeds);
  return seeds;
}

}  // namespace cowfs::fuzz
