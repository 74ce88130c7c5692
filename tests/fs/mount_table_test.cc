#include "fs/mount_table.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "tests/support/temp_dir.h"

namespace cowfs {
namespace {

constexpr const char* kTable =
    "21 26 0:19 / /proc rw,nosuid shared:12 - proc proc rw\n"
    "26 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n"
    "90 26 0:45 / /mnt/a rw,nosuid - fuse.cowfs /srv/first\\040store rw,user_id=0\n"
    "91 26 0:46 / /mnt/with\\040space\\134 rw - fuse.cowfs /srv/s rw\n"
    "92 90 0:47 / /mnt/a rw shared:3 master:1 - fuse.cowfs /srv/second rw\n"
    "a line that is cut\n";

TEST(MountTable, TheUppermostMountCounts) {
  const auto entry = find_mount(kTable, "/mnt/a");
  ASSERT_TRUE(entry);
  EXPECT_EQ(entry->type, "fuse.cowfs");
  EXPECT_EQ(entry->source, "/srv/second");
  EXPECT_EQ(entry->device, "0:47");
}

TEST(MountTable, EscapesAreUndone) {
  const auto entry = find_mount(kTable, "/mnt/with space\\");
  ASSERT_TRUE(entry);
  EXPECT_EQ(entry->source, "/srv/s");
}

TEST(MountTable, OtherTypesAreTold) { EXPECT_EQ(find_mount(kTable, "/")->type, "ext4"); }

TEST(MountTable, WhereNothingIsMountedNothingIsFound) {
  EXPECT_FALSE(find_mount(kTable, "/mnt"));
  EXPECT_FALSE(find_mount("", "/"));
}

TEST(MountTable, StoresThatAreMountedAreKnownBySource) {
  EXPECT_TRUE(is_mounted_from(kTable, "/srv/first store"));
  EXPECT_FALSE(is_mounted_from(kTable, "/srv/third"));
  EXPECT_FALSE(is_mounted_from(kTable, "/dev/sda1"));  // not a cowfs
}

TEST(MountTable, LinksToMountPointsAreFollowed) {
  const TempDir folder;
  const std::filesystem::path at = std::filesystem::canonical(folder.path());
  std::filesystem::create_directory(at / "mount");
  std::filesystem::create_symlink("mount", at / "link");
  std::filesystem::create_symlink(at / "link", at / "again");
  std::filesystem::create_symlink("b", at / "a");
  std::filesystem::create_symlink("a", at / "b");
  for (const char* name : {"mount", "link", "link/", "again"})
    EXPECT_EQ(path_of_mountpoint((at / name).string()).value(), at / "mount") << name;
  EXPECT_FALSE(path_of_mountpoint((at / "a").string()));
}

TEST(MountTable, PathsOfMountPointsAreAbsolute) {
  EXPECT_EQ(path_of_mountpoint("/").value(), "/");
  EXPECT_EQ(path_of_mountpoint("/proc/").value(), "/proc");
  EXPECT_EQ(path_of_mountpoint("//proc//").value(), "/proc");
  EXPECT_EQ(path_of_mountpoint("/proc/.").value(), "/proc");
  EXPECT_EQ(path_of_mountpoint("/proc/../proc").value(), "/proc");
  EXPECT_EQ(path_of_mountpoint("/nowhere/at/all").error().code, ErrorCode::kNotFound);
}

}  // namespace
}  // namespace cowfs
