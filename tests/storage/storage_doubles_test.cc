// The doubles that other tests rely on: what blocks, what fails, what passes.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "lib/storage/memory_storage.h"
#include "tests/storage/bytes_support.h"
#include "tests/support/result_matchers.h"
#include "tests/support/storage_doubles.h"

namespace cowfs {
namespace {

const Error kBroken{ErrorCode::kIo, "broken on purpose"};

class Doubles : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_THAT(memory_.create(object_name(1)), IsOk());
    ASSERT_THAT(memory_.create(nodes_name(1)), IsOk());
    ASSERT_THAT(memory_.write(object_name(1), 0, as_bytes("data")), IsOk());
  }
  MemoryStorage memory_;
};

TEST_F(Doubles, PassEveryCallOn) {
  DelegatingStorage storage(memory_);
  EXPECT_TRUE(storage.limits().can_punch);
  ASSERT_THAT(storage.create(object_name(2)), IsOk());
  ASSERT_THAT(storage.write(object_name(2), 0, as_bytes("abcdef")), IsOk());
  ASSERT_THAT(storage.write_vector(object_name(2), 6, {as_bytes("g"), as_bytes("h")}), IsOk());
  ASSERT_THAT(storage.punch(object_name(2), 0, 2), IsOk());
  ASSERT_THAT(storage.resize(object_name(2), 7), IsOk());
  ASSERT_THAT(storage.reserve(object_name(2), 0, 9), IsOk());
  ASSERT_THAT(storage.sync(object_name(2)), IsOk());
  ASSERT_THAT(storage.sync_names(ArrayKind::kObject), IsOk());
  storage.start_writeback(object_name(2));
  EXPECT_THAT(storage.size(object_name(2)), HoldsValue(9U));
  EXPECT_EQ(read_text(storage, object_name(2), 0, 9), zeros(2) + "cdefg" + zeros(2));
  EXPECT_THAT(storage.list(ArrayKind::kObject), HoldsValue(std::vector<std::uint64_t>{1, 2}));
  EXPECT_THAT(storage.space(), IsOk());
  ASSERT_THAT(storage.remove(object_name(2)), IsOk());
  EXPECT_THAT(memory_.list(ArrayKind::kObject), HoldsValue(std::vector<std::uint64_t>{1}));
}

TEST_F(Doubles, ABlockedReadStandsStillWhileOtherCallsPass) {
  BlockingStorage storage(memory_);
  const auto gate = storage.block_next(calls_of(StorageCallKind::kRead, ArrayKind::kObject));
  std::atomic<bool> done = false;
  std::jthread reader([&] {
    EXPECT_EQ(read_text(storage, object_name(1), 0, 4), "data");
    done = true;
  });
  ASSERT_TRUE(gate->wait_until_blocked());
  EXPECT_TRUE(gate->is_blocked());
  EXPECT_EQ(read_text(storage, nodes_name(1), 0, 1), zeros(1));
  EXPECT_THAT(storage.write(object_name(1), 0, as_bytes("data")), IsOk());
  EXPECT_EQ(read_text(storage, object_name(1), 0, 4), "data") << "one call is blocked, not all";
  EXPECT_FALSE(done);
  gate->release();
  reader.join();
  EXPECT_TRUE(done);
  EXPECT_FALSE(gate->is_blocked());
}

TEST_F(Doubles, AGateThatWasReleasedEarlyLetsItsCallPass) {
  BlockingStorage storage(memory_);
  const auto gate = storage.block_next(any_call());
  gate->release();
  EXPECT_THAT(storage.sync(object_name(1)), IsOk());
  EXPECT_TRUE(gate->wait_until_blocked());
}

TEST_F(Doubles, WaitingForACallThatNeverComesEnds) {
  BlockingStorage storage(memory_);
  EXPECT_FALSE(storage.block_next(any_call())->wait_until_blocked(std::chrono::seconds(0)));
}

TEST_F(Doubles, ACallFailsByItsNumberOnceAndChangesNothing) {
  FaultyStorage storage(memory_);
  storage.fail_call(1, kBroken);
  EXPECT_EQ(read_text(storage, object_name(1), 0, 4), "data");
  EXPECT_THAT(storage.write(object_name(1), 0, as_bytes("1")), IsOk());
  EXPECT_THAT(storage.write(object_name(1), 0, as_bytes("2")), FailsWith(ErrorCode::kIo));
  EXPECT_EQ(read_text(storage, object_name(1), 0, 4), "1ata");
  EXPECT_THAT(storage.write(object_name(1), 0, as_bytes("3")), IsOk());
  EXPECT_EQ(storage.call_count(), 3U);
  EXPECT_EQ(storage.failure_count(), 1U);
}

TEST_F(Doubles, CallsFailFromANumberOnUntilHealed) {
  FaultyStorage storage(memory_);
  storage.fail_call(1, kBroken, FaultyStorage::Repeat::kAlways);
  EXPECT_THAT(storage.sync(object_name(1)), IsOk());
  EXPECT_THAT(storage.sync(object_name(1)), FailsWith(ErrorCode::kIo));
  EXPECT_THAT(storage.sync_names(ArrayKind::kNodes), FailsWith(ErrorCode::kIo));
  storage.heal();
  EXPECT_THAT(storage.sync(object_name(1)), IsOk());
}

TEST_F(Doubles, CallsFailByPredicateReadsToo) {
  FaultyStorage storage(memory_);
  storage.fail_matching(calls_of(StorageCallKind::kRead), kBroken);
  std::byte byte{};
  EXPECT_THAT(storage.sync(object_name(1)), IsOk());
  EXPECT_THAT(storage.read(object_name(1), 0, {&byte, 1}), FailsWith(ErrorCode::kIo));
  EXPECT_THAT(storage.read(object_name(1), 0, {&byte, 1}), IsOk());
}

TEST_F(Doubles, CountWhatTheyAreToldTo) {
  FaultyStorage storage(memory_);
  storage.count_only(calls_of(StorageCallKind::kRead));
  EXPECT_EQ(read_text(storage, object_name(1), 0, 4), "data");
  EXPECT_THAT(storage.sync(object_name(1)), IsOk());
  EXPECT_EQ(storage.call_count(), 1U);
}

TEST_F(Doubles, OwnTheStorageThatTheyAreGiven) {
  FaultyStorage storage(std::make_unique<MemoryStorage>());
  EXPECT_THAT(storage.create(object_name(9)), IsOk());
  EXPECT_THAT(storage.inner().list(ArrayKind::kObject), HoldsValue(std::vector<std::uint64_t>{9}));
}

}  // namespace
}  // namespace cowfs
