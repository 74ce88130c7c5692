// A full or failing host: what cannot be done leaves everything as it was, and deleting always
// works.
#include "tests/support/storage_doubles.h"
#include "tests/volume/data_fixture.h"

namespace cowfs {
namespace {

class DataSpace : public DataTest {
 protected:
  MemoryStorage::Options storage_options() override {
    return {.capacity_bytes = 48 * kMegabyte, .can_punch = true};
  }

  /// Writes to the file until the store is full; returns what it holds.
  std::string fill(InodeNumber file) {
    std::string bytes;
    for (unsigned i = 0; i < 2000; ++i) {
      const std::string part = pattern(64 * 1024, i);
      const auto written = try_write(main(), file, bytes.size(), part);
      if (!written) {
        EXPECT_EQ(written.error().code, ErrorCode::kNoSpace);
        return bytes;
      }
      bytes += part.substr(0, *written);
    }
    ADD_FAILURE() << "never full";
    return bytes;
  }
};

TEST_F(DataSpace, AFullStoreKeepsWhatItHasAndTakesDeletes) {
  const InodeNumber small = make_file("small");
  write(small, 0, pattern(3 * kBlock));
  const InodeNumber large = make_file("large");
  const std::string bytes = fill(large);
  EXPECT_GT(bytes.size(), 4 * kMegabyte);
  expect_file(large, bytes);
  expect_file(small, pattern(3 * kBlock));
  expect_exact_blocks(large);
  EXPECT_THAT(store().verify(), IsOk());

  ASSERT_THAT(main().unlink(owner(), kRootInode, "large"), IsOk());
  EXPECT_EQ(live_blocks(), 3u);
  const InodeNumber again = make_file("again");
  write(again, 0, pattern(4 * kMegabyte));
  expect_file(again, pattern(4 * kMegabyte));
}

TEST_F(DataSpace, WritesInPlaceStillWorkInAFullStore) {
  const InodeNumber file = make_file("f");
  std::string bytes = fill(file);
  write(file, 1000, "still here");
  bytes.replace(1000, 10, "still here");
  expect_file(file, bytes);
}

TEST_F(DataSpace, TruncatingWorksInAFullStore) {
  const InodeNumber file = make_file("f");
  const std::string bytes = fill(file);
  ASSERT_THAT(truncate(file, kBlock + 10), IsOk());
  expect_file(file, bytes.substr(0, kBlock + 10));
  EXPECT_EQ(live_blocks(), 2u);
  ASSERT_THAT(truncate(file, 2 * kBlock), IsOk());
  expect_file(file, bytes.substr(0, kBlock + 10) + std::string(kBlock - 10, '\0'));
}

TEST_F(DataSpace, PunchingWholeBlocksWorksInAFullStore) {
  const InodeNumber file = make_file("f");
  fill(file);
  ASSERT_THAT(allocate(file, AllocateMode::kPunchHole, 0, 2 * kMegabyte), IsOk());
  EXPECT_EQ(read(file, 0, 2 * kMegabyte), std::string(2 * kMegabyte, '\0'));
}

TEST_F(DataSpace, AllocatingTooMuchChangesNothing) {
  const InodeNumber file = make_file("f");
  write(file, 5 * kBlock, pattern(kBlock));
  const auto extents = extents_of(file);
  EXPECT_THAT(allocate(file, AllocateMode::kAllocate, 0, 100 * kMegabyte),
              FailsWith(ErrorCode::kNoSpace));
  EXPECT_THAT(allocate(file, AllocateMode::kZeroRange, 0, 100 * kMegabyte),
              FailsWith(ErrorCode::kNoSpace));
  EXPECT_EQ(stat(file).size, 6 * kBlock);
  expect_file(file, std::string(5 * kBlock, '\0') + pattern(kBlock));
  EXPECT_EQ(extents_of(file), extents);
  EXPECT_EQ(live_blocks(), 1u);
}

TEST(DataFaults, AFailedDataWriteLeavesTheFileAsItWas) {
  MemoryStorage memory;
  const RequestContext owner{.request_id = 1, .uid = 0, .gid = 0, .groups = {}, .umask = 0};
  ASSERT_THAT(FileSystem::format(memory, owner, 0755), IsOk());
  auto faulty = std::make_unique<FaultyStorage>(memory);
  FaultyStorage& storage = *faulty;
  auto opened = FileSystem::open(std::move(faulty), quiet_store_options());
  ASSERT_THAT(opened, IsOk());
  FileSystem& file_system = **opened;
  const std::shared_ptr<Volume> main = file_system.volume(kMainVolume).value_or(nullptr);
  ASSERT_NE(main, nullptr);
  const InodeNumber file = main->make_node(owner, kRootInode, "f", S_IFREG | 0644, 0)->inode;
  const std::string before = pattern(10000);
  ASSERT_THAT(main->write(owner, file, 0, std::as_bytes(std::span(before)), false), IsOk());
  const VolumeInfo snapshot =
      *file_system.create_volume(owner, kMainVolume, "s", VolumeKind::kSnapshot);
  (void)snapshot;

  storage.fail_matching(calls_of(StorageCallKind::kWrite, ArrayKind::kObject),
                        Error{ErrorCode::kIo, "broken"});
  const std::string after = pattern(8000, 2);
  EXPECT_THAT(main->write(owner, file, 100, std::as_bytes(std::span(after)), false),
              FailsWith(ErrorCode::kIo));
  std::string found(before.size() + 1, '?');
  EXPECT_THAT(main->read(file, 0, std::as_writable_bytes(std::span(found))),
              HoldsValue(before.size()));
  found.resize(before.size());
  EXPECT_EQ(found, before);

  storage.fail_matching(calls_of(StorageCallKind::kRead, ArrayKind::kObject),
                        Error{ErrorCode::kIo, "broken"});
  EXPECT_THAT(main->read(file, 0, std::as_writable_bytes(std::span(found))),
              FailsWith(ErrorCode::kIo));
  EXPECT_THAT(main->write(owner, file, 100, std::as_bytes(std::span(after)), false), IsOk())
      << "the fault was passing";
  EXPECT_THAT(file_system.store().reclaim_now(), IsOk());
  EXPECT_THAT(file_system.store().verify(), IsOk());
  EXPECT_EQ(file_system.store().space().live_blocks, 5u);
  EXPECT_THAT(file_system.close(), IsOk());
}

}  // namespace
}  // namespace cowfs
