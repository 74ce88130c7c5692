// docs/format.md and the code say the same: each table of the document is read, its rows must
// follow each other without a gap, and a record encoded with a different value in every field must
// have each value where the document puts it.
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "lib/store/checksum_item.h"
#include "lib/store/records.h"
#include "lib/store/superblock.h"
#include "lib/tree/node.h"
#include "lib/volume/file_data.h"
#include "lib/volume/inode_record.h"
#include "lib/volume/name_item.h"
#include "lib/volume/orphans.h"
#include "lib/volume/own_object.h"

namespace cowfs {
namespace {

struct Field {
  std::size_t offset = 0;
  std::size_t size = 0;  // 0: the rest
};

struct Layout {
  std::map<std::string, Field> fields;
  std::size_t end = 0;  // of the last row with a size
  bool gapless = true;
};

std::vector<std::string> cells_of(const std::string& line) {
  std::vector<std::string> cells;
  std::istringstream in(line);
  for (std::string cell; std::getline(in, cell, '|');) {
    const auto first = cell.find_first_not_of(' ');
    cells.push_back(
        first == cell.npos ? "" : cell.substr(first, cell.find_last_not_of(' ') - first + 1));
  }
  return cells;
}

std::optional<std::size_t> number_in(const std::string& cell) {
  if (cell.empty() || cell.find_first_not_of("0123456789") != cell.npos) return std::nullopt;
  return std::stoul(cell);
}

/// The first table of offsets below the heading that begins with these words.
Layout layout_of(const std::string& heading) {
  const char* root = std::getenv("COWFS_SRC_DIR");
  std::ifstream in(std::string(root == nullptr ? "." : root) + "/docs/format.md");
  Layout layout;
  bool found = false;
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with('#')) {
      if (!layout.fields.empty()) break;
      found = line.find(heading) != line.npos;
    }
    if (!found || !line.starts_with("| ")) continue;
    const auto cells = cells_of(line);
    const auto offset = cells.size() > 3 ? number_in(cells[1]) : std::nullopt;
    if (!offset) continue;
    layout.gapless = layout.gapless && *offset == layout.end;
    const std::size_t size = number_in(cells[2]).value_or(0);
    layout.fields[cells[3]] = {*offset, size};
    layout.end = *offset + size;
  }
  EXPECT_FALSE(layout.fields.empty()) << "no table below '" << heading << "'";
  EXPECT_TRUE(layout.gapless) << "a gap in the table below '" << heading << "'";
  return layout;
}

void expect_field(const Layout& layout, std::string_view bytes, const std::string& name,
                  std::uint64_t value) {
  const auto found = layout.fields.find(name);
  ASSERT_NE(found, layout.fields.end()) << "no field '" << name << "'";
  const auto [offset, size] = found->second;
  ASSERT_LE(size, sizeof value);
  ASSERT_LE(offset + size, bytes.size()) << name;
  std::uint64_t seen = 0;
  std::memcpy(&seen, bytes.data() + offset, size);
  EXPECT_EQ(seen, value) << name;
}

std::string bytes_at(const Layout& layout, std::string_view bytes, const std::string& name) {
  const Field field = layout.fields.at(name);
  return std::string(field.size == 0 ? bytes.substr(field.offset)
                                     : bytes.substr(field.offset, field.size));
}

std::string numbers(std::string_view key) {
  std::string out;
  for (const char byte : key)
    out += "0123456789abcdef"[(byte >> 4) & 15], out += "0123456789abcdef"[byte & 15];
  return out;
}

constexpr const char* kStorePrefix = "0000000000000000";

Superblock distinct_superblock() {
  Superblock s;
  s.compatible = 0x101;
  s.read_only_compatible = 0x202;
  s.incompatible = 0x303;
  for (std::size_t i = 0; i < s.store_id.size(); ++i)
    s.store_id[i] = static_cast<std::uint8_t>('a' + i);
  s.name_seed = 0x404;
  s.created = {0x505, 0x606};
  s.next_volume = 0x707;
  s.checkpoint = 0x808;
  s.generation = Generation{0x909};
  s.root = {NodeId{0xa0a}, Generation{0xb0b}};
  s.node_segments = 0xc0c;
  s.next_object = 0xd0d;
  s.object_limit = 0xe0e;
  s.next_inode = 0xf1f;
  s.inode_limit = 0xf0f;
  s.live_blocks = 0x1010;
  s.clean = true;
  s.open_packs = {0x11, 0x12, 0x13, 0x14};
  s.journal = {.segment = 0x15, .offset = 0x1616, .sequence = 0x1717};
  return s;
}

TEST(FormatDocument, PutsTheFieldsOfASuperblockWhereTheyAre) {
  const Layout layout = layout_of("Superblock");
  const Superblock s = distinct_superblock();
  const std::string bytes = encode_superblock(s);
  EXPECT_EQ(layout.end, bytes.size());
  EXPECT_EQ(bytes.size(), kSuperblockSize);
  EXPECT_EQ(bytes_at(layout, bytes, "magic"), "\x63\x6f\x77\x66\x73\x0d\x0a\x1a");
  EXPECT_EQ(bytes_at(layout, bytes, "store id"), "abcdefghijklmnop");
  const std::map<std::string, std::uint64_t> expected{{"version", 1},
                                                      {"block size", 4096},
                                                      {"node size", 4096},
                                                      {"clean", 1},
                                                      {"compatible features", 0x101},
                                                      {"read-only compatible features", 0x202},
                                                      {"incompatible features", 0x303},
                                                      {"name seed", 0x404},
                                                      {"created, seconds", 0x505},
                                                      {"created, nanoseconds", 0x606},
                                                      {"next volume", 0x707},
                                                      {"checkpoint", 0x808},
                                                      {"generation", 0x909},
                                                      {"root, node id", 0xa0a},
                                                      {"root, generation", 0xb0b},
                                                      {"node segments", 0xc0c},
                                                      {"next object", 0xd0d},
                                                      {"object limit", 0xe0e},
                                                      {"next inode", 0xf1f},
                                                      {"inode limit", 0xf0f},
                                                      {"live blocks", 0x1010},
                                                      {"journal segment", 0x15},
                                                      {"journal offset", 0x1616},
                                                      {"journal sequence", 0x1717}};
  for (const auto& [name, value] : expected) expect_field(layout, bytes, name, value);
  EXPECT_EQ(numbers(bytes_at(layout, bytes, "open packs")),
            "1100000000000000120000000000000013000000000000001400000000000000");
  EXPECT_EQ(bytes_at(layout, bytes, "zero"), std::string(280, '\0'));
}

TEST(FormatDocument, PutsTheFieldsOfAJournalSegmentsHeadWhereTheyAre) {
  const Layout layout = layout_of("Segment heads");
  StoreId store{};
  store.fill('s');
  const std::string bytes = encode_segment_head(
      store,
      {.first = 0x202, .previous = 0x101, .session = 0x303, .size = 0x40000, .durable = 0x404});
  EXPECT_EQ(layout.end, bytes.size());
  EXPECT_EQ(bytes_at(layout, bytes, "magic"), "cowfsjnl");
  EXPECT_EQ(bytes_at(layout, bytes, "store id"), std::string(16, 's'));
  const std::map<std::string, std::uint64_t> expected{
      {"version", 1},     {"zero", 0},       {"first", 0x202},  {"previous", 0x101},
      {"session", 0x303}, {"size", 0x40000}, {"durable", 0x404}};
  for (const auto& [name, value] : expected) expect_field(layout, bytes, name, value);
}

TEST(FormatDocument, PutsTheFieldsOfAJournalRecordWhereTheyAre) {
  const Layout layout = layout_of("Journal records");
  StoreId store{};
  store.fill('s');
  const std::string bytes = encode_record(store, {.type = RecordType::kObject,
                                                  .sequence = 0x202,
                                                  .durable = 0x101,
                                                  .generation = Generation{0x303},
                                                  .request_id = 0x404,
                                                  .body = "body"});
  EXPECT_EQ(layout.end, kRecordHeadSize);
  EXPECT_EQ(bytes_at(layout, bytes, "magic"), "COWJ");
  EXPECT_EQ(bytes_at(layout, bytes, "store id"), std::string(16, 's'));
  EXPECT_EQ(bytes_at(layout, bytes, "body"), std::string("body\0\0\0\0", 8));
  const std::map<std::string, std::uint64_t> expected{
      {"length", 80},      {"type", 3},        {"zero", 0},           {"body size", 4},
      {"sequence", 0x202}, {"durable", 0x101}, {"generation", 0x303}, {"request id", 0x404}};
  for (const auto& [name, value] : expected) expect_field(layout, bytes, name, value);
}

TEST(FormatDocument, PutsTheFieldsOfANodeWhereTheyAre) {
  const Layout layout = layout_of("Nodes");
  Node node(NodeId{0x1234}, Generation{0x5678}, 0);
  node.insert(0, "key", "value");
  node.insert(1, "other", "gone");
  node.erase(1);
  node.seal();
  const std::string_view bytes(reinterpret_cast<const char*>(node.page().data()), kNodeSize);
  const std::size_t gone = 4 + 9;
  const std::size_t heap = kNodeSize - (4 + 8) - gone;
  EXPECT_EQ(bytes_at(layout, bytes, "magic"), "COWN");
  const std::map<std::string, std::uint64_t> expected{
      {"level", 0},           {"flags", 0},         {"count", 1},        {"node id", 0x1234},
      {"generation", 0x5678}, {"heap start", heap}, {"dead bytes", gone}};
  for (const auto& [name, value] : expected) expect_field(layout, bytes, name, value);
  const std::size_t cell =
      load_le<std::uint16_t>(node.page().data() + layout.fields.at("slots").offset);
  EXPECT_EQ(bytes.substr(cell, 4 + 8), std::string_view("\x03\x00\x05\x00keyvalue", 12));
}

TEST(FormatDocument, PutsTheFieldsOfAnInodeWhereTheyAre) {
  const Layout layout = layout_of("Inode (kind 1)");
  InodeRecord record;
  record.mode = 0100644;
  record.link_count = 2;
  record.uid = 3;
  record.gid = 4;
  record.size = 5;
  record.blocks = 6;
  record.device = 7;
  record.flags = 8;
  record.project = 9;
  record.access_time = {10, 11};
  record.modify_time = {12, 13};
  record.change_time = {14, 15};
  record.birth_time = {16, 17};
  const std::string bytes = encode_inode(record);
  EXPECT_EQ(layout.end, bytes.size());
  const std::map<std::string, std::uint64_t> expected{{"mode", 0100644},
                                                      {"link count", 2},
                                                      {"uid", 3},
                                                      {"gid", 4},
                                                      {"size", 5},
                                                      {"blocks", 6},
                                                      {"device", 7},
                                                      {"flags", 8},
                                                      {"project", 9},
                                                      {"access time, seconds", 10},
                                                      {"access time, nanoseconds", 11},
                                                      {"modify time, seconds", 12},
                                                      {"modify time, nanoseconds", 13},
                                                      {"change time, seconds", 14},
                                                      {"change time, nanoseconds", 15},
                                                      {"birth time, seconds", 16},
                                                      {"birth time, nanoseconds", 17}};
  EXPECT_EQ(expected.size(), layout.fields.size());
  for (const auto& [name, value] : expected) expect_field(layout, bytes, name, value);
  EXPECT_EQ(numbers(inode_key(InodeNumber{0x2a})), "000000000000002a01");
}

TEST(FormatDocument, PutsTheFieldsOfANameWhereTheyAre) {
  const Layout layout = layout_of("Name (kind 2)");
  const std::string bytes = encode_name(
      {.cookie = 0x10203, .child = InodeNumber{0x42}, .type = 0040000, .name = "entry"});
  expect_field(layout, bytes, "child", 0x42);
  expect_field(layout, bytes, "type", 4);
  EXPECT_EQ(bytes_at(layout, bytes, "name"), "entry");
  EXPECT_EQ(numbers(name_key(InodeNumber{2}, 0x10203)), "0000000000000002020000000000010203");
}

TEST(FormatDocument, PutsTheFieldsOfAnExtentWhereTheyAre) {
  const Layout layout = layout_of("Extent (kind 6)");
  const std::string bytes =
      encode_extent({7, {ObjectNumber{0x101}, 0x202, 0x303}, Generation{0x404}});
  EXPECT_EQ(layout.end, bytes.size());
  expect_field(layout, bytes, "object", 0x101);
  expect_field(layout, bytes, "first block", 0x202);
  expect_field(layout, bytes, "count", 0x303);
  expect_field(layout, bytes, "encoding", 0);
  expect_field(layout, bytes, "birth", 0x404);
  EXPECT_EQ(numbers(extent_key(InodeNumber{0x11}, 7)), "0000000000000011060000000000000007");
}

TEST(FormatDocument, PutsTheKeysOfOwnObjectsAndOrphansWhereTheyAre) {
  EXPECT_EQ(layout_of("Own object (kind 7)").end, 16u);
  EXPECT_EQ(numbers(own_object_key(InodeNumber{0x11}, 3)), "00000000000000110700000003");
  EXPECT_EQ(numbers(orphan_key(InodeNumber{0x11})), "0000000000000001090000000000000011");
  const Layout layout = layout_of("Orphan (kind 9)");
  const std::string bytes = encode_truncated_orphan(0x1234);
  EXPECT_EQ(layout.end, bytes.size());
  expect_field(layout, bytes, "state", 1);
  expect_field(layout, bytes, "size", 0x1234);
}

TEST(FormatDocument, PutsTheFieldsOfAVolumeWhereTheyAre) {
  const Layout layout = layout_of("Volume (kind 32)");
  VolumeRecord record;
  record.id = VolumeId{0x21};
  record.parent = VolumeId{0x22};
  record.root = {{NodeId{0x101}, Generation{0x202}}, Generation{0x303}};
  record.read_only = true;
  record.has_orphans = true;
  record.created = {0x404, 0x505};
  record.name = "monday";
  const std::string bytes = encode_volume(record);
  const std::map<std::string, std::uint64_t> expected{{"root, node id", 0x101},
                                                      {"root, generation", 0x202},
                                                      {"shared at", 0x303},
                                                      {"parent", 0x22},
                                                      {"flags", 3},
                                                      {"created, seconds", 0x404},
                                                      {"created, nanoseconds", 0x505}};
  for (const auto& [name, value] : expected) expect_field(layout, bytes, name, value);
  EXPECT_EQ(bytes_at(layout, bytes, "name"), "monday");
  record.has_orphans = false;
  expect_field(layout, encode_volume(record), "flags", 1);
  EXPECT_EQ(numbers(volume_key(record.id)), kStorePrefix + std::string("2000000021"));
}

TEST(FormatDocument, PutsTheFieldsOfAnObjectWhereTheyAre) {
  const Layout layout = layout_of("Object (kind 34)");
  const ObjectRecord record{.kind = ObjectKind::kOwn,
                            .sealed = true,
                            .window = 0x101,
                            .end_blocks = 0x303,
                            .live_blocks = 0x202,
                            .birth = Generation{0x404},
                            .volume = VolumeId{0x505},
                            .inode = InodeNumber{0x606}};
  const std::string bytes = encode_object(record);
  EXPECT_EQ(layout.end, bytes.size());
  const std::map<std::string, std::uint64_t> expected{
      {"kind", 1},      {"flags", 1},         {"encoding", 0},  {"window", 0x101},
      {"end", 0x303},   {"live", 0x202},      {"birth", 0x404}, {"volume", 0x505},
      {"inode", 0x606}, {"encryption key", 0}};
  for (const auto& [name, value] : expected) expect_field(layout, bytes, name, value);
  EXPECT_EQ(numbers(object_key(ObjectNumber{0x31})),
            kStorePrefix + std::string("220000000000000031"));
}

TEST(FormatDocument, PutsChecksumsWhereTheyAre) {
  const Layout layout = layout_of("Block checksum (kind 40)");
  ASSERT_EQ(layout.fields.size(), 1u);
  ChecksumItem item{ObjectNumber{5}, 128, {}};
  item.checksums[0] = 0x01020304;
  item.checksums[2] = 0x0a0b0c0d;
  EXPECT_EQ(encode_checksums(item), std::string("\x04\x03\x02\x01\0\0\0\0\x0d\x0c\x0b\x0a", 12));
}

TEST(FormatDocument, PutsTheFieldsOfCountsAndPendingFreesWhereTheyAre) {
  const Layout run = layout_of("Block count (kind 35)");
  const std::string run_bytes = encode_block_count({{ObjectNumber{1}, 2, 0x303}, 4});
  EXPECT_EQ(run.end, run_bytes.size());
  expect_field(run, run_bytes, "count", 0x303);
  expect_field(run, run_bytes, "references", 4);
  EXPECT_EQ(numbers(block_count_key(ObjectNumber{1}, 2)),
            kStorePrefix + std::string("2300000000000000010000000000000002"));
  const Layout pending = layout_of("Pending free (kind 38)");
  const PendingFree item{5, {ObjectNumber{6}, 7, 0x808}};
  EXPECT_EQ(pending.end, encode_pending_free(item).size());
  expect_field(pending, encode_pending_free(item), "count", 0x808);
  EXPECT_EQ(numbers(pending_free_key(item)),
            kStorePrefix + std::string("26000000000000000500000000000000060000000000000007"));
  EXPECT_EQ(numbers(dropped_node_key(3, NodeId{9})),
            kStorePrefix + std::string("27030000000000000009"));
}

}  // namespace
}  // namespace cowfs
