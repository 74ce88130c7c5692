#include "lib/store/store.h"

#include <gtest/gtest-spi.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <set>

#include "lib/storage/memory_storage.h"
#include "lib/store/superblock.h"
#include "tests/store/formatted.h"
#include "tests/store/store_model.h"
#include "tests/support/result_matchers.h"

namespace cowfs {
namespace {

std::uint64_t seed_or(std::uint64_t fallback) {
  const char* seed = std::getenv("COWFS_SEED");
  return seed != nullptr ? std::strtoull(seed, nullptr, 0) : fallback;
}

std::unique_ptr<Store> open_store(std::unique_ptr<Storage> storage, bool read_only = false,
                                  Omit omit = Omit::kNothing) {
  StoreOptions options;
  options.background = false;
  options.read_only = read_only;
  options.node_cache_bytes = 1 << 20;
  options.reserve_bytes = 0;
  options.journal_segment_bytes = 64 << 10;
  options.omit = omit;
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

void put_with(Store& store, const Operation& operation, const std::string& key,
              const std::string& value) {
  UpdateView view(store, operation);
  Transaction transaction;
  transaction.put(kMainVolume, key, value);
  ASSERT_THAT(view.commit(transaction), IsOk());
}

std::optional<std::string> get(Store& store, VolumeId volume, const std::string& key) {
  ReadView view(store);
  auto value = view.get(volume, key);
  EXPECT_THAT(value, IsOk());
  return value ? *value : std::nullopt;
}

TEST(Store, KeepsWhatWasAcknowledgedAcrossAKillAndWhatWasSyncedAcrossAPowerCut) {
  auto storage = formatted();
  MemoryStorage* memory = storage.get();
  auto store = open_store(std::move(storage));
  memory->start_recording();
  put(*store, kMainVolume, "synced", "1");
  ASSERT_THAT(store->sync(), IsOk());
  put(*store, kMainVolume, "not synced", "2");
  EXPECT_EQ(store->counters().checkpoints, 1u) << "a sync is no checkpoint";
  auto killed = open_store(memory->kill_image());
  EXPECT_EQ(get(*killed, kMainVolume, "synced"), "1");
  EXPECT_EQ(get(*killed, kMainVolume, "not synced"), "2");
  EXPECT_GT(killed->counters().replayed, 0u);
  EXPECT_THAT(killed->verify(), IsOk());
  auto cut = open_store(memory->crash_image(memory->call_count(), {CrashVariant::kNone, 1}));
  EXPECT_EQ(get(*cut, kMainVolume, "synced"), "1");
  EXPECT_EQ(get(*cut, kMainVolume, "not synced"), std::nullopt);
  EXPECT_THAT(cut->verify(), IsOk());
}

TEST(Store, ReadOnlyShowsWhatTheJournalHoldsAndWritesNothing) {
  auto storage = formatted();
  MemoryStorage* memory = storage.get();
  auto store = open_store(std::move(storage));
  for (int i = 0; i < 500; ++i)
    put(*store, kMainVolume, "key" + std::to_string(i), std::string(300, 'x'));
  auto killed = memory->kill_image();
  MemoryStorage* image = killed.get();
  image->start_recording();
  auto read_only = open_store(std::move(killed), true);
  EXPECT_EQ(get(*read_only, kMainVolume, "key499"), std::string(300, 'x'));
  EXPECT_EQ(image->call_count(), 0u);
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

// Whoever asks how much space is used has released blocks counted. Counts that make no sense break
// that off in the middle.
TEST(Store, CountsThatMakeNoSenseStopChangesWhoeverFindsThem) {
  auto store = open_store(formatted());
  const auto blocks = store->allocate(1);
  ASSERT_THAT(blocks, IsOk());
  const auto commit = [&](const auto& change) {
    Operation operation(*store);
    UpdateView view(*store, operation);
    Transaction transaction;
    change(transaction);
    return view.commit(transaction);
  };
  const std::string key = extent_key(InodeNumber{16}, 0);
  ASSERT_THAT(commit([&](Transaction& t) {
                t.put(kMainVolume, key,
                      encode_extent({0, blocks->front(), store->birth_generation()}));
              }),
              IsOk());
  EXPECT_EQ(store->space_now().live_blocks, 1u);
  ASSERT_THAT(commit([&](Transaction& t) {
                t.erase(kMainVolume, key);
                for (int more_than_there_are = 0; more_than_there_are < 2; ++more_than_there_are)
                  t.release(blocks->front());
              }),
              IsOk());
  (void)store->space_now();
  EXPECT_THAT(commit([&](Transaction& t) { t.put(kMainVolume, "more", "value"); }),
              FailsWith(ErrorCode::kReadOnly));
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
    EXPECT_THAT(store->fork_volume({}, kMainVolume, name, VolumeKind::kFork),
                FailsWith(ErrorCode::kInvalidArgument))
        << name;
  }
  EXPECT_THAT(store->fork_volume({}, kMainVolume, std::string(256, 'x'), VolumeKind::kFork),
              FailsWith(ErrorCode::kNameTooLong));
  EXPECT_THAT(store->fork_volume({}, kMainVolume, "main", VolumeKind::kFork),
              FailsWith(ErrorCode::kExists));
  EXPECT_THAT(store->fork_volume({}, kMainVolume, std::string(255, 'x'), VolumeKind::kFork),
              IsOk());
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
  EXPECT_THAT(reader->fork_volume({}, kMainVolume, "x", VolumeKind::kFork),
              FailsWith(ErrorCode::kReadOnly));
  EXPECT_THAT(reader->close(), IsOk());
  EXPECT_EQ(kept->call_count(), 0u);
}

// A store that was killed after a checkpoint which fell between the taking of blocks and the commit
// that refers to them.
std::unique_ptr<Store> killed_with_blocks_on_their_way(Omit omit) {
  auto storage = formatted();
  MemoryStorage* memory = storage.get();
  auto store = open_store(std::move(storage), false, omit);
  std::unique_ptr<MemoryStorage> killed;
  {
    Operation operation(*store);
    auto ranges = store->allocate(5);
    EXPECT_THAT(ranges, IsOk());
    put_with(*store, operation, "something", "else");
    EXPECT_THAT(store->checkpoint(), IsOk());
    killed = memory->kill_image();
    for (const BlockRange& range : *ranges) store->abandon(range);
  }
  EXPECT_THAT(store->verify(), IsOk());
  return open_store(std::move(killed), false, omit);
}

TEST(Store, BlocksOnTheirWayAtACheckpointAreGivenBackAfterAKill) {
  auto again = killed_with_blocks_on_their_way(Omit::kNothing);
  EXPECT_EQ(again->space().live_blocks, 0u);
  EXPECT_THAT(again->verify(), IsOk());
}

TEST(Store, BlocksOnTheirWayWouldLeakIfACheckpointDidNotRecordThem) {
  EXPECT_THAT(killed_with_blocks_on_their_way(Omit::kInFlightRecorded)->verify(),
              FailsWith(ErrorCode::kCorrupted));
}

TEST(Store, NeverTakesAPlaceTwiceNotEvenAfterAKill) {
  auto storage = formatted();
  MemoryStorage* memory = storage.get();
  auto store = open_store(std::move(storage));
  const auto take = [](Store& from) {
    Operation operation(from);
    auto ranges = from.allocate(1);
    EXPECT_THAT(ranges, IsOk());
    const BlockRange range = ranges->front();
    from.abandon(range);
    return range;
  };
  take(*store);
  ASSERT_THAT(store->sync(), IsOk());
  const BlockRange lost = take(*store);
  auto again = open_store(memory->kill_image());
  EXPECT_NE(take(*again), lost);
}

// What a session gave out is gone with a power cut, with the kernel's memory of it or without: a later
// session must not give the same number to something else.
TEST(Store, NeverTakesANumberTwiceNotEvenAfterAPowerCut) {
  std::set<std::uint64_t> inodes;
  std::set<std::uint64_t> objects;
  std::set<std::uint64_t> generations;
  auto storage = formatted();
  for (int session = 0; session < 8; ++session) {
    MemoryStorage* memory = storage.get();
    memory->start_recording();
    auto store = open_store(std::move(storage));
    ASSERT_TRUE(store);
    for (int i = 0; i < 3; ++i) {
      const auto inode = store->allocate_inode();
      ASSERT_THAT(inode, IsOk());
      EXPECT_TRUE(inodes.insert(raw(*inode)).second) << "session " << "session " << session;
      Operation operation(*store);
      const auto object = store->create_own_object(kMainVolume, *inode, 0);
      ASSERT_THAT(object, IsOk());
      EXPECT_TRUE(objects.insert(raw(*object)).second) << "session " << "session " << session;
    }
    for (int i = 0; i < 3; ++i) {
      const std::string name = std::to_string(session) + "." + std::to_string(i);
      ASSERT_THAT(store->fork_volume({}, kMainVolume, name, VolumeKind::kFork), IsOk());
      EXPECT_TRUE(generations.insert(raw(store->birth_generation())).second)
          << "session " << session;
    }
    put(*store, kMainVolume, "key", "value");
    if (session % 4 == 1) {
      ASSERT_THAT(store->sync(), IsOk());
    } else if (session % 4 == 2) {
      ASSERT_THAT(store->checkpoint(), IsOk());
    }
    if (session % 4 == 3) {
      storage = memory->kill_image();
    } else {
      storage = memory->crash_image(memory->call_count(), CrashChoice{});
    }
  }
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

// The newest superblock slot of a store, made unreadable.
void damage_newest_slot(Storage& storage) {
  auto slots = read_superblocks(storage);
  ASSERT_THAT(slots, IsOk());
  const std::string junk(kSuperblockSize, '\x5a');
  const std::uint64_t slot = slots->valid.front().checkpoint % kSuperblockSlots;
  ASSERT_THAT(storage.write({ArrayKind::kSuperblock, 0}, slot * kSuperblockSlotDistance + 8,
                            std::as_bytes(std::span(junk).first(kSuperblockSize - 8))),
              IsOk());
}

// A recorded history of random work: the state after each step, and which calls belong to it.
class History {
 public:
  explicit History(std::uint64_t seed, Omit omit = Omit::kNothing) : omit_(omit) {
    auto storage = formatted();
    memory_ = storage.get();
    store_ = open_store(std::move(storage), false, omit);
    model_ = std::make_unique<StoreModel>(*store_, seed);
    memory_->start_recording();
    std::mt19937_64 random(seed);
    steps_.push_back({0, 0, 0, model_->state()});
    for (int i = 1; i <= 120 && !::testing::Test::HasFatalFailure(); ++i) {
      Step step{memory_->call_count(), 0, 0, {}};
      model_->step();
      step.end = memory_->call_count();
      step.state = model_->state();
      step.durable = ~std::size_t{0};
      steps_.push_back(std::move(step));
      if (random() % 6 == 0) {
        EXPECT_THAT(store_->sync(), IsOk());
      } else if (random() % 12 == 0) {
        EXPECT_THAT(store_->checkpoint(), IsOk());
      } else if (random() % 24 == 0) {
        EXPECT_THAT(store_->reclaim_now(), IsOk());
      } else {
        continue;
      }
      for (auto it = steps_.rbegin(); it != steps_.rend() && it->durable == ~std::size_t{0}; ++it) {
        it->durable = memory_->call_count();
      }
    }
  }

  MemoryStorage& memory() { return *memory_; }

  /// Opens what a crash left and checks it against the steps that it may be: not older than the
  /// newest that was durable, after a kill (within the last call) not older than the newest that
  /// was acknowledged before it.
  void check(std::unique_ptr<MemoryStorage> image, std::size_t cut, bool killed) {
    auto again = open_store(std::move(image), false, omit_);
    ASSERT_NE(again, nullptr);
    ASSERT_THAT(again->verify(), IsOk());
    std::size_t oldest = 0;
    while (oldest + 1 < steps_.size() &&
           (killed ? steps_[oldest + 1].end < cut : steps_[oldest + 1].durable <= cut))
      ++oldest;
    std::string why;
    for (std::size_t s = oldest; s < steps_.size() && steps_[s].begin <= cut; ++s) {
      const std::string difference = differs(*again, steps_[s].state);
      if (difference.empty()) return works_on(*again, steps_[s].state);
      why += "\nstep " + std::to_string(s) + ": " + difference;
    }
    FAIL() << "it is no step from " << oldest << " on" << why;
  }

 private:
  struct Step {
    std::size_t begin;    // calls before it
    std::size_t end;      // calls when it was acknowledged
    std::size_t durable;  // calls when a sync after it had returned
    ModelState state;
  };

  std::string differs(Store& store, const ModelState& state) {
    ::testing::TestPartResultArray results;
    {
      ::testing::ScopedFakeTestPartResultReporter quiet(
          ::testing::ScopedFakeTestPartResultReporter::INTERCEPT_ONLY_CURRENT_THREAD, &results);
      StoreModel::compare(store, state, model_.get());
    }
    return results.size() == 0 ? "" : results.GetTestPartResult(0).message();
  }

  static void works_on(Store& store, const ModelState& state) {
    StoreModel model(store, 99);
    model.set_state(state);
    for (int i = 0; i < 5; ++i) ASSERT_NO_FATAL_FAILURE(model.step());
    ASSERT_THAT(store.sync(), IsOk());
    ASSERT_THAT(store.verify(), IsOk());
  }

  const Omit omit_;
  MemoryStorage* memory_ = nullptr;
  std::unique_ptr<Store> store_;
  std::unique_ptr<StoreModel> model_;
  std::vector<Step> steps_;
};

TEST(StoreCrash, EveryCutOpensAtAStepWithExactCounts) {
  const std::uint64_t first = seed_or(1);
  // some twenty times slower: one seed, each fourth cut
  const bool sanitized = std::getenv("COWFS_OPS") != nullptr;
  const std::uint64_t last = std::getenv("COWFS_SEED") != nullptr || sanitized ? first : first + 3;
  for (std::uint64_t seed = first; seed <= last; ++seed) {
    History history(seed);
    for (std::size_t cut = 0; cut <= history.memory().call_count(); cut += sanitized ? 4 : 1) {
      for (std::uint64_t i = 0; i < 3; ++i) {
        const CrashChoice choice = CrashChoice::from_seed(cut * 3 + i);
        SCOPED_TRACE("COWFS_SEED=" + std::to_string(seed) + " cut " + std::to_string(cut) + ": " +
                     to_string(choice));
        ASSERT_NO_FATAL_FAILURE(history.check(history.memory().crash_image(cut, choice), cut,
                                              choice.variant == CrashVariant::kKill));
      }
    }
  }
}

TEST(StoreCrash, TheOlderSlotAloneIsEnough) {
  History history(seed_or(5));
  for (std::size_t cut = 0; cut <= history.memory().call_count(); ++cut) {
    SCOPED_TRACE("cut " + std::to_string(cut));
    const CrashChoice choice = CrashChoice::from_seed(cut);
    auto image = history.memory().crash_image(cut, choice);
    auto slots = read_superblocks(*image);
    ASSERT_THAT(slots, IsOk());
    if (slots->valid.size() < 2) continue;
    ASSERT_NO_FATAL_FAILURE(damage_newest_slot(*image));
    ASSERT_NO_FATAL_FAILURE(
        history.check(std::move(image), cut, choice.variant == CrashVariant::kKill));
  }
}

}  // namespace
}  // namespace cowfs
