// The store under many threads: what each one relies on holds while the others work, and all counts
// are right at the end.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <future>
#include <thread>

#include "lib/storage/memory_storage.h"
#include "lib/store/store.h"
#include "tests/store/formatted.h"
#include "tests/support/result_matchers.h"
#include "tests/support/storage_doubles.h"

namespace cowfs {
namespace {

std::unique_ptr<Store> open_with_threads(std::unique_ptr<Storage> storage) {
  StoreOptions options;
  options.commit_interval = std::chrono::milliseconds(5);
  options.node_cache_bytes = 1 << 20;
  options.reserve_bytes = 0;
  auto store = Store::open(std::move(storage), options);
  EXPECT_THAT(store, IsOk());
  return store ? std::move(*store) : nullptr;
}

// Puts the same number under two keys in two transactions of one operation: a fork sees both or
// neither.
void write_pair(Store& store, std::uint64_t writer, std::uint64_t number) {
  Operation operation(store);
  auto blocks = store.allocate(1);
  ASSERT_THAT(blocks, IsOk());
  const std::vector<std::byte> data(kBlockSize, static_cast<std::byte>(number));
  ASSERT_THAT(store.write_blocks(blocks->front().object, blocks->front().first, data), IsOk());
  for (const char* half : {"first", "second"}) {
    UpdateView view(store, operation);
    Transaction transaction;
    transaction.put(kMainVolume, std::string(half) + std::to_string(writer),
                    std::to_string(number));
    if (*half == 's') {
      const std::string key = extent_key(InodeNumber{100 + writer}, number % 64);
      auto old = view.get(kMainVolume, key);
      ASSERT_THAT(old, IsOk());
      if (*old) transaction.release(decode_extent(key, **old)->blocks);
      transaction.put(kMainVolume, key,
                      encode_extent({number % 64, blocks->front(), store.birth_generation()}));
    }
    ASSERT_THAT(view.commit(transaction), IsOk());
  }
}

void check_pairs(Store& store, VolumeId volume, std::uint64_t writers) {
  ReadView view(store);
  for (std::uint64_t writer = 0; writer < writers; ++writer) {
    auto first = view.get(volume, "first" + std::to_string(writer));
    auto second = view.get(volume, "second" + std::to_string(writer));
    ASSERT_THAT(first, IsOk());
    ASSERT_THAT(second, IsOk());
    ASSERT_EQ(*first, *second);
  }
}

TEST(StoreThreads, AForkSeesOperationsWholeOrNotAtAll) {
  constexpr std::uint64_t kWriters = 3;
  auto store = open_with_threads(formatted());
  std::atomic<bool> stop{false};
  std::vector<std::jthread> threads;
  for (std::uint64_t writer = 0; writer < kWriters; ++writer) {
    threads.emplace_back([&, writer] {
      for (std::uint64_t number = 1; !stop && !::testing::Test::HasFatalFailure(); ++number)
        write_pair(*store, writer, number);
    });
  }
  threads.emplace_back([&] {
    while (!stop) EXPECT_THAT(store->sync(), IsOk());
  });
  for (int i = 0; i < 600; ++i) {
    const std::string name = "v" + std::to_string(i);
    auto made = store->fork_volume({}, kMainVolume, name,
                                   i % 2 == 0 ? VolumeKind::kSnapshot : VolumeKind::kFork);
    ASSERT_THAT(made, IsOk());
    ASSERT_NO_FATAL_FAILURE(check_pairs(*store, made->id, kWriters));
    if (i % 3 != 0) {
      ASSERT_THAT(store->delete_volume({}, made->id), IsOk());
    }
  }
  stop = true;
  threads.clear();
  EXPECT_THAT(store->verify(), IsOk());
  for (const VolumeInfo& volume : store->list_volumes()) {
    if (volume.id != kMainVolume) {
      EXPECT_THAT(store->delete_volume({}, volume.id), IsOk());
    }
  }
  EXPECT_THAT(store->reclaim_now(), IsOk());
  EXPECT_THAT(store->verify(), IsOk());
  EXPECT_LE(store->space().live_blocks, kWriters * 64);
  EXPECT_THAT(store->close(), IsOk());
}

TEST(StoreThreads, AReaderFromBeforeKeepsFreedBlocksReadable) {
  auto store = open_with_threads(formatted());
  ASSERT_NO_FATAL_FAILURE(write_pair(*store, 0, 7));
  Extent extent;
  {
    ReadView view(*store);
    const std::string key = extent_key(InodeNumber{100}, 7);
    extent = *decode_extent(key, **view.get(kMainVolume, key));
  }
  auto reader = std::make_unique<EpochGuard>(*store);
  {
    Operation operation(*store);
    UpdateView view(*store, operation);
    Transaction transaction;
    transaction.erase(kMainVolume, extent_key(InodeNumber{100}, 7));
    transaction.release(extent.blocks);
    ASSERT_THAT(view.commit(transaction), IsOk());
  }
  auto reclaim = std::async(std::launch::async, [&] { return store->reclaim_now(); });
  // It cannot come to its end, nor punch the block.
  EXPECT_EQ(reclaim.wait_for(std::chrono::seconds(1)), std::future_status::timeout);
  std::vector<std::byte> data(kBlockSize);
  ASSERT_THAT(store->read_data(extent.blocks.object, extent.blocks.first * kBlockSize, data),
              IsOk());
  EXPECT_EQ(data.front(), std::byte{7});
  reader.reset();
  EXPECT_THAT(reclaim.get(), IsOk());
  ASSERT_THAT(store->read_data(extent.blocks.object, extent.blocks.first * kBlockSize, data),
              IsOk());
  EXPECT_EQ(data.front(), std::byte{0});
}

TEST(StoreThreads, AFailedSyncStopsChangesAndKeepsTheLastCheckpoint) {
  auto memory = formatted();
  MemoryStorage* kept = memory.get();
  auto faulty = std::make_unique<FaultyStorage>(*memory);
  FaultyStorage* faults = faulty.get();
  StoreOptions options;
  options.background = false;
  options.reserve_bytes = 0;
  auto opened = Store::open(std::move(faulty), options);
  ASSERT_THAT(opened, IsOk());
  Store& store = **opened;
  const auto put = [&](const std::string& key) {
    Operation operation(store);
    UpdateView view(store, operation);
    Transaction transaction;
    transaction.put(kMainVolume, key, "value");
    return view.commit(transaction);
  };
  ASSERT_THAT(put("before"), IsOk());
  ASSERT_THAT(store.sync(), IsOk());
  ASSERT_THAT(put("after"), IsOk());
  faults->fail_matching(calls_of(StorageCallKind::kSync), Error{ErrorCode::kIo, "injected"});
  EXPECT_THAT(store.sync(), FailsWith(ErrorCode::kIo));
  EXPECT_THAT(put("more"), FailsWith(ErrorCode::kReadOnly));
  EXPECT_THAT(store.sync(), FailsWith(ErrorCode::kIo)) << "an error of a sync is not forgotten";
  auto again = Store::open(kept->kill_image(), options);
  ASSERT_THAT(again, IsOk());
  EXPECT_THAT((*again)->verify(), IsOk());
  ReadView view(**again);
  EXPECT_THAT(view.get(kMainVolume, "before"), HoldsValue(std::optional<std::string>("value")));
}

// Objects are made and blocks taken without the tree lock: a checkpoint may fall between any two
// steps of it.
TEST(StoreThreads, AKillBesideCheckpointsLosesNothingThatWasCommitted) {
  auto storage = formatted();
  MemoryStorage* memory = storage.get();
  StoreOptions options;
  options.background = false;
  options.reserve_bytes = 0;
  options.journal_segment_bytes = 64 << 10;
  auto opened = Store::open(std::move(storage), options);
  ASSERT_THAT(opened, IsOk());
  Store& store = **opened;
  std::atomic<std::uint64_t> committed = 0;
  constexpr std::uint64_t kLast = 8000;  // so many that states of objects are evicted, too
  // A test that fails in the middle stops them, too.
  std::jthread writer([&](const std::stop_token& stop) {
    const std::string block(kBlockSize, 'x');
    for (std::uint64_t file = 16; file <= kLast && !stop.stop_requested(); ++file) {
      Operation operation(store);
      const auto object = store.create_own_object(kMainVolume, InodeNumber{file}, 0);
      ASSERT_THAT(object, IsOk());
      const auto range = store.extend_own_object(*object, 0, 1);
      ASSERT_THAT(range, IsOk());
      ASSERT_THAT(store.write_blocks(*object, 0, std::as_bytes(std::span(block))), IsOk());
      UpdateView view(store, operation);
      Transaction transaction;
      transaction.put(kMainVolume, extent_key(InodeNumber{file}, 0),
                      encode_extent({0, *range, store.birth_generation()}));
      ASSERT_THAT(view.commit(transaction), IsOk());
      committed = file;
    }
  });
  std::jthread checkpoints([&](const std::stop_token& stop) {
    while (!stop.stop_requested()) ASSERT_THAT(store.checkpoint(), IsOk());
  });
  for (int round = 0; round < 40 && committed < kLast; ++round) {
    ASSERT_FALSE(::testing::Test::HasFailure());
    const std::uint64_t acknowledged = committed;
    auto again = Store::open(memory->kill_image(), options);
    ASSERT_THAT(again, IsOk());
    ASSERT_THAT((*again)->verify(), IsOk());
    ReadView view(**again);
    for (std::uint64_t file = 16; file <= acknowledged; ++file) {
      const auto extent = view.get(kMainVolume, extent_key(InodeNumber{file}, 0));
      ASSERT_TRUE(extent && *extent) << file;
    }
  }
}

}  // namespace
}  // namespace cowfs
