// What an fsync of one file asks of the host: as little as its promise allows.
#include <atomic>
#include <chrono>
#include <future>
#include <thread>

#include "lib/volume/tree_clone.h"
#include "tests/support/storage_doubles.h"
#include "tests/volume/data_fixture.h"

namespace cowfs {
namespace {

const RequestContext kOwner{.request_id = 1, .uid = 0, .gid = 0, .groups = {}, .umask = 0};

Bytes bytes_of(std::string_view text) { return std::as_bytes(std::span(text)); }

/// A file system on a storage that records each call, and that can block one.
class SyncTest : public ::testing::Test {
 protected:
  virtual StoreOptions options() const { return quiet_store_options(); }
  void SetUp() override {
    auto memory = std::make_unique<MemoryStorage>();
    ASSERT_THAT(FileSystem::format(*memory, kOwner, 0755), IsOk());
    memory_ = memory.get();
    auto blocking = std::make_unique<BlockingStorage>(std::move(memory));
    blocking_ = blocking.get();
    auto opened = FileSystem::open(std::move(blocking), options());
    ASSERT_THAT(opened, IsOk());
    file_system_ = std::move(*opened);
    main_ = file_system_->volume(kMainVolume).value_or(nullptr);
    ASSERT_NE(main_, nullptr);
  }
  void TearDown() override {
    EXPECT_THAT(file_system_->store().verify(), IsOk());
    main_.reset();
    EXPECT_THAT(file_system_->close(), IsOk());
  }

  /// A file of `size` bytes, held open.
  InodeNumber make_file(const std::string& name, std::size_t size) {
    const auto made = main_->make_node(kOwner, kRootInode, name, S_IFREG | 0644, 0);
    EXPECT_THAT(made, IsOk());
    EXPECT_THAT(main_->open_file(made->inode, true), IsOk());
    write(made->inode, 0, pattern(size));
    return made->inode;
  }
  void write(InodeNumber inode, std::uint64_t offset, std::string_view bytes) {
    EXPECT_THAT(main_->write(kOwner, inode, offset, bytes_of(bytes), false),
                HoldsValue(bytes.size()));
  }

  /// The syncs that `work` asks for, as "object object journal".
  template <typename Work>
  std::string syncs_of(Work work) {
    memory_->start_recording();
    work();
    std::string syncs;
    for (std::size_t i = 0; i < memory_->call_count(); ++i) {
      const StorageCall call = memory_->call(i);
      if (call.kind != StorageCallKind::kSync) continue;
      const char* names[] = {"superblock ", "nodes ", "object ", "journal "};
      syncs += names[static_cast<std::size_t>(call.name.kind)];
    }
    memory_->stop_recording();
    return syncs;
  }
  std::string sync(InodeNumber inode, bool data_only) {
    return syncs_of([&] { EXPECT_THAT(main_->sync(inode, data_only), IsOk()); });
  }

  /// What a power cut now would leave of a file.
  std::string after_power_cut(InodeNumber inode, std::size_t size) {
    auto image = memory_->crash_image(memory_->call_count(), {CrashVariant::kNone, 1});
    auto opened = FileSystem::open(std::move(image), quiet_store_options());
    EXPECT_THAT(opened, IsOk());
    auto volume = (*opened)->volume(kMainVolume).value_or(nullptr);
    std::string out(size, '?');
    const auto count = volume->read(inode, 0, std::as_writable_bytes(std::span(out)));
    return count ? out.substr(0, *count) : count.error().text;
  }

  MemoryStorage* memory_ = nullptr;
  BlockingStorage* blocking_ = nullptr;
  std::unique_ptr<FileSystem> file_system_;
  std::shared_ptr<Volume> main_;
};

TEST_F(SyncTest, AnFdatasyncAfterAnOverwriteCostsOneSyncOfOneObject) {
  const InodeNumber file = make_file("file", 40960);
  EXPECT_EQ(sync(file, true), "object journal ");
  const std::uint64_t checkpoints = file_system_->store().counters().checkpoints;
  for (int i = 0; i < 3; ++i) {
    write(file, 8192, pattern(4096, 7));
    EXPECT_EQ(sync(file, true), "object ");
  }
  EXPECT_EQ(file_system_->store().counters().checkpoints, checkpoints);
}

TEST_F(SyncTest, AnFsyncAfterAnOverwriteMakesItsTimesDurableToo) {
  const InodeNumber file = make_file("file", 40960);
  EXPECT_EQ(sync(file, false), "object journal ");
  write(file, 8192, pattern(4096, 7));
  EXPECT_EQ(sync(file, false), "object journal ");
  EXPECT_EQ(sync(file, false), "") << "nothing happened since";
}

TEST_F(SyncTest, AnFdatasyncDoesNotWaitForTimes) {
  const InodeNumber file = make_file("file", 40960);
  sync(file, false);
  AttributeChange change;
  change.permissions = 0600;
  EXPECT_THAT(main_->set_attributes(kOwner, file, change), IsOk());
  EXPECT_EQ(sync(file, true), "");
  EXPECT_EQ(sync(file, false), "journal ");
}

TEST_F(SyncTest, ASyncedFileSurvivesAPowerCutAndAnotherOneNeedNot) {
  const InodeNumber file = make_file("file", 9000);
  const InodeNumber other = make_file("other", 9000);
  memory_->start_recording();
  write(file, 0, pattern(9000, 2));
  EXPECT_THAT(main_->sync(file, true), IsOk());
  write(other, 0, pattern(9000, 3));
  EXPECT_EQ(after_power_cut(file, 9001), pattern(9000, 2));
  memory_->stop_recording();
}

// A checkpoint declares ranges in use again, and makes that durable: nobody else has to.
TEST_F(SyncTest, AnOverwriteDoesNotWaitForACheckpointThatDeclaresItsRangeAgain) {
  const InodeNumber file = make_file("file", 40960);
  EXPECT_THAT(file_system_->store().checkpoint(), IsOk());
  write(file, 8192, pattern(4096, 1));  // declares the range
  auto gate = blocking_->block_next(calls_of(StorageCallKind::kSync, ArrayKind::kJournal));
  std::jthread checkpoint([&] { EXPECT_THAT(file_system_->store().checkpoint(), IsOk()); });
  ASSERT_TRUE(gate->wait_until_blocked());
  auto overwrite = std::async(std::launch::async, [&] { write(file, 8192, pattern(4096, 2)); });
  EXPECT_EQ(overwrite.wait_for(std::chrono::seconds(10)), std::future_status::ready);
  gate->release();
}

TEST_F(SyncTest, AFileThatWasClosedIsSyncedByItsNextFsync) {
  const InodeNumber file = make_file("file", 40960);
  sync(file, true);
  memory_->start_recording();
  write(file, 0, pattern(4096, 9));
  main_->close_file(file, true);
  EXPECT_THAT(main_->open_file(file, true), IsOk());
  EXPECT_THAT(main_->sync(file, true), IsOk());
  EXPECT_EQ(after_power_cut(file, 4096), pattern(4096, 9));
  memory_->stop_recording();
}

TEST_F(SyncTest, ACopyIsSyncedWithWhatItsSourceOverwrote) {
  const InodeNumber source = make_file("source", 40960);
  const InodeNumber target = make_file("target", 0);
  sync(source, false);
  memory_->start_recording();
  write(source, 0, pattern(4096, 9));
  EXPECT_THAT(Volume::clone_range(kOwner, *main_, source, 0, *main_, target, 0, 40960, false),
              HoldsValue(40960u));
  EXPECT_THAT(main_->sync(target, true), IsOk());
  EXPECT_EQ(after_power_cut(target, 4096), pattern(4096, 9));
  memory_->stop_recording();
}

TEST_F(SyncTest, ACopiedTreeIsSyncedWithWhatItsSourceOverwrote) {
  const auto tree = main_->make_directory(kOwner, kRootInode, "tree", 0755);
  ASSERT_THAT(tree, IsOk());
  const InodeNumber source = make_file("source", 40960);
  ASSERT_THAT(
      main_->rename(kOwner, kRootInode, "source", tree->inode, "file", RenameMode::kReplace),
      IsOk());
  sync(source, false);
  memory_->start_recording();
  write(source, 0, pattern(4096, 9));
  TreeClone clone(kOwner, true, {main_, tree->inode, main_, kRootInode, "copy"}, {.umask = 0});
  ASSERT_THAT(clone.begin(), IsOk());
  while (clone.step().value_or(false)) {}
  const auto copy = clone.publish();
  ASSERT_THAT(copy, IsOk());
  const auto target = main_->lookup(copy->inode, "file");
  ASSERT_THAT(target, IsOk());
  EXPECT_THAT(main_->sync(target->inode, true), IsOk());
  EXPECT_EQ(after_power_cut(target->inode, 4096), pattern(4096, 9));
  memory_->stop_recording();
}

// What a write that was cut short left past the end of a file must not come to light when the file
// grows.
class ZerosPastTheEnd : public SyncTest {
 protected:
  std::string grown_after_power_cut() {
    const InodeNumber file = make_file("file", 100);
    EXPECT_THAT(file_system_->store().sync(), IsOk());
    const BlockRange place = [&] {
      const ReadView view(file_system_->store());
      return find_extents(view, kMainVolume, file, {0, 1}).value().front().blocks;
    }();
    const std::string block = pattern(100) + std::string(kBlockSize - 100, 'x');
    EXPECT_THAT(file_system_->store().write_blocks(place.object, place.first, bytes_of(block)),
                IsOk());
    EXPECT_THAT(file_system_->store().sync_data(place.object), IsOk());
    memory_->start_recording();
    AttributeChange change;
    change.size = 8192;
    EXPECT_THAT(main_->set_attributes(kOwner, file, change), IsOk());
    EXPECT_THAT(main_->sync(kRootInode, false),
                IsOk());  // somebody else's sync, which makes the new size durable
    const std::string found = after_power_cut(file, 8192);
    memory_->stop_recording();
    return found;
  }
};

TEST_F(ZerosPastTheEnd, AreDurableWithTheSizeThatShowsThem) {
  EXPECT_EQ(grown_after_power_cut(), pattern(100) + std::string(8092, '\0'));
}

class WithoutZerosPastTheEnd : public ZerosPastTheEnd {
 protected:
  StoreOptions options() const override {
    StoreOptions options = quiet_store_options();
    options.omit = Omit::kClearedTailBeforeSize;
    return options;
  }
};

TEST_F(WithoutZerosPastTheEnd, TheTestAboveFails) {
  EXPECT_NE(grown_after_power_cut(), pattern(100) + std::string(8092, '\0'));
}

TEST_F(SyncTest, ASyncOfADirectoryMakesNamesDurable) {
  const InodeNumber file = make_file("file", 100);
  sync(file, false);
  EXPECT_THAT(
      main_->rename(kOwner, kRootInode, "file", kRootInode, "renamed", RenameMode::kReplace),
      IsOk());
  EXPECT_EQ(sync(kRootInode, false), "journal ");
}

TEST_F(SyncTest, ConcurrentFsyncsShareOneFlush) {
  constexpr std::size_t kFiles = 8;
  std::vector<InodeNumber> files;
  for (std::size_t i = 0; i < kFiles; ++i)
    files.push_back(make_file("file" + std::to_string(i), 5000));
  EXPECT_THAT(file_system_->store().sync(), IsOk());
  for (const InodeNumber file : files) write(file, 5000, pattern(5000));
  const std::string syncs = syncs_of([&] {
    auto gate = blocking_->block_next(calls_of(StorageCallKind::kSync, ArrayKind::kJournal));
    std::vector<std::jthread> threads;
    threads.emplace_back([&] { EXPECT_THAT(main_->sync(files[0], false), IsOk()); });
    ASSERT_TRUE(gate->wait_until_blocked());
    std::atomic<std::size_t> begun = 0;
    for (std::size_t i = 1; i < kFiles; ++i) {
      threads.emplace_back([&, i] {
        write(files[i], 0, pattern(20000, 5));  // each has something of its own to make durable
        ++begun;
        EXPECT_THAT(main_->sync(files[i], false), IsOk());
      });
    }
    while (begun < kFiles - 1) std::this_thread::yield();
    gate->release();
  });
  EXPECT_LE(std::ranges::count(syncs, 'u'), 3) << syncs;  // of "journal"; eight without sharing
}

class BackgroundSyncTest : public SyncTest {
 protected:
  StoreOptions options() const override {
    StoreOptions options = quiet_store_options();
    options.background = true;
    options.commit_interval = std::chrono::hours(1);
    return options;
  }
};

// What a virtual machine does to its image: here and there in nearly all that may be declared.
TEST_F(BackgroundSyncTest, OverwritesAllOverALargeFileAreNotACheckpointEach) {
  constexpr std::uint64_t kRanges = 900;
  constexpr std::uint64_t kRange = std::uint64_t{1} << 20;
  const InodeNumber file = make_file("image", kRange + 4096);  // an object of its own
  const std::string block = pattern(4096, 1);
  for (std::uint64_t i = 0; i < kRanges; ++i) write(file, i * kRange, block);
  EXPECT_THAT(file_system_->store().checkpoint(), IsOk());
  const std::uint64_t before = file_system_->store().counters().checkpoints;
  for (std::uint64_t i = 0; i < 5 * kRanges; ++i) write(file, i * 7 % kRanges * kRange, block);
  EXPECT_LE(file_system_->store().counters().checkpoints, before + 5);
}

}  // namespace
}  // namespace cowfs
