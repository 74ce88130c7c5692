// Checksums of data blocks: damage is an error, sharing shares them, crashes are no damage.
#include <gtest/gtest.h>

#include "lib/store/block_checksums.h"
#include "lib/store/log_entry.h"
#include "tests/support/result_matchers.h"
#include "tests/volume/data_fixture.h"

namespace cowfs {
namespace {

std::vector<ChecksumItem> stored(const Store& store) {
  std::vector<ChecksumItem> items;
  EXPECT_THAT(store.visit_checksums([&](const ChecksumItem& item) {
    items.push_back(item);
    return true;
  }),
              IsOk());
  return items;
}

class ChecksumTest : public DataTest {
 protected:
  /// Flips one bit of a block, behind the store's back.
  void damage(const BlockRange& place, std::size_t at = 100) {
    const ArrayName array{ArrayKind::kObject, raw(place.object)};
    std::byte byte{};
    const std::uint64_t offset = place.first * kBlockSize + at;
    ASSERT_THAT(storage().read(array, offset, {&byte, 1}), IsOk());
    byte ^= std::byte{1};
    ASSERT_THAT(storage().write(array, offset, {&byte, 1}), IsOk());
  }
  Result<std::size_t> try_read(Volume& from, InodeNumber inode, std::uint64_t offset,
                               std::size_t size) {
    std::string bytes(size, '?');
    return from.read(inode, offset, std::as_writable_bytes(std::span(bytes)));
  }
  ErrorCode read_error(InodeNumber inode, std::uint64_t offset, std::size_t size) {
    const auto count = try_read(main(), inode, offset, size);
    return count ? ErrorCode::kExists : count.error().code;
  }
  std::uint32_t checksum_of(const BlockRange& place) {
    for (const ChecksumItem& item : stored(store())) {
      if (item.object == place.object && item.first <= place.first &&
          place.first < item.first + kChecksumsInItem) {
        return item.checksums[place.first - item.first];
      }
    }
    return kNoChecksum;
  }
};

TEST_F(ChecksumTest, ADamagedBlockIsAnErrorAndTheOthersAreReadable) {
  const InodeNumber file = make_file("file");
  const std::string bytes = pattern(10 * kBlock);
  write(file, 0, bytes);
  damage(place_of(file, 4));
  EXPECT_EQ(read_error(file, 4 * kBlock, kBlock), ErrorCode::kCorrupted);
  EXPECT_EQ(read_error(file, 4 * kBlock + 200, 10), ErrorCode::kCorrupted)
      << "a part of the block that was not hit";
  EXPECT_EQ(read_error(file, 0, 10 * kBlock), ErrorCode::kCorrupted);
  EXPECT_EQ(read(file, 0, 4 * kBlock), bytes.substr(0, 4 * kBlock));
  EXPECT_EQ(read(file, 5 * kBlock, 5 * kBlock), bytes.substr(5 * kBlock));
}

TEST_F(ChecksumTest, DamageIsNamedByVolumePathAndOffset) {
  const InodeNumber file = make_file("file", make_directory("folder"));
  write(file, 0, pattern(10 * kBlock));
  damage(place_of(file, 4));
  const auto failed = try_read(main(), file, 0, 10 * kBlock);
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().text.substr(0, 32), "main:/folder/file: offset 16384:");
}

TEST_F(ChecksumTest, DamageIsFoundAfterACheckpointACloseAndAKill) {
  const InodeNumber file = make_file("file");
  write(file, 0, pattern(300 * kBlock));
  ASSERT_THAT(store().checkpoint(), IsOk());
  damage(place_of(file, 7));
  EXPECT_EQ(read_error(file, 7 * kBlock, kBlock), ErrorCode::kCorrupted);
  reopen();
  damage(place_of(file, 200));
  EXPECT_EQ(read_error(file, 7 * kBlock, kBlock), ErrorCode::kCorrupted);
  EXPECT_EQ(read_error(file, 200 * kBlock, kBlock), ErrorCode::kCorrupted);
  kill_and_reopen();
  EXPECT_EQ(read_error(file, 7 * kBlock, kBlock), ErrorCode::kCorrupted);
}

TEST_F(ChecksumTest, ANewBlockOfTheJournalIsVerifiedAfterAKill) {
  const InodeNumber file = make_file("file");
  write(file, 0, pattern(3 * kBlock));
  damage(place_of(file, 1));
  kill_and_reopen();
  EXPECT_EQ(read_error(file, kBlock, kBlock), ErrorCode::kCorrupted);
  EXPECT_EQ(read(file, 0, kBlock), pattern(3 * kBlock).substr(0, kBlock));
}

TEST_F(ChecksumTest, WhatSharesABlockSharesItsChecksum) {
  const InodeNumber file = make_file("file");
  write(file, 0, pattern(2 * kBlock));
  const InodeNumber copy = make_file("copy");
  ASSERT_THAT(clone(file, 0, copy, 0, 2 * kBlock), IsOk());
  const VolumeInfo snapshot = fork("snapshot", VolumeKind::kSnapshot);
  damage(place_of(file, 1));
  EXPECT_EQ(read_error(copy, kBlock, kBlock), ErrorCode::kCorrupted);
  EXPECT_FALSE(try_read(volume(snapshot.id), file, kBlock, kBlock));
  EXPECT_TRUE(try_read(volume(snapshot.id), file, 0, kBlock));
}

TEST_F(ChecksumTest, DamageIsNotCopiedAsGood) {
  const InodeNumber file = make_file("file");
  write(file, 0, pattern(2 * kBlock));
  ASSERT_THAT(store().checkpoint(), IsOk());
  fork("fork");
  damage(place_of(file, 0));
  // A part of a shared block brings the rest of it along.
  EXPECT_FALSE(try_write(main(), file, 10, "ten"));
  EXPECT_EQ(read_error(file, 0, kBlock), ErrorCode::kCorrupted);
  write(file, 0, pattern(kBlock, 9));
  EXPECT_EQ(read(file, 0, kBlock), pattern(kBlock, 9))
      << "a block that is written anew is whole again";
}

TEST_F(ChecksumTest, OverwritingInPlaceIsNoDamage) {
  const InodeNumber file = make_file("file");
  write(file, 0, pattern(4 * kBlock));
  ASSERT_THAT(store().checkpoint(), IsOk());
  const BlockRange before = place_of(file, 2);
  std::string bytes = pattern(4 * kBlock);
  for (unsigned round = 0; round < 4; ++round) {
    write(file, 2 * kBlock + 100, "round" + std::to_string(round));
    bytes.replace(2 * kBlock + 100, 6, "round" + std::to_string(round));
    expect_file(file, bytes);
    if (round == 1) {
      ASSERT_THAT(store().checkpoint(), IsOk());
    }
    if (round == 2) kill_and_reopen();
  }
  EXPECT_EQ(place_of(file, 2), before) << "it stayed where it was";
  reopen();
  expect_file(file, bytes);
  damage(place_of(file, 2));
  EXPECT_EQ(read_error(file, 2 * kBlock, kBlock), ErrorCode::kCorrupted);
}

TEST_F(ChecksumTest, ManyRangesOverwrittenGoInPlaceWhileRecoveryCanReadThem) {
  const InodeNumber file = make_file("file");
  const std::uint64_t size = 80 * kMegabyte;
  ASSERT_THAT(allocate(file, AllocateMode::kAllocate, 0, size), IsOk());
  ASSERT_THAT(store().checkpoint(), IsOk());
  storage().start_recording();
  for (std::uint64_t at = 0; at < size; at += kMegabyte) write(file, at, pattern(kBlock, 5));
  std::size_t syncs = 0;
  for (std::size_t i = 0; i < storage().call_count(); ++i) {
    const StorageCall call = storage().call(i);
    if (call.kind == StorageCallKind::kSync && call.name.kind == ArrayKind::kJournal) ++syncs;
  }
  storage().stop_recording();
  EXPECT_GE(syncs, 1u) << "a declaration is durable before old bytes go";
  EXPECT_LE(syncs, 6u) << "80 ranges are not 80 syncs";
  EXPECT_EQ(extents_of(file).size(), 1u) << "and all of it is in place";
}

TEST_F(ChecksumTest, ANewBlockIsRewrittenWithoutASync) {
  const InodeNumber file = make_file("file");
  storage().start_recording();
  for (int i = 0; i < 20; ++i)
    write(file, static_cast<std::uint64_t>(i) * 100, std::string(100, 'x'));
  for (std::size_t i = 0; i < storage().call_count(); ++i)
    EXPECT_NE(storage().call(i).kind, StorageCallKind::kSync);
  storage().stop_recording();
  EXPECT_EQ(extents_of(file).size(), 1u);
}

TEST_F(ChecksumTest, FreedBlocksLoseTheirChecksums) {
  const InodeNumber file = make_file("file");
  const InodeNumber stays = make_file("stays");
  write(file, 0, pattern(400 * kBlock));
  write(stays, 0, pattern(kBlock));
  ASSERT_THAT(store().checkpoint(), IsOk());
  const BlockRange place = place_of(file, 300);
  const std::string bytes = pattern(400 * kBlock);
  EXPECT_EQ(checksum_of(place),
            block_checksum(std::as_bytes(std::span(bytes)).subspan(300 * kBlock, kBlock)));
  ASSERT_THAT(truncate(file, 0), IsOk());
  ASSERT_THAT(store().reclaim_now(), IsOk());
  EXPECT_EQ(checksum_of(place), kNoChecksum);
  EXPECT_NE(checksum_of(place_of(stays, 0)), kNoChecksum);
  ASSERT_THAT(main().unlink(owner(), kRootInode, "file"), IsOk());
  ASSERT_THAT(main().unlink(owner(), kRootInode, "stays"), IsOk());
  ASSERT_THAT(store().reclaim_now(), IsOk());
  EXPECT_TRUE(stored(store()).empty());
}

TEST_F(ChecksumTest, AReadOnlyStoreThatWasKilledShowsWhatWasBeingOverwritten) {
  const InodeNumber file = make_file("file");
  write(file, 0, pattern(2 * kBlock));
  ASSERT_THAT(store().checkpoint(), IsOk());
  write(file, 0, pattern(kBlock, 3));
  auto image = std::make_unique<MemoryStorage>(storage_options(), storage().content());
  StoreOptions options = quiet_store_options();
  options.read_only = true;
  auto opened = FileSystem::open(std::move(image), options);
  ASSERT_THAT(opened, IsOk());
  EXPECT_EQ((*opened)->store().counters().recomputed_checksums, 1u);
  const auto volume = (*opened)->volume(kMainVolume);
  EXPECT_EQ(read_in(**volume, file, 0, kBlock), pattern(kBlock, 3));
}

// Half of a block is there when the process dies.
TEST_F(ChecksumTest, AnOverwriteThatWasCutShortIsNoDamage) {
  const InodeNumber file = make_file("file");
  write(file, 0, pattern(2 * kBlock));
  ASSERT_THAT(store().checkpoint(), IsOk());
  write(file, kBlock, pattern(kBlock, 2));  // declares the range
  const BlockRange place = place_of(file, 0);
  const std::string half = pattern(kBlock / 2, 3);
  ASSERT_THAT(storage().write({ArrayKind::kObject, raw(place.object)}, place.first * kBlock,
                              std::as_bytes(std::span(half))),
              IsOk());
  kill_and_reopen();
  EXPECT_EQ(read(file, 0, kBlock / 2), half);
}

TEST_F(ChecksumTest, ABlockWhoseWritingFailedIsReadAsItIs) {
  const InodeNumber file = make_file("file");
  write(file, 0, pattern(2 * kBlock));
  ASSERT_THAT(store().checkpoint(), IsOk());
  const BlockRange place = place_of(file, 1);
  {
    const Operation operation(store());
    OverwriteGuard guard(store());
    ASSERT_THAT(guard.add(place), HoldsValue(true));
    guard.writing();
    const std::string half = pattern(kBlock / 2, 3);
    ASSERT_THAT(storage().write({ArrayKind::kObject, raw(place.object)}, place.first * kBlock,
                                std::as_bytes(std::span(half))),
                IsOk());
  }
  EXPECT_EQ(read(file, kBlock, kBlock / 2), pattern(kBlock / 2, 3));
  reopen();
  EXPECT_EQ(read(file, kBlock, kBlock / 2), pattern(kBlock / 2, 3));
}

TEST(ChecksumsOff, NothingIsKeptAndNothingIsVerified) {
  auto storage = std::make_unique<MemoryStorage>();
  FormatOptions format;
  format.data_checksums = false;
  const RequestContext owner{.request_id = 1, .uid = 0, .gid = 0, .groups = {}, .umask = 0};
  ASSERT_THAT(FileSystem::format(*storage, owner, 0755, format), IsOk());
  MemoryStorage& memory = *storage;
  auto opened = FileSystem::open(std::move(storage), quiet_store_options());
  ASSERT_THAT(opened, IsOk());
  EXPECT_FALSE((*opened)->store().keeps_checksums());
  const auto main = *(*opened)->volume(kMainVolume);
  const auto made = main->make_node(owner, kRootInode, "file", S_IFREG | 0644, 0);
  const std::string bytes = pattern(kBlockSize);
  ASSERT_THAT(main->write(owner, made->inode, 0, std::as_bytes(std::span(bytes)), false), IsOk());
  ASSERT_THAT((*opened)->store().checkpoint(), IsOk());
  EXPECT_TRUE(stored((*opened)->store()).empty());
  const auto objects = memory.list(ArrayKind::kObject);
  const std::byte other{7};
  ASSERT_THAT(memory.write({ArrayKind::kObject, objects->front()}, 0, {&other, 1}), IsOk());
  std::string out(kBlockSize, '?');
  EXPECT_THAT(main->read(made->inode, 0, std::as_writable_bytes(std::span(out))),
              HoldsValue(std::size_t{kBlockSize}));
  EXPECT_EQ(out.substr(1), bytes.substr(1));
}

TEST(ChecksumItem, SurvivesItsBytesAndRefusesSenselessOnes) {
  ChecksumItem item{ObjectNumber{5}, 256, {}};
  item.checksums[3] = 77;
  const std::string key = checksum_key(ObjectNumber{5}, 300);
  const std::string value = encode_checksums(item);
  EXPECT_EQ(value.size(), 16u) << "zeros at the end are left out";
  const auto again = decode_checksums(key, value);
  ASSERT_TRUE(again);
  EXPECT_EQ(again->first, 256u);
  EXPECT_EQ(again->checksums, item.checksums);
  EXPECT_FALSE(decode_checksums(key, ""));
  EXPECT_FALSE(decode_checksums(key, value.substr(1)));
  EXPECT_FALSE(decode_checksums(key, std::string(516, 'x')));
  EXPECT_FALSE(decode_checksums(key.substr(1), value));
}

TEST(LoggedChecksums, AreThoseOfTheBlocksOrNone) {
  Transaction transaction;
  transaction.put(kMainVolume, key_of(InodeNumber{16}, KeyKind::kInode).take(), "record");
  const std::vector<TakenBlocks> taken{{{ObjectNumber{3}, 10, 2}, {111, 222}},
                                       {{ObjectNumber{4}, 0, 9}, {}}};
  const std::string body = encode_transaction(transaction, taken);
  const auto logged = decode_transaction(body);
  ASSERT_TRUE(logged);
  EXPECT_EQ(logged->taken[0].checksums, taken[0].checksums);
  EXPECT_TRUE(logged->taken[1].checksums.empty());
  EXPECT_FALSE(decode_transaction(std::string_view(body).substr(0, body.size() - 1)));
  EXPECT_FALSE(decode_transaction(body + "x"));
}

}  // namespace
}  // namespace cowfs
