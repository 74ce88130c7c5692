#include "lib/store/store.h"

#include <gtest/gtest.h>
#include <gtest/gtest-spi.h>

#include <cstdlib>

#include "lib/storage/memory_storage.h"
#include "lib/store/superblock.h"
#include "tests/store/store_model.h"
#include "tests/support/result_matchers.h"

namespace cowfs {
namespace {

std::uint64_t seed_or(std::uint64_t fallback) {
  const char* seed = std::getenv("COWFS_SEED");
  return seed != nullptr ? std::strtoull(seed, nullptr, 0) : fallback;
}

std::unique_ptr<MemoryStorage> formatted() {
  auto storage = std::make_unique<MemoryStorage>();
  EXPECT_THAT(Store::format(*storage, {.seed = 7}), IsOk());
  return storage;
}

std::unique_ptr<Store> open_store(std::unique_ptr<Storage> storage, bool read_only = false) {
  StoreOptions options;
  options.background = false;
  options.read_only = read_only;
  options.node_cache_bytes = 1 << 20;
  options.reserve_bytes = 0;
  auto store = Store::open(std::move(storage), options);
  EXPECT_THAT(store, IsOk());
  return store ? std::move(*store) : nullptr;
}

void put(Store& store, VolumeId volume, const std::string& key, const std::string& value) {
  Operation operation(store);
  UpdateView view(store, operation);
  Transaction transaction;
  transaction.put(volume, key, value);
  ASSERT_THAT(view.commit(transaction), IsOk());
}

std::optional<std::string> get(Store& store, VolumeId volume, const std::string& key) {
  ReadView view(store);
  auto value = view.get(volume, key);
  EXPECT_THAT(value, IsOk());
  return value ? *value : std::nullopt;
}

TEST(Store, KeepsWhatWasSyncedAcrossAKill) {
  auto storage = formatted();
  MemoryStorage* memory = storage.get();
  auto store = open_store(std::move(storage));
  put(*store, kMainVolume, "synced", "1");
  ASSERT_THAT(store->sync(), IsOk());
  put(*store, kMainVolume, "not synced", "2");
  auto again = open_store(memory->kill_image());
  EXPECT_EQ(get(*again, kMainVolume, "synced"), "1");
  EXPECT_EQ(get(*again, kMainVolume, "not synced"), std::nullopt);
  EXPECT_THAT(again->verify(), IsOk());
}

TEST(Store, ForkSharesAndDiverges) {
  auto store = open_store(formatted());
  put(*store, kMainVolume, "key", "old");
  auto snapshot = store->fork_volume({}, kMainVolume, "snap", VolumeKind::kSnapshot);
  ASSERT_THAT(snapshot, IsOk());
  put(*store, kMainVolume, "key", "new");
  EXPECT_EQ(get(*store, kMainVolume, "key"), "new");
  EXPECT_EQ(get(*store, snapshot->id, "key"), "old");
  EXPECT_THAT(store->verify(), IsOk());
}

TEST(Store, RefusesChangesOfASnapshot) {
  auto store = open_store(formatted());
  auto snapshot = store->fork_volume({}, kMainVolume, "snap", VolumeKind::kSnapshot);
  Operation operation(*store);
  UpdateView view(*store, operation);
  Transaction transaction;
  transaction.put(snapshot->id, "key", "value");
  EXPECT_THAT(view.commit(transaction), FailsWith(ErrorCode::kReadOnly));
}

TEST(Store, NamesOfVolumesAreChecked) {
  auto store = open_store(formatted());
  for (const std::string name : {"", ".", "..", ".cowfs", "a/b"}) {
    EXPECT_THAT(store->fork_volume({}, kMainVolume, name, VolumeKind::kFork), FailsWith(ErrorCode::kInvalidArgument)) << name;
  }
  EXPECT_THAT(store->fork_volume({}, kMainVolume, std::string(256, 'x'), VolumeKind::kFork), FailsWith(ErrorCode::kNameTooLong));
  EXPECT_THAT(store->fork_volume({}, kMainVolume, "main", VolumeKind::kFork), FailsWith(ErrorCode::kExists));
  EXPECT_THAT(store->fork_volume({}, kMainVolume, std::string(255, 'x'), VolumeKind::kFork), IsOk());
}

TEST(Store, ADeletedVolumeStaysReadableWhilePinned) {
  auto store = open_store(formatted());
  put(*store, kMainVolume, "key", "value");
  auto fork = store->fork_volume({}, kMainVolume, "fork", VolumeKind::kFork);
  ASSERT_THAT(store->pin_volume(fork->id), IsOk());
  ASSERT_THAT(store->delete_volume({}, fork->id), IsOk());
  EXPECT_THAT(store->find_volume("fork"), FailsWith(ErrorCode::kNotFound));
  EXPECT_EQ(get(*store, fork->id, "key"), "value");
  {
    Operation operation(*store);
    UpdateView view(*store, operation);
    Transaction transaction;
    transaction.put(fork->id, "key", "other");
    EXPECT_THAT(view.commit(transaction), FailsWith(ErrorCode::kStale));
  }
  store->unpin_volume(fork->id);
  ReadView view(*store);
  EXPECT_THAT(view.get(fork->id, "key"), FailsWith(ErrorCode::kStale));
}

TEST(Store, ReadOnlyWritesNothing) {
  auto storage = formatted();
  MemoryStorage* memory = storage.get();
  auto store = open_store(std::move(storage));
  put(*store, kMainVolume, "key", "value");
  ASSERT_THAT(store->sync(), IsOk());
  auto image = memory->kill_image();
  MemoryStorage* kept = image.get();
  kept->start_recording();
  auto reader = open_store(std::move(image), true);
  EXPECT_EQ(get(*reader, kMainVolume, "key"), "value");
  EXPECT_THAT(reader->fork_volume({}, kMainVolume, "x", VolumeKind::kFork), FailsWith(ErrorCode::kReadOnly));
  EXPECT_THAT(reader->close(), IsOk());
  EXPECT_EQ(kept->call_count(), 0u);
}

TEST(Store, RefusesANewerVersionAndLeavesItAlone) {
  auto storage = formatted();
  std::string slot(kBlockSize, '\0');
  ASSERT_THAT(storage->read({ArrayKind::kSuperblock, 0}, kBlockSize, std::as_writable_bytes(std::span(slot))), IsOk());
  slot[0] = 'X';
  ASSERT_THAT(storage->write({ArrayKind::kSuperblock, 0}, kBlockSize, std::as_bytes(std::span(slot))), IsOk());
  EXPECT_THAT(Store::open(std::move(storage), {}), FailsWith(ErrorCode::kNotAStore));
}

TEST(StoreModelTest, RandomWorkIsKeptAndCountedExactly) {
  const std::uint64_t first = seed_or(1);
  const std::uint64_t last = std::getenv("COWFS_SEED") != nullptr ? first : first + 19;
  for (std::uint64_t seed = first; seed <= last; ++seed) {
    SCOPED_TRACE("COWFS_SEED=" + std::to_string(seed));
    auto storage = formatted();
    MemoryStorage* memory = storage.get();
    auto store = open_store(std::move(storage));
    StoreModel model(*store, seed);
    for (int i = 1; i <= 600; ++i) {
      ASSERT_NO_FATAL_FAILURE(model.step());
      if (i % 40 == 0) {
        ASSERT_THAT(store->sync(), IsOk());
      }
      if (i % 100 == 0) {
        ASSERT_THAT(store->verify(), IsOk());
      }
      if (i % 150 == 0) {
        ASSERT_THAT(store->reclaim_now(), IsOk());
      }
      if (i % 100 == 0) {
        ASSERT_NO_FATAL_FAILURE(StoreModel::compare(*store, model.state(), nullptr));
      }
    }
    ASSERT_THAT(store->sync(), IsOk());
    {
      auto again = open_store(memory->kill_image());
      ASSERT_NO_FATAL_FAILURE(StoreModel::compare(*again, model.state(), nullptr));
      ASSERT_THAT(again->verify(), IsOk());
    }
    ASSERT_NO_FATAL_FAILURE(model.delete_everything());
    ASSERT_THAT(store->reclaim_now(), IsOk());
    ASSERT_THAT(store->verify(), IsOk());
    EXPECT_EQ(store->space().live_blocks, 0u);
    // Nothing is left of the data; the metadata is a few nodes.
    EXPECT_LT(store->counters().live_nodes, 20u);
    ASSERT_THAT(store->close(), IsOk());
    auto objects = memory->list(ArrayKind::kObject);
    ASSERT_THAT(objects, IsOk());
    EXPECT_LE(objects->size(), 2u) << "only open packs are left";
  }
}

TEST(StoreCrash, EveryCutOpensAtACheckpointWithExactCounts) {
  const std::uint64_t first = seed_or(1);
  const std::uint64_t last = std::getenv("COWFS_SEED") != nullptr ? first : first + 3;
  for (std::uint64_t seed = first; seed <= last; ++seed) {
    auto storage = formatted();
    MemoryStorage* memory = storage.get();
    auto store = open_store(std::move(storage));
    StoreModel model(*store, seed);
    memory->start_recording();
    // What a crash may come back with: the state of each checkpoint, and from which call on it is durable.
    std::vector<std::pair<std::size_t, ModelState>> checkpoints{{0, model.state()}};
    for (int i = 1; i <= 120; ++i) {
      ASSERT_NO_FATAL_FAILURE(model.step());
      if (i % 12 != 0) continue;
      if (i % 36 == 0) {
        ASSERT_THAT(store->reclaim_now(), IsOk());
      }
      ASSERT_THAT(store->sync(), IsOk());
      checkpoints.emplace_back(memory->call_count(), model.state());
    }
    const std::size_t calls = memory->call_count();
    for (std::size_t cut = 0; cut <= calls; ++cut) {
      for (std::uint64_t choice = 0; choice < 3; ++choice) {
        SCOPED_TRACE("COWFS_SEED=" + std::to_string(seed) + " cut " + std::to_string(cut) + " choice " + std::to_string(choice));
        auto again = open_store(memory->crash_image(cut, CrashChoice::from_seed(cut * 3 + choice)));
        ASSERT_NE(again, nullptr);
        ASSERT_THAT(again->verify(), IsOk());
        // The newest that is durable at the cut, or the one that was being made.
        std::size_t newest = 0;
        while (newest + 1 < checkpoints.size() && checkpoints[newest + 1].first <= cut) ++newest;
        std::vector<std::string> names;
        for (const VolumeInfo& info : again->list_volumes()) names.push_back(info.name);
        bool matches = false;
        std::string why;
        for (std::size_t c = newest; c < std::min(newest + 2, checkpoints.size()) && !matches; ++c) {
          ::testing::TestPartResultArray results;
          {
            ::testing::ScopedFakeTestPartResultReporter quiet(
                ::testing::ScopedFakeTestPartResultReporter::INTERCEPT_ONLY_CURRENT_THREAD, &results);
            StoreModel::compare(*again, checkpoints[c].second, &model);
          }
          matches = results.size() == 0;
          if (!matches) why += std::string("\ncheckpoint ") + std::to_string(c) + ": " + results.GetTestPartResult(0).message();
        }
        ASSERT_TRUE(matches) << "neither checkpoint " << newest << " nor the next" << why;
      }
    }
  }
}

}  // namespace
}  // namespace cowfs
