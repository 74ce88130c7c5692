#include "lib/base/error.h"

#include <gtest/gtest.h>

#include <memory>
#include <set>
#include <string>

namespace cowfs {
namespace {

Result<int> half(int number) {
  if (number % 2 != 0) return fail(ErrorCode::kInvalidArgument, "odd");
  return number / 2;
}

Result<void> check_even(int number) {
  if (number % 2 != 0) return fail(Error{ErrorCode::kRange, "check"});
  return {};
}

Result<int> quarter(int number) {
  COWFS_ASSIGN(const int once, half(number));
  COWFS_ASSIGN(const int twice, half(once));
  return twice;
}

Result<std::string> describe(int number) {
  COWFS_TRY(check_even(number));
  return std::string("even");
}

Result<std::unique_ptr<int>> box(int number) {
  if (number < 0) return fail(ErrorCode::kRange);
  return std::make_unique<int>(number);
}

Result<std::unique_ptr<int>> boxed(int number) {
  COWFS_ASSIGN(std::unique_ptr<int> made, box(number));
  return made;
}

TEST(Errors, AssignTakesTheValueOrReturnsTheError) {
  EXPECT_EQ(quarter(12).value(), 3);
  const Result<int> failed = quarter(6);
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(failed.error().text, "odd");
}

TEST(Errors, AssignMovesWhatCannotBeCopied) { EXPECT_EQ(*boxed(7).value(), 7); }

TEST(Errors, TryReturnsTheErrorToACallerOfAnotherType) {
  EXPECT_EQ(describe(2).value(), "even");
  ASSERT_FALSE(describe(3));
  EXPECT_EQ(describe(3).error().code, ErrorCode::kRange);
}

TEST(Errors, EveryCodeHasANameOfItsOwn) {
  std::set<std::string> names;
  for (int code = 0; code <= static_cast<int>(ErrorCode::kIo); ++code) {
    names.insert(std::string(error_code_name(static_cast<ErrorCode>(code))));
  }
  EXPECT_EQ(names.size(), static_cast<std::size_t>(ErrorCode::kIo) + 1);
  EXPECT_FALSE(names.contains(""));
  EXPECT_EQ(error_code_name(ErrorCode::kNotFound), "NotFound");
}

}  // namespace
}  // namespace cowfs
