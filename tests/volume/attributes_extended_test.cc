// Extended attributes.
#include <algorithm>

#include "tests/volume/volume_fixture.h"

namespace cowfs {
namespace {

class ExtendedAttributes : public VolumeTest {
 protected:
  void SetUp() override {
    VolumeTest::SetUp();
    file_ = make_file("f");
  }
  Result<void> set(std::string_view name, std::string_view value,
                   AttributeMode mode = AttributeMode::kAny) {
    return main().set_extended_attribute(owner(), file_, name, value, mode);
  }
  Result<std::string> get(std::string_view name) {
    return main().get_extended_attribute(file_, name);
  }
  std::vector<std::string> list() {
    auto names = *main().list_extended_attributes(file_);
    std::ranges::sort(names);
    return names;
  }

  InodeNumber file_{};
};

using Names = std::vector<std::string>;

TEST_F(ExtendedAttributes, KeepValuesOfEverySize) {
  for (const std::size_t size : {0, 1, 639, 640, 641, 1280, 65536, 5, 0, 2000}) {
    const std::string value(size, static_cast<char>('a' + size % 26));
    ASSERT_THAT(set("user.a", value), IsOk());
    EXPECT_THAT(get("user.a"), HoldsValue(value));
    EXPECT_EQ(list(), Names{"user.a"});
  }
  EXPECT_THAT(set("user.a", std::string(65537, 'x')), FailsWith(ErrorCode::kTooBig));
  EXPECT_EQ(get("user.a")->size(), 2000u);
}

TEST_F(ExtendedAttributes, OfAllPrefixesLiveSideBySide) {
  const std::string binary("\0\xff", 2);
  for (const char* name : {"user.a", "user.ab", "trusted.a", "security.capability",
                           "security.selinux", "system.other"}) {
    ASSERT_THAT(set(name, name + binary), IsOk());
  }
  EXPECT_EQ(list().size(), 6u);
  EXPECT_THAT(get("user.a"), HoldsValue("user.a" + binary));
  EXPECT_THAT(main().remove_extended_attribute(owner(), file_, "user.a"), IsOk());
  EXPECT_THAT(get("user.a"), FailsWith(ErrorCode::kNoData));
  EXPECT_THAT(get("user.ab"), HoldsValue("user.ab" + binary));
  EXPECT_EQ(list().size(), 5u);
}

TEST_F(ExtendedAttributes, ModesTellCreateFromReplace) {
  EXPECT_THAT(set("user.a", "1", AttributeMode::kReplace), FailsWith(ErrorCode::kNoData));
  EXPECT_THAT(set("user.a", "1", AttributeMode::kCreate), IsOk());
  EXPECT_THAT(set("user.a", "2", AttributeMode::kCreate), FailsWith(ErrorCode::kExists));
  EXPECT_THAT(set("user.a", "3", AttributeMode::kReplace), IsOk());
  EXPECT_THAT(get("user.a"), HoldsValue(std::string("3")));
  EXPECT_THAT(main().remove_extended_attribute(owner(), file_, "user.b"),
              FailsWith(ErrorCode::kNoData));
}

TEST_F(ExtendedAttributes, NamesHaveALength) {
  const std::string longest = "user." + std::string(250, 'x');
  EXPECT_THAT(set(longest, std::string(700, 'y')), IsOk());
  EXPECT_EQ(list(), Names{longest});
  EXPECT_THAT(set(longest + "x", "y"), FailsWith(ErrorCode::kRange));
  EXPECT_THAT(get(""), FailsWith(ErrorCode::kRange));
}

TEST_F(ExtendedAttributes, ChangingOneMovesTheChangeTimeOnly) {
  Attributes before = stat(file_);
  ASSERT_THAT(set("user.a", "1"), IsOk());
  EXPECT_LT(before.change_time, stat(file_).change_time);
  before = stat(file_);
  ASSERT_THAT(main().remove_extended_attribute(owner(), file_, "user.a"), IsOk());
  EXPECT_LT(before.change_time, stat(file_).change_time);
  EXPECT_EQ(before.modify_time, stat(file_).modify_time);
}

TEST_F(ExtendedAttributes, GoWithTheInodeAndOnlyWithIt) {
  ASSERT_THAT(set("user.a", std::string(65536, 'x')), IsOk());
  const InodeNumber other = make_file("g");
  EXPECT_TRUE(main().list_extended_attributes(other)->empty());
  EXPECT_THAT(main().unlink(owner(), kRootInode, "f"),
              IsOk());  // the checker looks for what is left
  EXPECT_THAT(get("user.a"), FailsWith(ErrorCode::kStale));
  EXPECT_THAT(set("user.a", "x"), FailsWith(ErrorCode::kStale));
  EXPECT_THAT(main().list_extended_attributes(file_), FailsWith(ErrorCode::kStale));
}

TEST_F(ExtendedAttributes, ThatFillMoreThanATransactionAreErasedInSteps) {
  for (int index = 0; index < 100; ++index) {
    ASSERT_THAT(
        set("user." + std::string(200, 'n') + std::to_string(index), std::string(65536, 'v')),
        IsOk());
  }
  EXPECT_THAT(main().unlink(owner(), kRootInode, "f"), IsOk());
  EXPECT_THAT(main().get_attributes(file_), FailsWith(ErrorCode::kStale));
  EXPECT_FALSE(main().has_orphans());
}

TEST_F(ExtendedAttributes, OfDirectoriesAndLinksWork) {
  const InodeNumber directory = make_directory("d");
  EXPECT_THAT(main().set_extended_attribute(owner(), directory, "user.a", "x", AttributeMode::kAny),
              IsOk());
  EXPECT_THAT(main().remove_directory(owner(), kRootInode, "d"), IsOk());
}

}  // namespace
}  // namespace cowfs
