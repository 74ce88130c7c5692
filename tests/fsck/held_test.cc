// A checkpoint that is held stays whole, whatever the store does meanwhile; and is given back
// afterwards.
#include <gmock/gmock.h>
#include <sys/stat.h>

#include "lib/volume/borrowed_storage.h"
#include "tests/fsck/damaged_store.h"
#include "tests/support/result_matchers.h"

namespace cowfs {
namespace {

class HeldCheckpoint : public testing::Test {
 protected:
  void SetUp() override {
    TestStore made = make_test_store(Ending::kClosed);
    storage_ = std::move(made.storage);
    StoreOptions options;
    options.background = false;
    options.reserve_bytes = 0;
    auto opened = FileSystem::open(std::make_unique<BorrowedStorage>(*storage_), options);
    ASSERT_THAT(opened, IsOk());
    file_system_ = std::move(*opened);
  }

  /// Erases, overwrites and makes things, with checkpoints, until everything that may be given back
  /// was.
  void churn() {
    const RequestContext user;
    Volume& main = **file_system_->volume(kMainVolume);
    for (int round = 0; round < 6; ++round) {
      for (int i = 0; i < 40; ++i) {
        const std::string name = "churn" + std::to_string(i);
        if (round % 2 == 1) {
          ASSERT_THAT(main.unlink(user, kRootInode, name), IsOk());
          continue;
        }
        const auto file = main.make_node(user, kRootInode, name, S_IFREG | 0644, 0);
        ASSERT_THAT(file, IsOk());
        const std::string bytes(50'000, static_cast<char>('a' + round));
        ASSERT_THAT(main.write(user, file->inode, 0, std::as_bytes(std::span(bytes)), false),
                    IsOk());
      }
      ASSERT_THAT(file_system_->store().reclaim_now(), IsOk());
    }
    for (const char* name : {"before", "fork"}) {
      const auto volume = file_system_->store().find_volume(name);
      if (!volume) continue;
      ASSERT_THAT(file_system_->delete_volume(user, volume->id), IsOk());
    }
    for (int i = 0; i < 4; ++i) ASSERT_THAT(file_system_->store().checkpoint(), IsOk());
  }

  std::unique_ptr<MemoryStorage> storage_;
  std::unique_ptr<FileSystem> file_system_;
};

TEST_F(HeldCheckpoint, StaysWhole) {
  Store& store = file_system_->store();
  const auto held = store.hold_checkpoint();
  ASSERT_THAT(held, IsOk());
  const auto fresh = check_held_checkpoint(*storage_, held->superblock);
  ASSERT_THAT(fresh, IsOk());
  EXPECT_TRUE(fresh->problems.clean()) << text_of(fresh->problems);
  // reclaim_now() would wait for what is held.
  const RequestContext user;
  Volume& main = **file_system_->volume(kMainVolume);
  for (int round = 0; round < 12; ++round) {
    const auto file =
        main.make_node(user, kRootInode, "new" + std::to_string(round), S_IFREG | 0644, 0);
    ASSERT_THAT(file, IsOk());
    ASSERT_THAT(main.unlink(user, kRootInode, "after" + std::to_string(round % 8)),
                testing::AnyOf(IsOk(), FailsWith(ErrorCode::kNotFound)));
    ASSERT_THAT(store.checkpoint(), IsOk());
  }
  const auto later = check_held_checkpoint(*storage_, held->superblock);
  ASSERT_THAT(later, IsOk());
  EXPECT_TRUE(later->problems.clean()) << text_of(later->problems);
  EXPECT_EQ(later->inodes, fresh->inodes);
  store.release_checkpoint(held->checkpoint);
  churn();
  // Nobody keeps it now: its nodes were used again.
  const auto gone = check_held_checkpoint(*storage_, held->superblock);
  ASSERT_THAT(gone, IsOk());
  EXPECT_FALSE(gone->problems.clean());
  ASSERT_THAT(store.verify(), IsOk());
}

/// As a daemon answers.
FsckOptions scrub_with(FileSystem& file_system, std::uint64_t& asked) {
  FsckOptions options;
  options.scrub = true;
  options.is_damaged = [&](const SuspectBlock& block) -> Result<bool> {
    ++asked;
    const auto volume = file_system.volume(block.volume);
    if (!volume) return false;
    const auto state =
        (*volume)->verify_block(block.inode, block.file_block, block.object, block.object_block);
    return state && *state == BlockState::kDamaged;
  };
  return options;
}

TEST_F(HeldCheckpoint, IsScrubbedThoughBlocksAreOverwrittenInPlace) {
  Volume& main = **file_system_->volume(kMainVolume);
  const RequestContext user;
  const auto file = main.make_node(user, kRootInode, "database", S_IFREG | 0644, 0);
  ASSERT_THAT(file, IsOk());
  const auto write = [&](std::uint64_t block, char byte) {
    const std::string bytes(kBlockSize, byte);
    ASSERT_THAT(
        main.write(user, file->inode, block * kBlockSize, std::as_bytes(std::span(bytes)), false),
        IsOk());
  };
  for (std::uint64_t block = 0; block < 20; ++block) write(block, 'a');
  ASSERT_THAT(file_system_->store().checkpoint(), IsOk());
  const auto held = file_system_->store().hold_checkpoint();
  ASSERT_THAT(held, IsOk());
  std::uint64_t asked = 0;
  const FsckOptions options = scrub_with(*file_system_, asked);
  const auto quiet = check_held_checkpoint(*storage_, held->superblock, options);
  ASSERT_THAT(quiet, IsOk());
  EXPECT_TRUE(quiet->damaged_data.clean()) << text_of(quiet->damaged_data);
  EXPECT_EQ(asked, 0u);

  // In place; in place and then damaged; damaged and not changed; given to somebody else.
  for (const unsigned block : {3U, 4U, 9U}) write(block, 'b');
  const auto place = [&](std::uint64_t block) {
    const auto found = main.locate(file->inode, block);
    EXPECT_THAT(found, IsOk());
    return found->object_block * kBlockSize;
  };
  const ArrayName object{ArrayKind::kObject, raw(main.locate(file->inode, 0)->object)};
  std::mt19937_64 random(1);
  for (const unsigned block : {4U, 7U}) damage(*storage_, object, place(block) + 5, 1, random);
  const auto busy = check_held_checkpoint(*storage_, held->superblock, options);
  ASSERT_THAT(busy, IsOk());
  EXPECT_GE(asked, 4u);
  std::set<std::string> told;
  for (const Problem& problem : busy->damaged_data.kept())
    told.insert(problem.volume + ":" + problem.path + " " + problem.text);
  EXPECT_EQ(told,
            (std::set<std::string>{"main:database damaged data: 4096 bytes from offset 16384",
                                   "main:database damaged data: 4096 bytes from offset 28672"}));
  file_system_->store().release_checkpoint(held->checkpoint);
}

// The root of both volumes is one node: main has let go of the block since, the snapshot has it.
TEST_F(HeldCheckpoint, IsScrubbedForEachVolumeThatHasABlock) {
  Volume& main = **file_system_->volume(kMainVolume);
  const RequestContext user;
  const std::string bytes(kBlockSize, 'x');
  const auto write = [&](InodeNumber inode) {
    ASSERT_THAT(main.write(user, inode, 0, std::as_bytes(std::span(bytes)), false), IsOk());
  };
  const auto file = main.make_node(user, kRootInode, "shared", S_IFREG | 0644, 0);
  ASSERT_THAT(file, IsOk());
  write(file->inode);
  ASSERT_THAT(file_system_->create_volume(user, kMainVolume, "late", VolumeKind::kSnapshot),
              IsOk());
  const auto held = file_system_->store().hold_checkpoint();
  ASSERT_THAT(held, IsOk());
  const auto place = main.locate(file->inode, 0);
  ASSERT_THAT(place, IsOk());
  write(file->inode);
  std::mt19937_64 random(1);
  damage(*storage_, {ArrayKind::kObject, raw(place->object)}, place->object_block * kBlockSize, 1,
         random);
  std::uint64_t asked = 0;
  const auto report =
      check_held_checkpoint(*storage_, held->superblock, scrub_with(*file_system_, asked));
  ASSERT_THAT(report, IsOk());
  ASSERT_EQ(report->damaged_data.kept().size(), 1u) << text_of(report->damaged_data);
  EXPECT_EQ(report->damaged_data.kept().front().volume, "late");
  file_system_->store().release_checkpoint(held->checkpoint);
}

}  // namespace
}  // namespace cowfs
