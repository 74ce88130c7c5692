#include "fs/tree_offers.h"

#include <gtest/gtest.h>

#include "tests/support/result_matchers.h"

namespace cowfs {
namespace {

constexpr uid_t kUser = 61001;
constexpr uid_t kOther = 61002;
const TreeOffers::Time kBegin{std::chrono::hours(5)};

TreeOffers::Token token_of(std::uint8_t number) { return {number, 7}; }

TEST(TreeOffers, AreGoodOnce) {
  TreeOffers offers;
  ASSERT_THAT(offers.add(token_of(1), 42, kUser, kBegin), IsOk());
  EXPECT_THAT(offers.take(token_of(1), kUser, kBegin), HoldsValue(42u));
  EXPECT_THAT(offers.take(token_of(1), kUser, kBegin), FailsWith(ErrorCode::kAccessDenied));
}

TEST(TreeOffers, AreGoodForTheUserWhoGotThem) {
  TreeOffers offers;
  ASSERT_THAT(offers.add(token_of(1), 42, kUser, kBegin), IsOk());
  EXPECT_THAT(offers.take(token_of(1), kOther, kBegin), FailsWith(ErrorCode::kAccessDenied));
  EXPECT_THAT(offers.take(token_of(1), 0, kBegin), FailsWith(ErrorCode::kAccessDenied));
  EXPECT_THAT(offers.take(token_of(1), kUser, kBegin), HoldsValue(42u))
      << "taken away by somebody else";
}

TEST(TreeOffers, AreGoodForHalfAMinute) {
  TreeOffers offers;
  for (const std::uint8_t number : {std::uint8_t{1}, std::uint8_t{2}}) {
    ASSERT_THAT(offers.add(token_of(number), number, kUser, kBegin), IsOk());
  }
  const auto last = kBegin + std::chrono::seconds(30);
  EXPECT_THAT(offers.take(token_of(1), kUser, last), HoldsValue(1u));
  const auto after = last + std::chrono::nanoseconds(1);
  EXPECT_THAT(offers.take(token_of(2), kUser, after), FailsWith(ErrorCode::kAccessDenied));
}

TEST(TreeOffers, AreLimitedAndThoseWhoseTimeIsOverMakeRoom) {
  TreeOffers offers;
  TreeOffers::Token token{};
  for (std::size_t i = 0; i < TreeOffers::kMost; ++i) {
    token[0] = static_cast<std::uint8_t>(i);
    token[1] = static_cast<std::uint8_t>(i >> 8);
    ASSERT_THAT(offers.add(token, i, kUser, kBegin), IsOk());
  }
  token[2] = 1;
  EXPECT_THAT(offers.add(token, 1, kUser, kBegin), FailsWith(ErrorCode::kBusy));
  EXPECT_THAT(offers.add(token, 1, kUser, kBegin + std::chrono::seconds(31)), IsOk());
}

}  // namespace
}  // namespace cowfs
