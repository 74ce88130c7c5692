// What only a store in memory can show: its size limit, sparse arrays, its log, and images that
// share.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <vector>

#include "lib/storage/memory_storage.h"
#include "tests/storage/bytes_support.h"
#include "tests/support/result_matchers.h"

namespace cowfs {
namespace {

TEST(MemoryStore, TakesSpaceOnlyWhereItWasWritten) {
  MemoryStorage storage;
  ASSERT_THAT(storage.create(kArray), IsOk());
  ASSERT_THAT(storage.write(kArray, (std::uint64_t{1} << 40) - 5000, as_bytes("x")), IsOk());
  EXPECT_EQ(storage.used_bytes(), 4096U);
  ASSERT_THAT(storage.resize(kArray, 10), IsOk());
  EXPECT_EQ(storage.used_bytes(), 0U);
}

TEST(MemoryStore, SaysNoSpaceBeyondItsCapacityAndTakesNothingThen) {
  MemoryStorage storage({.capacity_bytes = 4 * 4096});
  ASSERT_THAT(storage.create(kArray), IsOk());
  ASSERT_THAT(storage.write(kArray, 0, as_bytes(std::string(3 * 4096, 'a'))), IsOk());
  EXPECT_THAT(storage.write(kArray, 2 * 4096, as_bytes(std::string(3 * 4096, 'b'))),
              FailsWith(ErrorCode::kNoSpace));
  EXPECT_THAT(storage.size(kArray), HoldsValue(3U * 4096));
  EXPECT_EQ(read_text(storage, kArray, 2 * 4096, 4096), std::string(4096, 'a'));
  EXPECT_THAT(storage.reserve(kArray, 0, 5 * 4096), FailsWith(ErrorCode::kNoSpace));
  EXPECT_THAT(storage.write(kArray, 0, as_bytes(std::string(3 * 4096, 'c'))), IsOk())
      << "space that is there already can be written again";
  EXPECT_EQ(storage.space()->free_bytes, 4096U);
}

TEST(MemoryStore, PunchResizeAndRemoveGiveSpaceBack) {
  MemoryStorage storage({.capacity_bytes = 4 * 4096});
  ASSERT_THAT(storage.create(kArray), IsOk());
  const std::string full(4 * 4096, 'a');
  ASSERT_THAT(storage.write(kArray, 0, as_bytes(full)), IsOk());
  ASSERT_THAT(storage.punch(kArray, 4095, 4098), IsOk());
  EXPECT_EQ(storage.space()->free_bytes, 4096U) << "one whole page lies in the range";
  ASSERT_THAT(storage.resize(kArray, 4096), IsOk());
  EXPECT_EQ(storage.space()->free_bytes, 3 * 4096U);
  ASSERT_THAT(storage.remove(kArray), IsOk());
  EXPECT_EQ(storage.space()->free_bytes, 4 * 4096U);
}

TEST(MemoryStore, AReservedRangeCanBeWrittenWhenNothingElseCan) {
  MemoryStorage storage({.capacity_bytes = 2 * 4096});
  ASSERT_THAT(storage.create(kArray), IsOk());
  ASSERT_THAT(storage.create(object_name(2)), IsOk());
  ASSERT_THAT(storage.reserve(kArray, 0, 2 * 4096), IsOk());
  EXPECT_THAT(storage.write(object_name(2), 0, as_bytes("x")), FailsWith(ErrorCode::kNoSpace));
  EXPECT_THAT(storage.write(kArray, 4096, as_bytes(std::string(4096, 'x'))), IsOk());
}

TEST(MemoryStore, CanBeToldNotToPunch) {
  MemoryStorage storage({.capacity_bytes = std::nullopt, .can_punch = false});
  ASSERT_THAT(storage.create(kArray), IsOk());
  EXPECT_FALSE(storage.limits().can_punch);
  EXPECT_THAT(storage.punch(kArray, 0, 1), FailsWith(ErrorCode::kNotSupported));
}

TEST(MemoryStore, RecordsChangesAndSyncsInOrderAndNoReadsAndNoFailures) {
  MemoryStorage storage;
  ASSERT_THAT(storage.create(nodes_name(1)), IsOk());
  storage.start_recording();
  ASSERT_THAT(storage.create(kArray), IsOk());
  EXPECT_THAT(storage.create(kArray), FailsWith(ErrorCode::kExists));
  ASSERT_THAT(storage.write_vector(kArray, 10, {as_bytes("ab"), as_bytes("c")}), IsOk());
  EXPECT_EQ(read_text(storage, kArray, 10, 3), "abc");
  ASSERT_THAT(storage.sync(kArray), IsOk());
  ASSERT_THAT(storage.sync_names(ArrayKind::kObject), IsOk());
  ASSERT_THAT(storage.remove(kArray), IsOk());
  std::vector<std::string> lines;
  for (std::size_t i = 0; i < storage.call_count(); ++i) {
    lines.push_back(to_string(storage.call(i)));
  }
  EXPECT_THAT(lines, ::testing::ElementsAre("create objects/00000000000001ff offset 0 length 0",
                                            "write objects/00000000000001ff offset 10 length 3",
                                            "sync objects/00000000000001ff offset 0 length 0",
                                            "sync_names objects/0000000000000000 offset 0 length 0",
                                            "remove objects/00000000000001ff offset 0 length 0"));
  storage.stop_recording();
  ASSERT_THAT(storage.create(kArray), IsOk());
  EXPECT_EQ(storage.call_count(), 5U);
}

TEST(MemoryStore, AKillLeavesEverythingThatWasWrittenAndImagesLiveTheirOwnLives) {
  MemoryStorage storage;
  storage.start_recording();
  ASSERT_THAT(storage.create(kArray), IsOk());
  ASSERT_THAT(storage.write(kArray, 0, as_bytes("unsynced")), IsOk());
  const auto first = storage.kill_image();
  const auto second = storage.kill_image();
  ASSERT_THAT(first->write(kArray, 0, as_bytes("changed!")), IsOk());
  ASSERT_THAT(storage.write(kArray, 0, as_bytes("original")), IsOk());
  EXPECT_EQ(read_text(*first, kArray, 0, 8), "changed!");
  EXPECT_EQ(read_text(*second, kArray, 0, 8), "unsynced");
  EXPECT_EQ(read_text(storage, kArray, 0, 8), "original");
  EXPECT_EQ(second->used_bytes(), 4096U);
  EXPECT_EQ(second->call_count(), 0U);
}

TEST(MemoryStore, ServesManyThreadsAndImagesAtOnce) {
  MemoryStorage storage;
  storage.start_recording();
  {
    std::vector<std::jthread> threads;
    for (std::uint64_t thread = 0; thread < 3; ++thread) {
      threads.emplace_back([&storage, thread] {
        const ArrayName name = object_name(thread);
        EXPECT_THAT(storage.create(name), IsOk());
        for (std::uint64_t i = 0; i < 200; ++i) {
          const std::string text = std::to_string(i);
          EXPECT_THAT(storage.write(name, i * 1000, as_bytes(text)), IsOk());
          EXPECT_EQ(read_text(storage, name, i * 1000, text.size()), text);
          if (i % 10 == 0) {
            EXPECT_THAT(storage.sync(name), IsOk());
          }
        }
      });
    }
    threads.emplace_back([&storage] {
      for (std::uint64_t seed = 0; seed < 50; ++seed) {
        const auto image = storage.crash_image(storage.call_count(), CrashChoice::from_seed(seed));
        const auto numbers = image->list(ArrayKind::kObject);
        ASSERT_THAT(numbers, IsOk());
        for (const std::uint64_t number : *numbers) {
          EXPECT_THAT(image->write(object_name(number), 0, as_bytes("mine")), IsOk());
        }
      }
    });
  }
  EXPECT_EQ(storage.call_count(), 3 * (1 + 200 + 20U));
}

}  // namespace
}  // namespace cowfs
