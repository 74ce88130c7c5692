// What lib/storage/storage.h promises, on every tenant.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/storage/bytes_support.h"
#include "tests/storage/tenants.h"

namespace cowfs {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class Conformance : public TenantTest {
 protected:
  void SetUp() override {
    TenantTest::SetUp();
    ASSERT_THAT(storage().create(kArray), IsOk());
  }
};
INSTANTIATE_TEST_SUITE_P(Tenants, Conformance, ::testing::Values(Tenant::kMemory, Tenant::kHost),
                         tenant_name);

TEST_P(Conformance, ANewArrayIsEmptyAndReadsAsZero) {
  EXPECT_THAT(storage().size(kArray), HoldsValue(0U));
  EXPECT_EQ(read_text(storage(), kArray, 0, 10), zeros(10));
}

TEST_P(Conformance, AWriteIsSeenByTheNextRead) {
  ASSERT_THAT(storage().write(kArray, 3, as_bytes("hello")), IsOk());
  EXPECT_EQ(read_text(storage(), kArray, 0, 10), zeros(3) + "hello" + zeros(2));
  EXPECT_THAT(storage().size(kArray), HoldsValue(8U));
}

TEST_P(Conformance, AnEmptyWriteDoesNotGrowTheArray) {
  ASSERT_THAT(storage().write(kArray, 100, {}), IsOk());
  EXPECT_THAT(storage().size(kArray), HoldsValue(0U));
}

TEST_P(Conformance, AVectorIsWrittenPartAfterPart) {
  ASSERT_THAT(storage().write_vector(kArray, 1, {as_bytes("ab"), {}, as_bytes("cde")}), IsOk());
  EXPECT_EQ(read_text(storage(), kArray, 0, 6), zeros(1) + "abcde");
}

TEST_P(Conformance, AVectorOfMorePartsThanTheHostTakesAtOnceIsWrittenWhole) {
  std::string expected;
  for (int i = 0; i < 3000; ++i) expected += std::to_string(i) + ",";
  std::vector<Bytes> parts;
  for (std::size_t at = 0; at < expected.size(); at += 5) {
    parts.push_back(as_bytes(std::string_view(expected).substr(at, 5)));
  }
  ASSERT_GT(parts.size(), 2048U);
  ASSERT_THAT(storage().write_vector(kArray, 7, parts), IsOk());
  EXPECT_EQ(read_text(storage(), kArray, 7, expected.size()), expected);
}

TEST_P(Conformance, TheSameNameIsNotMadeTwice) {
  EXPECT_THAT(storage().create(kArray), FailsWith(ErrorCode::kExists));
}

TEST_P(Conformance, CallsOnAMissingArrayFailWithItsNameInTheText) {
  const ArrayName missing = nodes_name(7);
  std::byte byte{};
  EXPECT_THAT(storage().read(missing, 0, {&byte, 1}), FailsWith(ErrorCode::kNotFound));
  EXPECT_THAT(storage().write(missing, 0, as_bytes("x")), FailsWith(ErrorCode::kNotFound));
  EXPECT_THAT(storage().reserve(missing, 0, 1), FailsWith(ErrorCode::kNotFound));
  EXPECT_THAT(storage().punch(missing, 0, 1), FailsWith(ErrorCode::kNotFound));
  EXPECT_THAT(storage().resize(missing, 1), FailsWith(ErrorCode::kNotFound));
  EXPECT_THAT(storage().size(missing), FailsWith(ErrorCode::kNotFound));
  EXPECT_THAT(storage().sync(missing), FailsWith(ErrorCode::kNotFound));
  const Result<void> removed = storage().remove(missing);
  ASSERT_THAT(removed, FailsWith(ErrorCode::kNotFound));
  EXPECT_THAT(removed.error().text, HasSubstr("nodes/0000000000000007"));
  EXPECT_THAT(removed.error().text, HasSubstr("remove"));
}

TEST_P(Conformance, ARemovedArrayIsGone) {
  ASSERT_THAT(storage().write(kArray, 0, as_bytes("x")), IsOk());
  ASSERT_THAT(storage().remove(kArray), IsOk());
  std::byte byte{};
  EXPECT_THAT(storage().read(kArray, 0, {&byte, 1}), FailsWith(ErrorCode::kNotFound));
  EXPECT_THAT(storage().list(ArrayKind::kObject), HoldsValue(std::vector<std::uint64_t>{}));
}

TEST_P(Conformance, AnArrayMadeAnewUnderAnOldNameHoldsNothingOfTheOldOne) {
  ASSERT_THAT(storage().write(kArray, 0, as_bytes("old")), IsOk());
  ASSERT_THAT(storage().remove(kArray), IsOk());
  ASSERT_THAT(storage().create(kArray), IsOk());
  EXPECT_THAT(storage().size(kArray), HoldsValue(0U));
  EXPECT_EQ(read_text(storage(), kArray, 0, 3), zeros(3));
}

TEST_P(Conformance, PunchedBytesReadAsZeroAndTheSizeStays) {
  const std::string text(3 * 4096, 'x');
  ASSERT_THAT(storage().write(kArray, 0, as_bytes(text)), IsOk());
  ASSERT_TRUE(storage().limits().can_punch) << "these tests need a host that punches";
  ASSERT_THAT(storage().punch(kArray, 100, 2 * 4096), IsOk());
  EXPECT_EQ(read_text(storage(), kArray, 0, text.size()),
            std::string(100, 'x') + zeros(2 * 4096) + std::string(4096 - 100, 'x'));
  ASSERT_THAT(storage().punch(kArray, 3 * 4096 - 1, 1 << 20), IsOk());
  EXPECT_THAT(storage().size(kArray), HoldsValue(text.size()));
}

TEST_P(Conformance, ACutArrayDoesNotShowItsOldBytesWhenItGrowsAgain) {
  ASSERT_THAT(storage().write(kArray, 0, as_bytes(std::string(9000, 'x'))), IsOk());
  ASSERT_THAT(storage().resize(kArray, 10), IsOk());
  ASSERT_THAT(storage().resize(kArray, 9000), IsOk());
  EXPECT_THAT(storage().size(kArray), HoldsValue(9000U));
  EXPECT_EQ(read_text(storage(), kArray, 0, 9000), std::string(10, 'x') + zeros(8990));
}

TEST_P(Conformance, AReservedRangeReadsAsZeroAndKeepsWhatWasThere) {
  ASSERT_THAT(storage().write(kArray, 4096, as_bytes("keep")), IsOk());
  ASSERT_THAT(storage().reserve(kArray, 0, 16384), IsOk());
  EXPECT_THAT(storage().size(kArray), HoldsValue(16384U));
  EXPECT_EQ(read_text(storage(), kArray, 4090, 14), zeros(6) + "keep" + zeros(4));
}

TEST_P(Conformance, TheLastByteOfTheLargestArrayCanBeUsedAndNoneBehindIt) {
  const std::uint64_t limit = storage().limits().max_array_bytes;
  ASSERT_THAT(storage().write(kArray, limit - 1, as_bytes("z")), IsOk());
  EXPECT_EQ(read_text(storage(), kArray, limit - 2, 4), zeros(1) + "z" + zeros(2));
  EXPECT_THAT(storage().size(kArray), HoldsValue(limit));
  EXPECT_THAT(storage().write(kArray, limit, as_bytes("z")), FailsWith(ErrorCode::kFileTooLarge));
  EXPECT_THAT(storage().write(kArray, ~std::uint64_t{0}, as_bytes("z")),
              FailsWith(ErrorCode::kFileTooLarge));
  EXPECT_THAT(storage().resize(kArray, limit + 1), FailsWith(ErrorCode::kFileTooLarge));
  EXPECT_THAT(storage().reserve(kArray, limit, 1), FailsWith(ErrorCode::kFileTooLarge));
  EXPECT_EQ(read_text(storage(), kArray, ~std::uint64_t{0} - 5, 4), zeros(4));
}

TEST_P(Conformance, AListIsOfOneKindAndAscending) {
  for (const std::uint64_t number : {0x300ULL, 0x2ULL, 0xfffffffffffffffeULL, 0x102ULL}) {
    ASSERT_THAT(storage().create(object_name(number)), IsOk());
  }
  ASSERT_THAT(storage().create(nodes_name(5)), IsOk());
  const auto objects = storage().list(ArrayKind::kObject);
  ASSERT_THAT(objects, IsOk());
  EXPECT_THAT(*objects, ElementsAre(0x2U, 0x102U, 0x1ffU, 0x300U, 0xfffffffffffffffeU));
  EXPECT_THAT(storage().list(ArrayKind::kNodes), HoldsValue(std::vector<std::uint64_t>{5}));
  EXPECT_THAT(storage().list(ArrayKind::kJournal), HoldsValue(std::vector<std::uint64_t>{}));
}

TEST_P(Conformance, TheSuperblockIsNumberZeroAlone) {
  EXPECT_THAT(storage().create({ArrayKind::kSuperblock, 1}),
              FailsWith(ErrorCode::kInvalidArgument));
  EXPECT_THAT(storage().list(ArrayKind::kSuperblock), HoldsValue(std::vector<std::uint64_t>{}));
  ASSERT_THAT(storage().create({ArrayKind::kSuperblock, 0}), IsOk());
  EXPECT_THAT(storage().list(ArrayKind::kSuperblock), HoldsValue(std::vector<std::uint64_t>{0}));
}

TEST_P(Conformance, EveryKindIsKeptApart) {
  const ArrayName names[] = {
      {ArrayKind::kSuperblock, 0}, nodes_name(0), object_name(0), {ArrayKind::kJournal, 0}};
  for (const ArrayName name : names) {
    ASSERT_THAT(storage().create(name), IsOk());
    ASSERT_THAT(storage().write(name, 0, as_bytes(to_string(name))), IsOk());
  }
  for (const ArrayName name : names) {
    EXPECT_EQ(read_text(storage(), name, 0, to_string(name).size()), to_string(name));
  }
}

TEST_P(Conformance, SyncsSucceedOnCleanAndOnChangedArrays) {
  EXPECT_THAT(storage().sync(kArray), IsOk());
  ASSERT_THAT(storage().write(kArray, 0, as_bytes("x")), IsOk());
  storage().start_writeback(kArray);
  storage().start_writeback(nodes_name(99));
  EXPECT_THAT(storage().sync(kArray), IsOk());
  for (const ArrayKind kind : {ArrayKind::kSuperblock, ArrayKind::kNodes, ArrayKind::kObject,
                               ArrayKind::kJournal, ArrayKind::kObject}) {
    EXPECT_THAT(storage().sync_names(kind), IsOk());
  }
}

TEST_P(Conformance, SpaceIsPlausible) {
  const auto space = storage().space();
  ASSERT_THAT(space, IsOk());
  EXPECT_GT(space->free_bytes, 0U);
  EXPECT_GE(space->total_bytes, space->free_bytes);
}

}  // namespace
}  // namespace cowfs
