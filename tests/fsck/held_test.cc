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

}  // namespace
}  // namespace cowfs
