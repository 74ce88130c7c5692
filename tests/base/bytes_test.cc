#include "lib/base/bytes.h"

#include <gtest/gtest.h>

#include <string>

namespace cowfs {
namespace {

using namespace std::string_literals;

TEST(ByteStrings, AreLittleEndianForValuesAndBigEndianForKeys) {
  EXPECT_EQ(ByteWriter().le(std::uint32_t{0x01020304}).take(), "\x04\x03\x02\x01"s);
  EXPECT_EQ(ByteWriter().be(std::uint32_t{0x01020304}).take(), "\x01\x02\x03\x04"s);
  EXPECT_EQ(ByteWriter().be(std::uint8_t{7}).be(std::uint16_t{0x0102}).bytes("ab").take(),
            "\x07\x01\x02"s + "ab");
}

TEST(ByteStrings, KeysSortAsTheirNumbersDo) {
  const std::uint64_t numbers[] = {
      0, 1, 255, 256, 65535, 65536, ~std::uint64_t{0} - 1, ~std::uint64_t{0}};
  for (std::size_t i = 1; i < std::size(numbers); ++i) {
    EXPECT_LT(ByteWriter().be(numbers[i - 1]).take(), ByteWriter().be(numbers[i]).take());
  }
}

TEST(ByteStrings, ReadBackWhatWasWritten) {
  const std::string text = ByteWriter()
                               .le(std::uint8_t{1})
                               .le(std::uint16_t{0x0203})
                               .be(std::uint64_t{0x1122334455667788})
                               .bytes("name")
                               .le(std::uint32_t{9})
                               .take();
  ByteReader reader(text);
  EXPECT_EQ(reader.le<std::uint8_t>(), 1);
  EXPECT_EQ(reader.le<std::uint16_t>(), 0x0203);
  EXPECT_EQ(reader.be<std::uint64_t>(), 0x1122334455667788U);
  EXPECT_EQ(reader.bytes(4), "name");
  EXPECT_FALSE(reader.done());
  EXPECT_EQ(reader.rest().size(), 4U);
  EXPECT_EQ(reader.le<std::uint32_t>(), 9U);
  EXPECT_TRUE(reader.done());
}

TEST(ByteStrings, AReadPastTheEndGivesNothingAndIsRemembered) {
  ByteReader number("abc");
  EXPECT_EQ(number.le<std::uint32_t>(), 0U);
  EXPECT_FALSE(number.ok());
  EXPECT_EQ(number.le<std::uint8_t>(), 0U) << "what is left after a failure is not read";
  EXPECT_FALSE(number.done());

  ByteReader text("abc");
  EXPECT_EQ(text.bytes(4), "");
  EXPECT_FALSE(text.ok());
  EXPECT_TRUE(text.rest().empty());

  ByteReader exact("abc");
  EXPECT_EQ(exact.bytes(3), "abc");
  EXPECT_TRUE(exact.done());
}

TEST(ByteStrings, StoreAndLoadAtAnyAlignment) {
  std::byte buffer[12] = {};
  store_le(buffer + 3, std::uint64_t{0x1122334455667788});
  EXPECT_EQ(load_le<std::uint64_t>(buffer + 3), 0x1122334455667788U);
  EXPECT_EQ(buffer[3], std::byte{0x88});
  EXPECT_EQ(buffer[2], std::byte{0});
  EXPECT_EQ(buffer[11], std::byte{0});
}

}  // namespace
}  // namespace cowfs
