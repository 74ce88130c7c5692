// Records that no program of ours writes, with checksums that fit: refused where they are decoded.
#include <gtest/gtest.h>

#include <array>
#include <string_view>

#include "lib/store/log_entry.h"
#include "lib/store/records.h"

namespace cowfs {
namespace {

constexpr std::array<std::string_view, 7> kImpossibleNames = {
    ".", "..", ".cowfs", "a/b", "/", "../../etc", std::string_view("a\0b", 3)};

TEST(HostileRecords, OfVolumesWithNamesThatLeadElsewhereAreRefused) {
  VolumeRecord record;
  record.id = VolumeId{3};
  for (const std::string_view name : kImpossibleNames) {
    record.name = name;
    EXPECT_FALSE(decode_volume(volume_key(record.id), encode_volume(record))) << name;
  }
  for (const std::string_view name : {std::string_view(), std::string_view("...\n\xff")}) {
    record.name = name;
    EXPECT_TRUE(decode_volume(volume_key(record.id), encode_volume(record))) << name;
  }
}

TEST(HostileRecords, OfTheJournalCannotNameAVolumeLikeThatEither) {
  LoggedVolume entry;
  for (const auto action : {VolumeAction::kFork, VolumeAction::kRename}) {
    entry.action = action;
    for (const std::string_view name : kImpossibleNames) {
      entry.name = name;
      EXPECT_FALSE(decode_logged_volume(encode_logged_volume(entry))) << name;
    }
    entry.name = "";
    EXPECT_FALSE(decode_logged_volume(encode_logged_volume(entry)));
    entry.name = "monday";
    EXPECT_TRUE(decode_logged_volume(encode_logged_volume(entry)));
  }
  entry.action = VolumeAction::kDelete;
  entry.name = "";
  EXPECT_TRUE(decode_logged_volume(encode_logged_volume(entry)));
}

}  // namespace
}  // namespace cowfs
