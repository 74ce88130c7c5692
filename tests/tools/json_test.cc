// The shape of what `--json` prints.
#include "tools/common/json.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace cowfs {
namespace {

TEST(JsonAnswer, BeginsWithAHeaderThatSaysItsFormat) {
  const auto answer = json_answer("cowsnap", "list");
  EXPECT_EQ(answer["header"]["tool"], "cowsnap");
  EXPECT_EQ(answer["header"]["command"], "list");
  EXPECT_EQ(answer["header"]["format"], 1);
  EXPECT_EQ(answer["header"]["version"], COWFS_VERSION);
  EXPECT_EQ(answer.size(), 1u);
}

TEST(JsonNames, AreStringsWhereTheyAreUtf8) {
  nlohmann::ordered_json object;
  set_bytes(object, "name", "quo\"te\nline ü");
  EXPECT_EQ(object["name"], "quo\"te\nline ü");
  EXPECT_FALSE(object.contains("name_hex"));
}

TEST(JsonNames, KeepTheirBytesWhereTheyAreNoUtf8) {
  nlohmann::ordered_json object;
  set_bytes(object, "name", "a\xff\xc3z");
  EXPECT_EQ(object["name"], "a\ufffd\ufffdz");
  EXPECT_EQ(object["name_hex"], "61ffc37a");
  EXPECT_NO_THROW(object.dump());
}

}  // namespace
}  // namespace cowfs
