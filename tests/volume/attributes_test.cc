// setattr: modes, owners, times, sizes; set-ID bits and capabilities that changes take away.
#include "tests/volume/volume_fixture.h"

namespace cowfs {
namespace {

class AttributesOf : public VolumeTest {
 protected:
  Result<Attributes> set(InodeNumber inode, const AttributeChange& change) {
    return main().set_attributes(owner(), inode, change);
  }
  static AttributeChange permissions(mode_t mode) {
    AttributeChange change;
    change.permissions = mode;
    return change;
  }
  static AttributeChange size(std::uint64_t bytes) {
    AttributeChange change;
    change.size = bytes;
    return change;
  }
  static AttributeChange owner_uid(uid_t uid) {
    AttributeChange change;
    change.uid = uid;
    return change;
  }
  void give_capability(InodeNumber inode) {
    EXPECT_THAT(main().set_extended_attribute(owner(), inode, "security.capability", "cap",
                                              AttributeMode::kAny),
                IsOk());
  }
  bool has_capability(InodeNumber inode) {
    return main().get_extended_attribute(inode, "security.capability").has_value();
  }
};

TEST_F(AttributesOf, AFileChangeModeAndOwner) {
  const InodeNumber file = make_file("f");
  const Attributes before = stat(file);
  const auto changed = set(file, permissions(04755));
  ASSERT_THAT(changed, IsOk());
  EXPECT_EQ(changed->mode, S_IFREG | 04755u);
  EXPECT_LT(before.change_time, changed->change_time);
  EXPECT_EQ(before.modify_time, changed->modify_time);
  AttributeChange owners;
  owners.uid = 5;
  owners.gid = 6;
  ASSERT_THAT(set(file, owners), IsOk());
  EXPECT_EQ(stat(file).uid, 5u);
  EXPECT_EQ(stat(file).gid, 6u);
  EXPECT_THAT(set(InodeNumber{999}, permissions(0)), FailsWith(ErrorCode::kStale));
}

TEST_F(AttributesOf, TimesAreKeptToTheNanosecond) {
  const InodeNumber file = make_file("f");
  AttributeChange change;
  change.access_time = Timestamp{-5, 999'999'999};
  change.modify_time = Timestamp{std::int64_t{1} << 40, 1};
  const Timestamp start = now();
  ASSERT_THAT(set(file, change), IsOk());
  EXPECT_EQ(stat(file).access_time, *change.access_time);
  EXPECT_EQ(stat(file).modify_time, *change.modify_time);
  EXPECT_LE(start, stat(file).change_time);
  change.change_time = Timestamp{77, 7};
  ASSERT_THAT(set(file, change), IsOk());
  EXPECT_EQ(stat(file).change_time, *change.change_time);
  change.modify_time = Timestamp{0, 1'000'000'000};
  EXPECT_THAT(set(file, change), FailsWith(ErrorCode::kInvalidArgument));
}

TEST_F(AttributesOf, NothingToChangeLeavesTheTimesAlone) {
  const InodeNumber file = make_file("f");
  const Attributes before = stat(file);
  AttributeChange change;
  change.drop_privileges = true;
  ASSERT_THAT(set(file, change), IsOk());
  EXPECT_EQ(stat(file).change_time, before.change_time);
}

TEST_F(AttributesOf, ASizeMovesBothTimes) {
  const InodeNumber file = make_file("f");
  write_text(file, "0123456789");
  for (const std::uint64_t bytes : {4, 4, 9}) {
    const Attributes before = stat(file);
    const auto changed = set(file, size(bytes));
    ASSERT_THAT(changed, IsOk());
    EXPECT_EQ(changed->size, bytes);
    EXPECT_LT(before.modify_time, changed->modify_time);
    EXPECT_LT(before.change_time, changed->change_time);
  }
  EXPECT_EQ(read_text(main(), file, 20), std::string("0123\0\0\0\0\0", 9));
  AttributeChange both = size(2);
  both.modify_time = Timestamp{100, 0};
  both.permissions = 0600;
  ASSERT_THAT(set(file, both), IsOk());
  EXPECT_EQ(stat(file).modify_time, *both.modify_time);
  EXPECT_EQ(stat(file).mode, S_IFREG | 0600u);
  EXPECT_EQ(stat(file).size, 2u);
}

TEST_F(AttributesOf, OnlyFilesHaveASizeToSet) {
  EXPECT_THAT(set(make_directory("d"), size(0)), FailsWith(ErrorCode::kIsDirectory));
  const auto link = main().make_symlink(owner(), kRootInode, "l", "to");
  EXPECT_THAT(set(link->inode, size(0)), FailsWith(ErrorCode::kInvalidArgument));
  const InodeNumber file = make_file("f");
  EXPECT_THAT(set(file, size(kFileSizeLimit + 1)), FailsWith(ErrorCode::kFileTooLarge));
  EXPECT_THAT(set(file, size(kFileSizeLimit)), IsOk());
  EXPECT_EQ(stat(file).blocks, 0u);
}

TEST_F(AttributesOf, ANewOwnerTakesSetIdBitsAndCapabilities) {
  const InodeNumber file = make_file("f");
  ASSERT_THAT(set(file, permissions(06755)), IsOk());
  give_capability(file);
  ASSERT_THAT(set(file, owner_uid(3)), IsOk());
  EXPECT_EQ(stat(file).mode & 07777u, 0755u);
  EXPECT_FALSE(has_capability(file));
  ASSERT_THAT(set(file, permissions(06745)), IsOk());
  ASSERT_THAT(set(file, owner_uid(4)), IsOk());
  EXPECT_EQ(stat(file).mode & 07777u, 02745u) << "not executable by its group: mandatory locking";
  const InodeNumber directory = make_directory("d");
  ASSERT_THAT(set(directory, permissions(06755)), IsOk());
  ASSERT_THAT(set(directory, owner_uid(3)), IsOk());
  EXPECT_EQ(stat(directory).mode & 07777u, 06755u);
}

TEST_F(AttributesOf, TheKernelsWordDropsPrivileges) {
  const InodeNumber file = make_file("f");
  write_text(file, "text");
  for (const bool cut : {false, true}) {
    ASSERT_THAT(set(file, permissions(06755)), IsOk());
    give_capability(file);
    AttributeChange change = cut ? size(1) : AttributeChange{};
    change.drop_privileges = true;
    ASSERT_THAT(set(file, change), IsOk());
    EXPECT_EQ(stat(file).mode & 07777u, 0755u);
    EXPECT_FALSE(has_capability(file));
  }
  ASSERT_THAT(set(file, permissions(06755)), IsOk());
  ASSERT_THAT(set(file, size(2)), IsOk());
  EXPECT_EQ(stat(file).mode & 07777u, 06755u) << "only when it asks";
}

TEST_F(AttributesOf, AWriteDropsPrivilegesWhenAsked) {
  const InodeNumber file = make_file("f");
  ASSERT_THAT(set(file, permissions(06755)), IsOk());
  give_capability(file);
  const std::string text = "x";
  ASSERT_THAT(main().write(stranger(), file, 0, std::as_bytes(std::span(text)), true), IsOk());
  EXPECT_EQ(stat(file).mode & 07777u, 0755u);
  EXPECT_FALSE(has_capability(file));
}

TEST_F(AttributesOf, AReadOnlyVolumeNeverChange) {
  const InodeNumber file = make_file("f");
  const InodeNumber directory = make_directory("d");
  write_text(file, "text");
  Volume& snapshot = volume(fork("s", VolumeKind::kSnapshot).id);
  const auto is_read_only = FailsWith(ErrorCode::kReadOnly);
  EXPECT_THAT(snapshot.set_attributes(owner(), file, permissions(0)), is_read_only);
  EXPECT_THAT(snapshot.set_attributes(owner(), file, size(0)), is_read_only);
  EXPECT_THAT(snapshot.make_node(owner(), kRootInode, "x", S_IFREG, 0), is_read_only);
  EXPECT_THAT(snapshot.make_node(owner(), kRootInode, "x", S_IFREG, 0, true), is_read_only);
  EXPECT_THAT(snapshot.make_unnamed(owner(), kRootInode, 0600), is_read_only);
  EXPECT_THAT(snapshot.make_directory(owner(), kRootInode, "x", 0), is_read_only);
  EXPECT_THAT(snapshot.make_symlink(owner(), kRootInode, "x", "y"), is_read_only);
  EXPECT_THAT(snapshot.link(owner(), file, kRootInode, "x"), is_read_only);
  EXPECT_THAT(snapshot.unlink(owner(), kRootInode, "f"), is_read_only);
  EXPECT_THAT(snapshot.remove_directory(owner(), kRootInode, "d"), is_read_only);
  EXPECT_THAT(snapshot.rename(owner(), kRootInode, "f", directory, "x", RenameMode::kReplace),
              is_read_only);
  EXPECT_THAT(snapshot.set_extended_attribute(owner(), file, "user.a", "b", AttributeMode::kAny),
              is_read_only);
  EXPECT_THAT(snapshot.remove_extended_attribute(owner(), file, "user.a"), is_read_only);
  EXPECT_THAT(snapshot.open_file(file, true), is_read_only);
  EXPECT_THAT(snapshot.open_file(file, false), IsOk());
  EXPECT_EQ(read_text(snapshot, file, 9), "text");
  snapshot.close_file(file, false);
}

TEST_F(AttributesOf, AReadOnlyStoreNeverChange) {
  const InodeNumber file = make_file("f");
  StoreOptions options = quiet_store_options();
  options.read_only = true;
  reopen(options);
  EXPECT_THAT(main().make_node(owner(), kRootInode, "x", S_IFREG, 0),
              FailsWith(ErrorCode::kReadOnly));
  EXPECT_THAT(set(file, permissions(0)), FailsWith(ErrorCode::kReadOnly));
  EXPECT_THAT(main().open_file(file, true), FailsWith(ErrorCode::kReadOnly));
  EXPECT_THAT(main().open_file(file, false), IsOk());
  main().close_file(file, false);
}

TEST_F(AttributesOf, ADamagedInodeAreRefused) {
  const InodeNumber file = make_file("f");
  const std::string good = [&] {
    ReadView view(store());
    return **view.get(kMainVolume, inode_key(file));
  }();
  const auto put = [&](const std::string& value) {
    const Operation operation(store());
    UpdateView view(store(), operation);
    Transaction transaction;
    transaction.put(kMainVolume, inode_key(file), value);
    EXPECT_THAT(view.commit(transaction), IsOk());
  };
  std::vector<std::string> damaged{"", good.substr(1), good + "x"};
  damaged.push_back(good);
  damaged.back()[1] = '\0';  // no type
  damaged.push_back(good);
  damaged.back()[23] = '\xff';  // a size above 2^63
  damaged.push_back(good);
  damaged.back()[59] = '\xff';  // nanoseconds
  for (const std::string& value : damaged) {
    put(value);
    EXPECT_THAT(main().get_attributes(file), FailsWith(ErrorCode::kCorrupted));
    EXPECT_THAT(main().lookup(kRootInode, "f"), FailsWith(ErrorCode::kCorrupted));
    EXPECT_THAT(main().unlink(owner(), kRootInode, "f"), FailsWith(ErrorCode::kCorrupted));
  }
  put(good);
  EXPECT_THAT(main().unlink(owner(), kRootInode, "f"), IsOk());
}

}  // namespace
}  // namespace cowfs
