// The power cuts of MemoryStorage, promise by promise: what is in every image, what in some, what
// in none.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <optional>
#include <ostream>
#include <set>
#include <string>
#include <vector>

#include "lib/storage/memory_storage.h"
#include "tests/storage/bytes_support.h"
#include "tests/support/result_matchers.h"

namespace cowfs {
namespace {

using ::testing::Contains;
using ::testing::Each;
using ::testing::Not;
using ::testing::UnorderedElementsAre;

constexpr std::uint64_t kSeeds = 700;  // a hundred of each variant
/// The bytes of an array, printed as runs: "o*8192 n*1 ".
struct Text {
  std::string bytes;
  Text(std::string text) : bytes(std::move(text)) {}
  Text(const char* text) : bytes(text) {}
  friend bool operator==(const Text&, const Text&) = default;
  friend void PrintTo(const Text& text, std::ostream* out) {
    for (std::size_t from = 0; from < text.bytes.size();) {
      const char byte = text.bytes[from];
      const std::size_t to = std::min(text.bytes.find_first_not_of(byte, from), text.bytes.size());
      *out << (byte == '\0' ? std::string("zero") : std::string(1, byte)) << "*" << to - from
           << " ";
      from = to;
    }
  }
};

const Text kGone = "(gone)";

class CrashImages : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_THAT(storage_.create(kArray), IsOk());
    ASSERT_THAT(storage_.write(kArray, 0, as_bytes(old_)), IsOk());
    storage_.start_recording();
  }

  static Text text_of(MemoryStorage& image, ArrayName name) {
    const auto size = image.size(name);
    return size ? Text(read_text(image, name, 0, *size)) : kGone;
  }

  /// What an array holds in the images of all seeds (of one variant only, if given), for a cut now.
  std::vector<Text> seen(ArrayName name, std::optional<CrashVariant> variant = {}) {
    return seen_at(storage_.call_count(), name, variant);
  }
  std::vector<Text> seen_at(std::size_t cut, ArrayName name,
                            std::optional<CrashVariant> variant = {}) {
    std::vector<Text> all;
    for (std::uint64_t seed = 0; seed < kSeeds; ++seed) {
      CrashChoice choice = CrashChoice::from_seed(seed);
      if (variant) choice.variant = *variant;
      all.push_back(text_of(*storage_.crash_image(cut, choice), name));
    }
    return all;
  }

  void write(ArrayName name, std::uint64_t offset, const std::string& text) {
    ASSERT_THAT(storage_.write(name, offset, as_bytes(text)), IsOk());
  }

  const std::string old_ = std::string(8192, 'o');
  const std::string new_ = std::string(8192, 'n');
  MemoryStorage storage_;
};

TEST_F(CrashImages, HoldWhatWasThereBeforeTheRecordingBegan) {
  EXPECT_THAT(seen(kArray), Each(old_));
}

TEST_F(CrashImages, HoldEverySyncedWrite) {
  write(kArray, 0, new_);
  ASSERT_THAT(storage_.sync(kArray), IsOk());
  EXPECT_THAT(seen(kArray), Each(new_));
}

TEST_F(CrashImages, HoldAnUnsyncedWriteSometimes) {
  write(kArray, 0, new_);
  EXPECT_THAT(seen(kArray), Contains(old_));
  EXPECT_THAT(seen(kArray), Contains(new_));
  EXPECT_THAT(seen(kArray, CrashVariant::kNone), Each(old_));
  EXPECT_THAT(seen(kArray, CrashVariant::kAll), Each(new_));
  EXPECT_THAT(seen(kArray, CrashVariant::kSubset), Contains(old_));
  EXPECT_THAT(seen(kArray, CrashVariant::kSubset), Contains(new_));
  EXPECT_THAT(seen(kArray, CrashVariant::kSubset), Each(::testing::AnyOf(old_, new_)));
}

TEST_F(CrashImages, OfAnEarlierCutKnowNothingOfLaterCalls) {
  write(kArray, 0, new_);
  ASSERT_THAT(storage_.sync(kArray), IsOk());
  EXPECT_THAT(seen_at(0, kArray), Each(old_));
  EXPECT_THAT(seen_at(1, kArray), Contains(old_)) << "a cut before the sync";
  EXPECT_THAT(seen_at(2, kArray), Each(new_));
}

TEST_F(CrashImages, SyncOneArrayAndNoOther) {
  ASSERT_THAT(storage_.create(object_name(2)), IsOk());
  ASSERT_THAT(storage_.sync_names(ArrayKind::kObject), IsOk());
  write(kArray, 0, new_);
  write(object_name(2), 0, "two");
  ASSERT_THAT(storage_.sync(object_name(2)), IsOk());
  EXPECT_THAT(seen(kArray), Contains(old_));
  EXPECT_THAT(seen(object_name(2)), Each("two"));
}

TEST_F(CrashImages, DoNotHoldAWriteThatCameAfterTheSyncForSure) {
  write(kArray, 0, new_);
  ASSERT_THAT(storage_.sync(kArray), IsOk());
  write(kArray, 0, std::string(8192, 'z'));
  EXPECT_THAT(seen(kArray), Contains(new_));
  for (const auto& [text] : seen(kArray)) EXPECT_EQ(text.find('o'), text.npos);
}

TEST_F(CrashImages, TearWritesAtSectorsAndNeverWithinOne) {
  write(kArray, 100, new_.substr(0, 5000));
  bool torn = false;
  for (const auto& [text] : seen(kArray, CrashVariant::kTorn)) {
    ASSERT_EQ(text.size(), old_.size());
    ASSERT_EQ(text.substr(0, 100) + text.substr(5100), old_.substr(0, 100) + old_.substr(5100));
    for (std::size_t sector = 0; sector < 5100; sector += 512) {
      const std::size_t from = std::max<std::size_t>(sector, 100);
      const std::string part = text.substr(from, std::min<std::size_t>(sector + 512, 5100) - from);
      ASSERT_EQ(part, std::string(part.size(), part.front())) << "sector at " << sector;
    }
    torn |= text.substr(100, 5000) != old_.substr(0, 5000) &&
            text.substr(100, 5000) != new_.substr(0, 5000);
  }
  EXPECT_TRUE(torn);
}

TEST_F(CrashImages, NeverTearAnAlignedSector) {
  write(kArray, 512, new_.substr(0, 512));
  for (const auto& [text] : seen(kArray)) {
    EXPECT_TRUE(text.substr(512, 512) == new_.substr(0, 512) || text == old_);
  }
}

TEST_F(CrashImages, MayShowASizeThatIsAheadOfItsBytes) {
  write(kArray, 8192, std::string(512, 'n'));
  EXPECT_THAT(seen(kArray, CrashVariant::kTorn), Contains(old_ + zeros(512)));
}

TEST_F(CrashImages, ReorderWritesOfOneArray) {
  write(kArray, 0, std::string(300, '1'));
  write(kArray, 200, std::string(312, '2'));
  const std::string rest = old_.substr(512);
  const std::string in_order = std::string(200, '1') + std::string(312, '2') + rest;
  const std::string reversed = std::string(300, '1') + std::string(212, '2') + rest;
  EXPECT_THAT(seen(kArray, CrashVariant::kReordered), Contains(in_order));
  EXPECT_THAT(seen(kArray, CrashVariant::kReordered), Contains(reversed));
  EXPECT_THAT(seen(kArray, CrashVariant::kTorn), Each(Not(reversed)));
}

TEST_F(CrashImages, ShowEveryPrefixOfTheCallsAndNothingElseWhenAskedForPrefixes) {
  for (std::uint64_t number = 2; number <= 5; ++number) {
    ASSERT_THAT(storage_.create(object_name(number)), IsOk());
  }
  ASSERT_THAT(storage_.sync_names(ArrayKind::kObject), IsOk());
  for (std::uint64_t number = 5; number >= 2; --number) write(object_name(number), 0, "x");
  std::set<std::string> combinations;
  for (std::uint64_t seed = 0; seed < kSeeds; ++seed) {
    const auto image = storage_.crash_image(storage_.call_count(), {CrashVariant::kPrefix, seed});
    std::string combination;
    for (std::uint64_t number = 5; number >= 2; --number) {
      combination += text_of(*image, object_name(number)) == Text("x") ? 'x' : '.';
    }
    combinations.insert(combination);
  }
  EXPECT_THAT(combinations, UnorderedElementsAre("....", "x...", "xx..", "xxx.", "xxxx"));
}

TEST_F(CrashImages, ShowEverySubsetOfUnsyncedWrites) {
  for (std::uint64_t page = 0; page < 3; ++page) write(kArray, page * 512, std::string(512, 'n'));
  std::set<std::string> combinations;
  for (const auto& [text] : seen(kArray, CrashVariant::kSubset)) {
    combinations.insert({text[0], text[512], text[1024]});
  }
  EXPECT_EQ(combinations.size(), 8U);
}

TEST_F(CrashImages, LoseACreatedArrayWithItsSyncedBytesUntilNamesAreSynced) {
  const ArrayName made = object_name(7);
  ASSERT_THAT(storage_.create(made), IsOk());
  write(made, 0, "content");
  ASSERT_THAT(storage_.sync(made), IsOk());
  EXPECT_THAT(seen(made), Contains(kGone));
  EXPECT_THAT(seen(made), Contains("content"));
  EXPECT_THAT(seen(made), Each(::testing::AnyOf(kGone, "content")));
  ASSERT_THAT(storage_.sync_names(ArrayKind::kNodes), IsOk());
  EXPECT_THAT(seen(made), Contains(kGone)) << "names of another kind were synced";
  ASSERT_THAT(storage_.sync_names(ArrayKind::kObject), IsOk());
  EXPECT_THAT(seen(made), Each("content"));
}

TEST_F(CrashImages, HoldASyncedNameWithOrWithoutItsUnsyncedBytes) {
  const ArrayName made = object_name(7);
  ASSERT_THAT(storage_.create(made), IsOk());
  write(made, 0, "content");
  ASSERT_THAT(storage_.sync_names(ArrayKind::kObject), IsOk());
  EXPECT_THAT(seen(made), Each(Not(kGone)));
  EXPECT_THAT(seen(made), Contains(""));
  EXPECT_THAT(seen(made), Contains("content"));
}

TEST_F(CrashImages, BringARemovedArrayBackUntilNamesAreSynced) {
  write(kArray, 0, new_);
  ASSERT_THAT(storage_.remove(kArray), IsOk());
  EXPECT_THAT(seen(kArray), Contains(kGone));
  EXPECT_THAT(seen(kArray), Contains(old_));
  EXPECT_THAT(seen(kArray), Contains(new_)) << "unsynced writes may come back with it";
  EXPECT_THAT(seen(kArray, CrashVariant::kNone), Each(old_));
  ASSERT_THAT(storage_.sync_names(ArrayKind::kObject), IsOk());
  EXPECT_THAT(seen(kArray), Each(kGone));
}

TEST_F(CrashImages, NeverMixAnArrayWithAnEarlierOneOfItsName) {
  ASSERT_THAT(storage_.remove(kArray), IsOk());
  ASSERT_THAT(storage_.create(kArray), IsOk());
  write(kArray, 0, "young");
  ASSERT_THAT(storage_.sync(kArray), IsOk());
  EXPECT_THAT(seen(kArray), Each(::testing::AnyOf(kGone, old_, "young")));
  EXPECT_THAT(seen(kArray), Contains(old_));
  ASSERT_THAT(storage_.sync_names(ArrayKind::kObject), IsOk());
  EXPECT_THAT(seen(kArray), Each("young"));
}

TEST_F(CrashImages, HoldUnsyncedPunchesWhollyPartlyOrNot) {
  ASSERT_THAT(storage_.punch(kArray, 0, 8192), IsOk());
  EXPECT_THAT(seen(kArray), Contains(old_));
  EXPECT_THAT(seen(kArray), Contains(zeros(8192)));
  EXPECT_THAT(seen(kArray, CrashVariant::kTorn), Contains(zeros(4096) + old_.substr(4096)));
  ASSERT_THAT(storage_.sync(kArray), IsOk());
  EXPECT_THAT(seen(kArray), Each(zeros(8192)));
}

TEST_F(CrashImages, HoldUnsyncedSizesSometimes) {
  ASSERT_THAT(storage_.resize(kArray, 3), IsOk());
  EXPECT_THAT(seen(kArray), Contains(old_));
  EXPECT_THAT(seen(kArray), Contains("ooo"));
  ASSERT_THAT(storage_.reserve(kArray, 0, 5), IsOk());
  EXPECT_THAT(seen(kArray), Contains("ooo" + zeros(2)));
  ASSERT_THAT(storage_.sync(kArray), IsOk());
  EXPECT_THAT(seen(kArray), Each("ooo" + zeros(2)));
}

TEST_F(CrashImages, CutTheLastWriteOfAKilledProcessAtAPage) {
  write(kArray, 0, new_);
  EXPECT_THAT(seen(kArray, CrashVariant::kKill),
              Each(::testing::AnyOf(old_, new_.substr(0, 4096) + old_.substr(4096), new_)));
  EXPECT_THAT(seen(kArray, CrashVariant::kKill),
              Contains(new_.substr(0, 4096) + old_.substr(4096)));
  write(kArray, 8192, "x");
  EXPECT_THAT(seen(kArray, CrashVariant::kKill), Each(::testing::AnyOf(new_, new_ + "x")));
}

TEST_F(CrashImages, AreTheSameForTheSameCutAndSeedInWhateverOrderTheyAreAskedFor) {
  for (int i = 0; i < 20; ++i) {
    write(kArray, static_cast<std::uint64_t>(i) * 300,
          std::string(700, static_cast<char>('a' + i)));
    if (i % 7 == 6) {
      ASSERT_THAT(storage_.sync(kArray), IsOk());
    }
  }
  const std::size_t cuts = storage_.call_count() + 1;
  std::vector<Text> forward;
  for (std::size_t cut = 0; cut < cuts; ++cut) {
    forward.push_back(text_of(*storage_.crash_image(cut, CrashChoice::from_seed(cut)), kArray));
  }
  for (std::size_t cut = cuts; cut-- > 0;) {
    EXPECT_EQ(text_of(*storage_.crash_image(cut, CrashChoice::from_seed(cut)), kArray),
              forward[cut]);
  }
}

TEST_F(CrashImages, LiveTheirOwnLives) {
  const auto first = storage_.crash_image(0, {CrashVariant::kNone, 0});
  ASSERT_THAT(first->write(kArray, 0, as_bytes(new_)), IsOk());
  write(kArray, 0, std::string(8192, 'z'));
  ASSERT_THAT(storage_.sync(kArray), IsOk());
  const auto second = storage_.crash_image(0, {CrashVariant::kNone, 0});
  const auto third = storage_.crash_image(2, {CrashVariant::kNone, 0});
  EXPECT_EQ(text_of(*first, kArray), new_);
  EXPECT_EQ(text_of(*second, kArray), old_);
  EXPECT_EQ(text_of(*third, kArray), std::string(8192, 'z'));
}

TEST(CrashChoices, NameTheirVariantAndSeed) {
  EXPECT_EQ(to_string(CrashChoice::from_seed(11)), "torn, seed 11");
  std::set<CrashVariant> variants;
  for (std::uint64_t seed = 0; seed < 7; ++seed)
    variants.insert(CrashChoice::from_seed(seed).variant);
  EXPECT_EQ(variants.size(), 7U);
}

}  // namespace
}  // namespace cowfs
