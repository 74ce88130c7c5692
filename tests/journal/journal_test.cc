#include "lib/journal/journal.h"

#include <gtest/gtest.h>

#include <chrono>
#include <random>
#include <thread>

#include "lib/journal/journal_reader.h"
#include "lib/storage/memory_storage.h"
#include "tests/support/result_matchers.h"
#include "tests/support/storage_doubles.h"

namespace cowfs {
namespace {

constexpr std::uint64_t kSegment = 4096;  // small ones: a few records each
constexpr JournalPosition kNew{};         // as a new store's superblock has it

StoreId store_id() {
  StoreId id{};
  id.fill('s');
  return id;
}

class JournalTest : public ::testing::Test {
 protected:
  // A journal that goes on where the last one stopped, as Store::open begins it.
  std::unique_ptr<Journal> begin(Storage& storage, JournalPosition slot,
                                 std::uint64_t limit = 1 << 20) {
    auto reader = JournalReader::open(storage, store_id(), slot);
    EXPECT_THAT(reader, IsOk());
    auto journal = std::make_unique<Journal>(storage, limit, kSegment);
    EXPECT_THAT(journal->begin(store_id(), reader->last(), reader->next_session(),
                               reader->segments(slot.sequence)),
                IsOk());
    return journal;
  }

  static std::uint64_t append(Journal& journal, const std::string& body,
                              RecordType type = RecordType::kTransaction) {
    auto sequence =
        journal.append({.type = type, .generation = Generation{7}, .request_id = 9, .body = body});
    EXPECT_THAT(sequence, IsOk());
    return sequence.value_or(0);
  }
  static std::uint64_t mark(Journal& journal, std::uint64_t sequence) {
    return append(journal, ByteWriter().le(sequence).take(), RecordType::kMark);
  }

  // The bodies that count, from a slot's position on; marks left out.
  static std::vector<std::string> read(Storage& storage, JournalPosition slot) {
    std::vector<std::string> bodies;
    auto reader = JournalReader::open(storage, store_id(), slot);
    EXPECT_THAT(reader, IsOk());
    if (!reader) return {"cannot be read"};
    EXPECT_THAT(reader->replay([&](const JournalRecord& record) -> Result<void> {
      if (record.type != RecordType::kMark) bodies.emplace_back(record.body);
      return {};
    }),
                IsOk());
    return bodies;
  }

  MemoryStorage storage_;
};

std::vector<std::string> bodies(int count, const std::string& prefix = "record ") {
  std::vector<std::string> all;
  for (int i = 0; i < count; ++i) all.push_back(prefix + std::to_string(i) + std::string(300, '.'));
  return all;
}

TEST_F(JournalTest, ANewStoreHasNoRecords) {
  EXPECT_EQ(read(storage_, kNew), std::vector<std::string>{});
}

TEST_F(JournalTest, EverythingAppendedSurvivesAKillAcrossSegments) {
  auto journal = begin(storage_, kNew);
  const auto all = bodies(100);
  for (const auto& body : all) append(*journal, body);
  EXPECT_GT(journal->live_bytes(), 5 * kSegment);
  EXPECT_EQ(read(*storage_.kill_image(), kNew), all);
}

TEST_F(JournalTest, ARecordKeepsAllThatItWasGiven) {
  auto journal = begin(storage_, kNew);
  append(*journal, "body");
  auto reader = JournalReader::open(storage_, store_id(), kNew);
  ASSERT_THAT(reader, IsOk());
  ASSERT_THAT(reader->replay([](const JournalRecord& record) -> Result<void> {
    EXPECT_EQ(record.type, RecordType::kTransaction);
    EXPECT_EQ(record.generation, Generation{7});
    EXPECT_EQ(record.request_id, 9u);
    EXPECT_EQ(record.body, "body");
    return {};
  }),
              IsOk());
}

TEST_F(JournalTest, AfterAPowerCutRecordsCountUpToTheLastMark) {
  storage_.start_recording();
  auto journal = begin(storage_, kNew);
  const auto all = bodies(40);
  std::uint64_t last = 0;
  for (int i = 0; i < 25; ++i) last = append(*journal, all[i]);
  mark(*journal, last);
  for (int i = 25; i < 40; ++i) append(*journal, all[i]);
  ASSERT_THAT(journal->sync(), IsOk());
  // All of them are on the disk, but data of the last 15 may not be.
  auto cut = storage_.crash_image(storage_.call_count(), {CrashVariant::kNone, 1});
  EXPECT_EQ(read(*cut, kNew), std::vector(all.begin(), all.begin() + 25));
  auto kill = storage_.crash_image(storage_.call_count(), {CrashVariant::kKill, 1});
  EXPECT_EQ(read(*kill, kNew).size(), 40u) << "the last call was a sync: nothing is torn";
}

TEST_F(JournalTest, ATornTailIsDropped) {
  storage_.start_recording();
  auto journal = begin(storage_, kNew);
  const auto all = bodies(30);
  for (const auto& body : all) {
    const auto sequence = append(*journal, body);
    mark(*journal, sequence);
  }
  for (std::size_t cut = 0; cut <= storage_.call_count(); ++cut) {
    for (std::uint64_t seed = 0; seed < 8; ++seed) {
      auto image = storage_.crash_image(cut, CrashChoice::from_seed(cut * 8 + seed));
      const auto found = read(*image, kNew);
      ASSERT_LE(found.size(), all.size());
      ASSERT_TRUE(std::equal(found.begin(), found.end(), all.begin()))
          << "cut " << cut << " seed " << seed;
    }
  }
}

TEST_F(JournalTest, ADurableRecordThatCannotBeReadIsDamage) {
  auto journal = begin(storage_, kNew);
  const auto all = bodies(30);
  for (int i = 0; i < 20; ++i) append(*journal, all[i]);
  ASSERT_THAT(journal->sync(), IsOk());
  for (int i = 20; i < 25; ++i) append(*journal, all[i]);
  const JournalPosition middle = journal->position();
  for (int i = 25; i < 30; ++i) append(*journal, all[i]);
  std::byte byte{0x5a};
  for (const std::uint64_t segment : {0, 1}) {
    auto image = storage_.kill_image();
    ASSERT_THAT(image->write({ArrayKind::kJournal, segment}, 1500, Bytes(&byte, 1)), IsOk());
    EXPECT_THAT(JournalReader::open(*image, store_id(), kNew), FailsWith(ErrorCode::kCorrupted))
        << segment;
  }
  // While the session goes on, records that follow are enough to know.
  auto going_on = storage_.kill_image();
  ASSERT_THAT(
      going_on->write({ArrayKind::kJournal, middle.segment}, middle.offset + 40, Bytes(&byte, 1)),
      IsOk());
  EXPECT_THAT(JournalReader::open(*going_on, store_id(), kNew), FailsWith(ErrorCode::kCorrupted));
  // In a record that nothing knows to be durable it is a torn tail.
  auto image = storage_.kill_image();
  const JournalPosition end = journal->position();
  ASSERT_THAT(image->write({ArrayKind::kJournal, end.segment}, end.offset - 8, Bytes(&byte, 1)),
              IsOk());
  EXPECT_EQ(read(*image, kNew), std::vector(all.begin(), all.end() - 1));
}

TEST_F(JournalTest, AMissingSegmentThatWasDurableIsDamage) {
  auto journal = begin(storage_, kNew);
  for (const auto& body : bodies(30)) append(*journal, body);
  ASSERT_THAT(journal->sync(), IsOk());
  append(*journal, "after");
  ASSERT_THAT(storage_.remove({ArrayKind::kJournal, 1}), IsOk());
  EXPECT_THAT(JournalReader::open(storage_, store_id(), kNew), FailsWith(ErrorCode::kCorrupted));
}

TEST_F(JournalTest, SessionsFollowEachOtherAndWhatOneDroppedNeverComesBack) {
  storage_.start_recording();
  auto first = begin(storage_, kNew);
  const auto all = bodies(20);
  std::uint64_t last = 0;
  for (int i = 0; i < 10; ++i) last = append(*first, all[i]);
  mark(*first, last);
  for (int i = 10; i < 20; ++i) append(*first, all[i]);
  ASSERT_THAT(first->sync(), IsOk());
  auto cut = storage_.crash_image(storage_.call_count(), {CrashVariant::kAll, 1});
  auto second = begin(*cut, kNew);
  const auto more = bodies(15, "more ");
  for (const auto& body : more) append(*second, body);
  auto expected = std::vector(all.begin(), all.begin() + 10);
  expected.insert(expected.end(), more.begin(), more.end());
  EXPECT_EQ(read(*cut->kill_image(), kNew), expected);
  // A third one that begins right away, twice: its recovery was cut short.
  auto image = cut->kill_image();
  begin(*image, kNew);
  begin(*image, kNew);
  auto third = begin(*image, kNew);
  append(*third, "last");
  expected.push_back("last");
  EXPECT_EQ(read(*image, kNew), expected);
}

TEST_F(JournalTest, SegmentsAreUsedAgainAndOldRecordsInThemAreNotTakenForNewOnes) {
  auto journal = begin(storage_, kNew);
  JournalPosition slot;
  for (int round = 0; round < 50; ++round) {
    const JournalPosition begin_of_round = journal->position();
    for (const auto& body : bodies(20)) append(*journal, body);
    ASSERT_EQ(read(storage_, slot).size(), round == 0 ? 20u : 40u) << round;
    journal->release_before(slot.sequence);
    slot = begin_of_round;
  }
  EXPECT_LT(storage_.list(ArrayKind::kJournal)->size(), 12u);
}

TEST_F(JournalTest, IsBoundedAndLeavesRoomForWhatFreesSpace) {
  auto journal = begin(storage_, kNew, 6 * kSegment);
  journal->make_ready();
  const std::string body(1000, 'x');
  Result<std::uint64_t> appended = 0;
  int count = 0;
  for (; appended && count < 1000; ++count)
    appended = journal->append({RecordType::kTransaction, Generation{1}, 0, body});
  EXPECT_THAT(appended, FailsWith(ErrorCode::kNoSpace));
  EXPECT_TRUE(journal->is_half_full());
  EXPECT_LE(storage_.list(ArrayKind::kJournal)->size(), 6u);
  EXPECT_THAT(journal->append({RecordType::kTransaction, Generation{1}, 0, body, true}), IsOk());
  EXPECT_EQ(read(storage_, kNew).size(), static_cast<std::size_t>(count));
  journal->release_before(journal->position().sequence);
  EXPECT_THAT(journal->append({RecordType::kTransaction, Generation{1}, 0, body}), IsOk());
}

TEST_F(JournalTest, WhoWaitedForASyncThatCoversHisRecordsNeedsNoneOfHisOwn) {
  BlockingStorage blocking(storage_);
  auto journal = begin(blocking, kNew);
  append(*journal, "one");
  storage_.start_recording();
  auto gate = blocking.block_next(calls_of(StorageCallKind::kSync, ArrayKind::kJournal));
  {
    std::vector<std::jthread> syncing;
    syncing.emplace_back([&] { EXPECT_THAT(journal->sync_to(journal->last()), IsOk()); });
    ASSERT_TRUE(gate->wait_until_blocked());
    for (int i = 0; i < 4; ++i)
      syncing.emplace_back([&] { EXPECT_THAT(journal->sync_to(journal->last()), IsOk()); });
    std::this_thread::sleep_for(std::chrono::milliseconds(50));  // until they wait
    gate->release();
  }
  std::size_t names = 0;
  for (std::size_t i = 0; i < storage_.call_count(); ++i)
    names += storage_.call(i).kind == StorageCallKind::kSyncNames ? 1 : 0;
  EXPECT_EQ(names, 1u);
}

TEST_F(JournalTest, AFailedWriteLeavesNothingBehind) {
  FaultyStorage faulty(storage_);
  auto journal = begin(faulty, kNew);
  append(*journal, "one");
  faulty.fail_matching(calls_of(StorageCallKind::kWrite), Error{ErrorCode::kIo, "injected"});
  EXPECT_THAT(journal->append({RecordType::kTransaction, Generation{1}, 0, "two"}),
              FailsWith(ErrorCode::kIo));
  append(*journal, "three");
  EXPECT_EQ(read(storage_, kNew), (std::vector<std::string>{"one", "three"}));
}

TEST(JournalRecord, EveryFlippedBitIsNoticed) {
  const std::string good = encode_record(
      store_id(),
      {.type = RecordType::kTransaction, .sequence = 5, .durable = 3, .body = "the body"});
  ASSERT_TRUE(decode_record(store_id(), good));
  for (std::size_t bit = 0; bit < good.size() * 8; ++bit) {
    std::string bad = good;
    bad[bit / 8] = static_cast<char>(bad[bit / 8] ^ (1 << (bit % 8)));
    EXPECT_FALSE(decode_record(store_id(), bad)) << bit;
  }
  const std::string head = encode_segment_head(store_id(), {.first = 2, .previous = 1});
  ASSERT_TRUE(decode_segment_head(store_id(), head));
  for (std::size_t bit = 0; bit < head.size() * 8; ++bit) {
    std::string bad = head;
    bad[bit / 8] = static_cast<char>(bad[bit / 8] ^ (1 << (bit % 8)));
    EXPECT_FALSE(decode_segment_head(store_id(), bad)) << bit;
  }
}

TEST(JournalRecord, OfAnotherStoreIsNone) {
  StoreId other{};
  const std::string record = encode_record(other, {.sequence = 1, .body = {}});
  EXPECT_TRUE(decode_record(other, record));
  EXPECT_FALSE(decode_record(store_id(), record));
  EXPECT_FALSE(decode_record(other, std::string_view(record).substr(0, record.size() - 1)));
}

}  // namespace
}  // namespace cowfs
