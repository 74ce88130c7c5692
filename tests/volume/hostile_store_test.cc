// Stores that were changed by somebody who can make checksums: what does not fit together is an
// error, never a crash or an endless loop.
#include <cstring>
#include <functional>

#include "lib/tree/node.h"
#include "lib/volume/inode_record.h"
#include "tests/volume/volume_fixture.h"

namespace cowfs {
namespace {

class HostileStore : public VolumeTest {
 protected:
  using Change = std::function<void(char* key, char* value, std::size_t value_size)>;

  /// Closes the store, changes all items of a kind in all its nodes, and opens it again.
  void reopen_with(KeyKind kind, const Change& change) {
    ASSERT_THAT(file_system().close(), IsOk());
    auto damaged = std::make_unique<MemoryStorage>(MemoryStorage::Options{}, storage().content());
    const std::vector<std::uint64_t> segments = *damaged->list(ArrayKind::kNodes);
    for (const std::uint64_t segment : segments) {
      const ArrayName name{ArrayKind::kNodes, segment};
      for (std::uint64_t at = 0; at < *damaged->size(name); at += kNodeSize)
        change_node(*damaged, name, at, kind, change);
    }
    EXPECT_GT(changed_, 0) << "there is nothing to change";
    start_again(std::move(damaged));
  }

  void TearDown() override {
    // What was damaged cannot be checked.
  }

 private:
  void change_node(MemoryStorage& damaged, ArrayName name, std::uint64_t at, KeyKind kind,
                   const Change& change) {
    Node node;
    ASSERT_THAT(damaged.read(name, at, node.mutable_page()), IsOk());
    if (!node.validate(node.pointer()) || !node.is_leaf()) return;
    for (std::size_t slot = 0; slot < node.count(); ++slot) {
      if (kind_of(node.key(slot)) != kind) continue;
      ++changed_;
      change(const_cast<char*>(node.key(slot).data()), const_cast<char*>(node.value(slot).data()),
             node.value(slot).size());
    }
    node.seal();
    ASSERT_THAT(damaged.write(name, at, node.mutable_page()), IsOk());
  }
  void start_again(std::unique_ptr<MemoryStorage> damaged) {
    open(std::move(damaged), quiet_store_options());
  }

  int changed_ = 0;
};

TEST_F(HostileStore, WithANodeThatIsFreedByWayOfOneVolumeAndUsedByAnotherIsDamaged) {
  for (int i = 0; i < 20; ++i) make_file("f" + std::to_string(i));
  fork("other");
  reopen_with(KeyKind::kNodeCount,
              [](char*, char* value, std::size_t size) { std::memset(value, 0, size); });
  make_file("new");  // copies the shared nodes, and frees them as if they were main's alone
  const VolumeInfo other = *store().find_volume("other");
  EXPECT_THAT(volume(other.id).lookup(kRootInode, "f1"), FailsWith(ErrorCode::kCorrupted));
  ASSERT_THAT(file_system().delete_volume(owner(), other.id), IsOk());
  EXPECT_THAT(store().reclaim_now(), FailsWith(ErrorCode::kCorrupted));
}

TEST_F(HostileStore, ThatDropsMoreReferencesThanThereAreIsDamaged) {
  make_file("f");
  const VolumeInfo other = fork("other");
  ASSERT_THAT(file_system().delete_volume(owner(), other.id), IsOk());
  reopen_with(KeyKind::kDroppedNode,
              [](char*, char* value, std::size_t size) { std::memset(value + size - 4, 0xff, 4); });
  EXPECT_THAT(store().reclaim_now(), FailsWith(ErrorCode::kCorrupted));
}

TEST_F(HostileStore, WithSpaceThatNeverCanBeGivenBackDoesNotTryForEver) {
  const InodeNumber file = make_file("f");
  write_text(file, std::string(100'000, 'x'));
  ASSERT_THAT(store().checkpoint(), IsOk());
  ASSERT_THAT(main().unlink(owner(), kRootInode, "f"), IsOk());
  ASSERT_THAT(store().checkpoint(), IsOk());
  // The key: inode u64, kind u8, checkpoint u64.
  reopen_with(KeyKind::kPendingFree, [](char* key, char*, std::size_t) { key[9] = 0x7f; });
  EXPECT_THAT(store().reclaim_now(), FailsWith(ErrorCode::kCorrupted));
}

TEST_F(HostileStore, WithADirectoryOfTheLargestSizeTakesNames) {
  const InodeNumber directory = make_directory("d");
  {
    const Operation operation(store());
    UpdateView view(store(), operation);
    InodeRecord record = *load_inode(view, kMainVolume, directory);
    record.size = kFileSizeLimit - 1;
    Transaction transaction;
    put_inode(transaction, kMainVolume, directory, record);
    ASSERT_THAT(view.commit(transaction), IsOk());
  }
  make_file("f", directory);
  EXPECT_EQ(stat(directory).size, kFileSizeLimit);
}

}  // namespace
}  // namespace cowfs
