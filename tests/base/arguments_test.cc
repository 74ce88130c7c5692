#include "lib/base/arguments.h"

#include <gtest/gtest.h>

#include <vector>

namespace cowfs {
namespace {

std::optional<std::string> found(const std::vector<std::string>& arguments) {
  return option_without_value(arguments);
}

TEST(Arguments, AnOptionWithoutItsValueIsFound) {
  EXPECT_EQ(found({"cowfs", "--log=", "/store"}), "--log=");
  EXPECT_EQ(found({"--a=b", "x", "--c="}), "--c=");
}

TEST(Arguments, AllElseIsLeftAlone) {
  EXPECT_EQ(found({}), std::nullopt);
  EXPECT_EQ(found({"--log", "", "-o=", "a=", "--log=x=", "--"}), std::nullopt);
  EXPECT_EQ(found({"cowsnap", "--", "--a="}), std::nullopt);
}

}  // namespace
}  // namespace cowfs
