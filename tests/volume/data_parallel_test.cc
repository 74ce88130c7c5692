// What goes on while something else is slow, and many threads at once (for ThreadSanitizer).
#include <atomic>
#include <random>
#include <thread>

#include "tests/support/storage_doubles.h"
#include "tests/volume/data_fixture.h"

namespace cowfs {
namespace {

const RequestContext kOwner{.request_id = 1, .uid = 0, .gid = 0, .groups = {}, .umask = 0};

Bytes bytes_of(std::string_view text) { return std::as_bytes(std::span(text)); }

class DataParallel : public ::testing::Test {
 protected:
  void open(const StoreOptions& options) {
    auto memory = std::make_unique<MemoryStorage>();
    ASSERT_THAT(FileSystem::format(*memory, kOwner, 0755), IsOk());
    auto blocking = std::make_unique<BlockingStorage>(std::move(memory));
    storage_ = blocking.get();
    auto opened = FileSystem::open(std::move(blocking), options);
    ASSERT_THAT(opened, IsOk());
    file_system_ = std::move(*opened);
    main_ = file_system_->volume(kMainVolume).value_or(nullptr);
    ASSERT_NE(main_, nullptr);
  }
  void TearDown() override {
    if (file_system_ == nullptr) return;
    EXPECT_THAT(file_system_->store().verify(), IsOk());
    main_.reset();
    EXPECT_THAT(file_system_->close(), IsOk());
  }

  InodeNumber make_file(const std::string& name, std::string_view bytes) {
    const auto made = main_->make_node(kOwner, kRootInode, name, S_IFREG | 0644, 0);
    EXPECT_THAT(made, IsOk());
    EXPECT_THAT(main_->write(kOwner, made->inode, 0, bytes_of(bytes), false), IsOk());
    return made->inode;
  }
  static std::string read(Volume& from, InodeNumber inode, std::size_t size) {
    std::string out(size, '?');
    const auto count = from.read(inode, 0, std::as_writable_bytes(std::span(out)));
    EXPECT_THAT(count, IsOk());
    out.resize(count.value_or(0));
    return out;
  }

  BlockingStorage* storage_ = nullptr;
  std::unique_ptr<FileSystem> file_system_;
  std::shared_ptr<Volume> main_;
};

TEST_F(DataParallel, ABlockedReadHoldsUpNothingElse) {
  open(quiet_store_options());
  const InodeNumber slow = make_file("slow", pattern(20000));
  const InodeNumber other = make_file("other", pattern(5000));
  auto gate = storage_->block_next(calls_of(StorageCallKind::kRead, ArrayKind::kObject));
  std::string found;
  std::jthread reader([&] { found = read(*main_, slow, 20000); });
  ASSERT_TRUE(gate->wait_until_blocked());

  EXPECT_THAT(main_->get_attributes(slow), IsOk());
  EXPECT_THAT(main_->lookup(kRootInode, "slow"), IsOk());
  EXPECT_EQ(read(*main_, slow, 20000), pattern(20000)) << "a second reader of the same file";
  EXPECT_EQ(read(*main_, other, 5000), pattern(5000));
  EXPECT_THAT(main_->write(kOwner, other, 100, bytes_of("meanwhile"), false), IsOk());
  EXPECT_THAT(main_->allocate(kOwner, other, AllocateMode::kPunchHole, 0, 4096, false), IsOk());
  EXPECT_THAT(main_->make_node(kOwner, kRootInode, "new", S_IFREG | 0644, 0), IsOk());
  const auto snapshot =
      file_system_->create_volume(kOwner, kMainVolume, "s", VolumeKind::kSnapshot);
  ASSERT_THAT(snapshot, IsOk());
  EXPECT_THAT(file_system_->store().sync(), IsOk());
  EXPECT_THAT(file_system_->delete_volume(kOwner, snapshot->id), IsOk());
  EXPECT_TRUE(gate->is_blocked());

  gate->release();
  reader.join();
  EXPECT_EQ(found, pattern(20000));
}

TEST_F(DataParallel, ABlockedWriteHoldsUpNoOtherFile) {
  open(quiet_store_options());
  const InodeNumber slow = make_file("slow", pattern(20000));
  const InodeNumber other = make_file("other", pattern(5000));
  auto gate = storage_->block_next(calls_of(StorageCallKind::kWrite, ArrayKind::kObject));
  std::jthread writer(
      [&] { EXPECT_THAT(main_->write(kOwner, slow, 0, bytes_of("late"), false), IsOk()); });
  ASSERT_TRUE(gate->wait_until_blocked());

  EXPECT_THAT(main_->get_attributes(slow), IsOk());
  EXPECT_EQ(read(*main_, other, 5000), pattern(5000));
  EXPECT_THAT(main_->write(kOwner, other, 100, bytes_of("meanwhile"), false), IsOk());
  EXPECT_THAT(main_->unlink(kOwner, kRootInode, "other"), IsOk());
  EXPECT_TRUE(gate->is_blocked());

  gate->release();
  writer.join();
  EXPECT_EQ(read(*main_, slow, 4), "late");
}

TEST_F(DataParallel, ASnapshotTakenDuringAReadKeepsWhatIsOverwrittenAfterwards) {
  open(quiet_store_options());
  const InodeNumber file = make_file("f", pattern(20000));
  const auto snapshot =
      file_system_->create_volume(kOwner, kMainVolume, "s", VolumeKind::kSnapshot);
  ASSERT_THAT(snapshot, IsOk());
  const std::shared_ptr<Volume> old = *file_system_->volume(snapshot->id);
  auto gate = storage_->block_next(calls_of(StorageCallKind::kRead, ArrayKind::kObject));
  std::string found;
  std::jthread reader([&] { found = read(*old, file, 20000); });
  ASSERT_TRUE(gate->wait_until_blocked());
  // Everything that the read looks at loses its last extent, and all that may be given back is.
  EXPECT_THAT(main_->write(kOwner, file, 0, bytes_of(pattern(20000, 2)), false), IsOk());
  EXPECT_THAT(file_system_->delete_volume(kOwner, snapshot->id), IsOk());
  // It waits for the reader before it gives anything back.
  std::jthread reclaimer([&] { EXPECT_THAT(file_system_->store().reclaim_now(), IsOk()); });
  EXPECT_THAT(file_system_->store().sync(), IsOk());
  EXPECT_THAT(file_system_->store().sync(), IsOk());
  EXPECT_TRUE(gate->is_blocked());
  gate->release();
  reader.join();
  EXPECT_EQ(found, pattern(20000)) << "blocks keep their bytes for a reader that began before";
}

/// One thread's file: random changes, all of which only this thread makes.
void change_one_file(Volume& volume, InodeNumber mine, InodeNumber common, unsigned seed,
                     std::string& bytes) {
  std::mt19937 random(seed);
  for (int i = 0; i < 60; ++i) {
    const std::uint64_t offset = random() % 50000;
    switch (random() % 5) {
      case 0: {
        const std::size_t size = random() % 70000;
        AttributeChange change;
        change.size = size;
        EXPECT_THAT(volume.set_attributes(kOwner, mine, change), IsOk());
        bytes.resize(size);
        break;
      }
      case 1: {
        const auto done =
            Volume::clone_range(kOwner, volume, common, 0, volume, mine, 4096, 5 * 4096, false);
        EXPECT_THAT(done, HoldsValue(std::uint64_t{5 * 4096}));
        bytes.resize(std::max<std::size_t>(bytes.size(), 6 * 4096));
        bytes.replace(4096, 5 * 4096, pattern(5 * 4096));
        break;
      }
      default: {
        const std::string in = pattern(1 + random() % 9000, static_cast<unsigned>(random()));
        EXPECT_THAT(volume.write(kOwner, mine, offset, bytes_of(in), false), HoldsValue(in.size()));
        bytes.resize(std::max<std::size_t>(bytes.size(), offset + in.size()));
        bytes.replace(offset, in.size(), in);
      }
    }
  }
}

TEST_F(DataParallel, ManyThreadsAndForksKeepEachFileWhole) {
  StoreOptions options;
  options.commit_interval = std::chrono::milliseconds(20);
  options.reserve_bytes = 0;
  open(options);
  const InodeNumber common = make_file("common", pattern(5 * 4096));
  constexpr std::size_t kThreads = 4;
  std::vector<InodeNumber> files;
  std::vector<std::string> bytes(kThreads);
  for (std::size_t i = 0; i < kThreads; ++i)
    files.push_back(make_file("f" + std::to_string(i), ""));
  {
    std::atomic<bool> stop = false;
    std::jthread forker([&] {
      for (int i = 0; !stop; ++i) {
        const auto made = file_system_->create_volume(kOwner, kMainVolume, "s" + std::to_string(i),
                                                      VolumeKind::kSnapshot);
        EXPECT_THAT(made, IsOk());
        const std::shared_ptr<Volume> snapshot = *file_system_->volume(made->id);
        const std::string once = read(*snapshot, files[0], 200000);
        std::this_thread::yield();
        EXPECT_EQ(read(*snapshot, files[0], 200000), once);
        EXPECT_THAT(file_system_->delete_volume(kOwner, made->id), IsOk());
      }
    });
    {
      std::vector<std::jthread> workers;
      for (std::size_t i = 0; i < kThreads; ++i) {
        workers.emplace_back([&, i] {
          change_one_file(*main_, files[i], common, static_cast<unsigned>(i), bytes[i]);
        });
      }
      // Everybody reads everybody's files meanwhile.
      for (int i = 0; i < 50; ++i)
        read(*main_, files[static_cast<std::size_t>(i) % kThreads], 100000);
    }
    stop = true;
  }
  for (std::size_t i = 0; i < kThreads; ++i)
    EXPECT_TRUE(read(*main_, files[i], bytes[i].size() + 1) == bytes[i]) << i;
  EXPECT_EQ(read(*main_, common, 30000), pattern(5 * 4096));
}

}  // namespace
}  // namespace cowfs
