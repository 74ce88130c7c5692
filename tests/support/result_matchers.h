// GoogleMock matchers for Result<T>: `EXPECT_THAT(call(), IsOk())`, `EXPECT_THAT(call(),
// FailsWith(ErrorCode::kIo))`.
#pragma once

#include <gmock/gmock.h>

#include <ostream>
#include <type_traits>

#include "lib/base/error.h"

namespace cowfs {

inline void PrintTo(const Error& error, std::ostream* out) {
  *out << error_code_name(error.code) << " (" << error.text << ")";
}

inline void PrintTo(ErrorCode code, std::ostream* out) { *out << error_code_name(code); }

MATCHER(IsOk, negation ? "fails" : "succeeds") {
  if (arg.has_value()) return true;
  *result_listener << "failed with " << error_code_name(arg.error().code) << ": "
                   << arg.error().text;
  return false;
}

MATCHER_P(FailsWith, code,
          (negation ? "does not fail with " : "fails with ") + std::string(error_code_name(code))) {
  if (arg.has_value()) {
    *result_listener << "succeeded";
    return false;
  }
  *result_listener << "failed with " << error_code_name(arg.error().code) << ": "
                   << arg.error().text;
  return arg.error().code == code;
}

MATCHER_P(HoldsValue, value, "") {
  if (!arg.has_value()) {
    *result_listener << "failed with " << error_code_name(arg.error().code) << ": "
                     << arg.error().text;
    return false;
  }
  return ::testing::ExplainMatchResult(::testing::Eq(value), *arg, result_listener);
}

}  // namespace cowfs
