// Access control lists: what is one, what it grants, what new files inherit, how mode and list
// follow each other.
#include "lib/volume/acl.h"

#include <algorithm>

#include "lib/volume/attribute_item.h"
#include "lib/volume/tree_clone.h"
#include "tests/volume/acl_support.h"
#include "tests/volume/volume_fixture.h"

namespace cowfs {
namespace {

const std::string kAccess{kAccessAclAttribute};
const std::string kDefault{kDefaultAclAttribute};

RequestContext in_groups(uid_t uid, std::vector<gid_t> groups) {
  RequestContext context;
  context.uid = uid;
  context.gid = uid;
  context.groups = std::move(groups);
  return context;
}

TEST(Acl, IsReadAndWrittenAsTheKernelHasIt) {
  const std::string bytes = acl_bytes("u::rwx,u:61001:r--,g::r-x,g:61002:-w-,m::rwx,o::---");
  const auto list = Acl::decode(bytes);
  ASSERT_THAT(list, IsOk());
  EXPECT_EQ(list->encode(), bytes);
  EXPECT_EQ(list->permissions(), 0770u);
  EXPECT_FALSE(list->is_minimal());
  EXPECT_TRUE(Acl::decode(acl_bytes("u::rw-,g::r--,o::r--"))->is_minimal());
}

TEST(Acl, IsRefusedWhereTheKernelWouldRefuseIt) {
  for (const char* text :
       {"", "u::rwx", "u::rwx,g::r-x", "g::r-x,u::rwx,o::---", "u::rwx,o::---,g::r-x",
        "u::rwx,u::rwx,g::r-x,o::---", "u::rwx,g::r-x,o::---,o::---",
        "u::rwx,u:1:r--,g::r-x,o::---", "u::rwx,g::r-x,g:1:r--,o::---",
        "u::rwx,g::r-x,m::r--,m::r--,o::---", "u::rwx,g::r-x,u:1:r--,m::rwx,o::---",
        "u::rwx,u:4294967295:r--,g::r-x,m::rwx,o::---"}) {
    EXPECT_THAT(Acl::decode(acl_bytes(text)), FailsWith(ErrorCode::kInvalidArgument)) << text;
  }
  const std::string sound = acl_bytes("u::rwx,g::r-x,o::---");
  for (std::size_t size = 0; size < sound.size(); ++size) {
    EXPECT_THAT(Acl::decode(sound.substr(0, size)), FailsWith(ErrorCode::kInvalidArgument)) << size;
  }
  std::string changed = sound;
  changed[0] = 3;  // the version
  EXPECT_THAT(Acl::decode(changed), FailsWith(ErrorCode::kInvalidArgument));
  changed = sound;
  changed[6] = 8;  // a permission that there is not
  EXPECT_THAT(Acl::decode(changed), FailsWith(ErrorCode::kInvalidArgument));
  changed = sound;
  changed[4] = 64;  // a tag that there is not
  EXPECT_THAT(Acl::decode(changed), FailsWith(ErrorCode::kInvalidArgument));
}

TEST(Acl, HasALimit) {
  const auto with_users = [](std::size_t count) {
    std::string text = "u::rwx";
    for (std::size_t i = 0; i < count; ++i) text += ",u:" + std::to_string(i) + ":r--";
    return acl_bytes(text + ",g::r-x,m::rwx,o::---");
  };
  EXPECT_THAT(Acl::decode(with_users(kAclEntryLimit - 4)), IsOk());
  EXPECT_LE(with_users(kAclEntryLimit - 4).size(), 4096u);
  EXPECT_THAT(Acl::decode(with_users(kAclEntryLimit - 3)), FailsWith(ErrorCode::kInvalidArgument));
}

TEST(Acl, GrantsWhatTheFirstMatchingEntrySaysWithinTheMask) {
  const auto list =
      Acl::decode(acl_bytes("u::rwx,u:10:rwx,u:11:---,g::r--,g:20:-w-,g:21:r-x,m::rw-,o::r--"));
  ASSERT_THAT(list, IsOk());
  const auto may = [&](const RequestContext& who, mode_t wanted) {
    return list->grants(who, 30, wanted);
  };
  EXPECT_TRUE(may(in_groups(10, {}), 6));
  EXPECT_FALSE(may(in_groups(10, {}), 1)) << "the mask takes it";
  EXPECT_FALSE(may(in_groups(11, {21}), 4)) << "the named user comes before groups";
  EXPECT_TRUE(may(in_groups(12, {30}), 4)) << "the owning group";
  EXPECT_FALSE(may(in_groups(12, {30}), 2));
  EXPECT_TRUE(may(in_groups(12, {30, 20}), 2)) << "another group of the caller";
  EXPECT_FALSE(may(in_groups(12, {30, 20}), 6)) << "no single group has both";
  EXPECT_FALSE(may(in_groups(12, {20}), 4)) << "who is in a group is not among the others";
  EXPECT_TRUE(may(in_groups(12, {}), 4));
  EXPECT_FALSE(may(in_groups(12, {}), 2));
}

class Acls : public VolumeTest {
 protected:
  Result<void> set(InodeNumber inode, const std::string& name, const std::string& text,
                   const RequestContext& context = owner()) {
    return main().set_extended_attribute(context, inode, name, acl_bytes(text),
                                         AttributeMode::kAny);
  }
  Result<std::string> get(InodeNumber inode, const std::string& name) {
    return main().get_extended_attribute(inode, name);
  }
  void expect_list(InodeNumber inode, const std::string& name, const std::string& text) {
    EXPECT_THAT(get(inode, name), HoldsValue(acl_bytes(text)));
  }
  void expect_none(InodeNumber inode, const std::string& name) {
    EXPECT_THAT(get(inode, name), FailsWith(ErrorCode::kNoData));
  }
  mode_t mode(InodeNumber inode) { return stat(inode).mode & 07777; }
  InodeNumber directory_with(const std::string& default_list) {
    const InodeNumber made = make_directory("d");
    EXPECT_THAT(set(made, kDefault, default_list), IsOk());
    return made;
  }
  static RequestContext with_umask(mode_t umask) {
    RequestContext context = owner();
    context.umask = umask;
    return context;
  }
  void damage(InodeNumber inode, const std::string& name, const std::string& value) {
    const Operation operation(store());
    UpdateView view(store(), operation);
    Transaction transaction;
    put_attribute(transaction, kMainVolume, inode, name, value, std::nullopt);
    ASSERT_THAT(view.commit(transaction), IsOk());
  }
};

TEST_F(Acls, OfAFileChangeItsMode) {
  const InodeNumber file = make_file("f");
  ASSERT_THAT(set(file, kAccess, "u::rwx,u:61001:rw-,g::r--,m::rw-,o::--x"), IsOk());
  EXPECT_EQ(mode(file), 0761u);
  expect_list(file, kAccess, "u::rwx,u:61001:rw-,g::r--,m::rw-,o::--x");
  EXPECT_EQ(*main().list_extended_attributes(file), std::vector<std::string>{kAccess});
}

TEST_F(Acls, ThatAModeSaysAsWellAreNotKept) {
  const InodeNumber file = make_file("f");
  ASSERT_THAT(set(file, kAccess, "u::rwx,u:61001:rw-,g::r--,m::rw-,o::---"), IsOk());
  ASSERT_THAT(set(file, kAccess, "u::rw-,g::-w-,o::r--"), IsOk());
  EXPECT_EQ(mode(file), 0624u);
  expect_none(file, kAccess);
  EXPECT_TRUE(main().list_extended_attributes(file)->empty());
}

TEST_F(Acls, ThatChangeNothingMoveNoTime) {
  const InodeNumber file = make_file("f");
  ASSERT_THAT(set(file, kAccess, "u::rw-,u:61001:rw-,g::r--,m::rw-,o::---"), IsOk());
  const Attributes before = stat(file);
  ASSERT_THAT(set(file, kAccess, "u::rw-,u:61001:rw-,g::r--,m::rw-,o::---"), IsOk());
  EXPECT_EQ(stat(file).change_time, before.change_time);
  ASSERT_THAT(set(file, kAccess, "u::rw-,u:61001:r--,g::r--,m::rw-,o::---"), IsOk());
  EXPECT_LT(before.change_time, stat(file).change_time);
}

TEST_F(Acls, FollowChmodInOwnerMaskAndOthers) {
  const InodeNumber file = make_file("f");
  ASSERT_THAT(set(file, kAccess, "u::rwx,u:61001:rw-,g::r--,m::rw-,o::---"), IsOk());
  AttributeChange change;
  change.permissions = 0417;
  ASSERT_THAT(main().set_attributes(owner(), file, change), IsOk());
  expect_list(file, kAccess, "u::r--,u:61001:rw-,g::r--,m::--x,o::rwx");
  change.permissions = 0640;
  change.size = 0;
  ASSERT_THAT(main().set_attributes(owner(), file, change), IsOk());
  expect_list(file, kAccess, "u::rw-,u:61001:rw-,g::r--,m::r--,o::---");
  EXPECT_EQ(mode(file), 0640u);
}

TEST_F(Acls, OfAFileWhoseGroupTheCallerIsNotInTakeItsSetgidBit) {
  const InodeNumber file = make_file("f");
  AttributeChange change;
  const auto with_setgid = [&] {
    change.permissions = 06755;
    EXPECT_THAT(main().set_attributes(owner(), file, change), IsOk());
  };
  change.gid = 5555;
  with_setgid();
  change.gid.reset();
  with_setgid();
  const char* list = "u::rwx,u:61001:rw-,g::r--,m::rwx,o::r-x";
  ASSERT_THAT(set(file, kAccess, list), IsOk());
  EXPECT_EQ(mode(file), 04775u);
  with_setgid();
  ASSERT_THAT(set(file, kAccess, list, in_groups(1000, {5555})), IsOk());
  EXPECT_EQ(mode(file), 06775u) << "the caller is in the group";
  with_setgid();
  ASSERT_THAT(set(file, kAccess, list, in_groups(0, {})), IsOk());
  EXPECT_EQ(mode(file), 06775u) << "root";
}

TEST_F(Acls, HaveTheirPlaces) {
  const InodeNumber file = make_file("f");
  const InodeNumber link = inode_of(main().make_symlink(owner(), kRootInode, "l", "f"));
  EXPECT_THAT(set(file, kDefault, "u::rwx,g::r-x,o::---"), FailsWith(ErrorCode::kAccessDenied));
  EXPECT_THAT(set(link, kAccess, "u::rwx,g::r-x,o::---"), FailsWith(ErrorCode::kNotSupported));
  EXPECT_THAT(set(file, kAccess, "u::rwx"), FailsWith(ErrorCode::kInvalidArgument));
  EXPECT_EQ(mode(file), 0644u);
  expect_none(file, kAccess);
}

TEST_F(Acls, AreRemovedWithoutChangingTheModeAndWhereTheyAreNot) {
  const InodeNumber file = make_file("f");
  EXPECT_THAT(main().remove_extended_attribute(owner(), file, kAccess), IsOk());
  ASSERT_THAT(set(file, kAccess, "u::rwx,u:61001:rw-,g::r--,m::rw-,o::---"), IsOk());
  ASSERT_THAT(main().remove_extended_attribute(owner(), file, kAccess), IsOk());
  EXPECT_EQ(mode(file), 0760u);
  expect_none(file, kAccess);
}

TEST_F(Acls, WithoutADefaultListTheUmaskIsApplied) {
  const auto file = main().make_node(with_umask(027), kRootInode, "f", S_IFREG | 0666, 0);
  EXPECT_EQ(mode(inode_of(file)), 0640u);
  EXPECT_EQ(mode(inode_of(main().make_directory(with_umask(027), kRootInode, "d", 01777))), 01750u);
  EXPECT_EQ(mode(inode_of(main().make_symlink(with_umask(077), kRootInode, "l", "f"))), 0777u);
  const auto unnamed = main().make_unnamed(with_umask(077), kRootInode, 0666);
  EXPECT_EQ(mode(inode_of(unnamed)), 0600u);
  main().close_file(unnamed->inode, true);
}

TEST_F(Acls, AreInheritedWithinTheAskedModeAndTheUmaskDoesNotApply) {
  const char* list = "u::rwx,u:61001:rw-,g::r-x,m::rwx,o::r--";
  const InodeNumber directory = directory_with(list);
  const InodeNumber file =
      inode_of(main().make_node(with_umask(077), directory, "f", S_IFREG | 0664, 0));
  EXPECT_EQ(mode(file), 0664u);
  expect_list(file, kAccess, "u::rw-,u:61001:rw-,g::r-x,m::rw-,o::r--");
  expect_none(file, kDefault);
  const InodeNumber below = inode_of(main().make_directory(with_umask(077), directory, "d", 0755));
  EXPECT_EQ(mode(below), 0754u);
  expect_list(below, kAccess, "u::rwx,u:61001:rw-,g::r-x,m::r-x,o::r--");
  expect_list(below, kDefault, list);
  const InodeNumber fifo =
      inode_of(main().make_node(with_umask(077), below, "p", S_IFIFO | 0600, 0));
  EXPECT_EQ(mode(fifo), 0600u);
  expect_list(fifo, kAccess, "u::rw-,u:61001:rw-,g::r-x,m::---,o::---");
  const InodeNumber link = inode_of(main().make_symlink(owner(), directory, "l", "f"));
  EXPECT_EQ(mode(link), 0777u);
  EXPECT_TRUE(main().list_extended_attributes(link)->empty());
  const auto unnamed = main().make_unnamed(with_umask(077), directory, 0640);
  expect_list(inode_of(unnamed), kAccess, "u::rw-,u:61001:rw-,g::r-x,m::r--,o::---");
  main().close_file(unnamed->inode, true);
}

TEST_F(Acls, ThatSayNoMoreThanAModeAreInheritedAsAMode) {
  const InodeNumber directory = directory_with("u::rwx,g::r-x,o::---");
  const InodeNumber file =
      inode_of(main().make_node(with_umask(077), directory, "f", S_IFREG | 0666, 0));
  EXPECT_EQ(mode(file), 0640u);
  expect_none(file, kAccess);
}

TEST_F(Acls, KeepTheSetgidRulesOfTheDirectory) {
  const InodeNumber directory = directory_with("u::rwx,u:61001:rw-,g::r-x,m::rwx,o::r--");
  AttributeChange change;
  change.permissions = 02777;
  change.gid = 5555;
  ASSERT_THAT(main().set_attributes(owner(), directory, change), IsOk());
  const InodeNumber file = inode_of(main().make_node(owner(), directory, "f", S_IFREG | 02755, 0));
  EXPECT_EQ(mode(file), 0754u) << "the maker is not in the group";
  EXPECT_EQ(mode(inode_of(main().make_directory(owner(), directory, "d", 0755))), 02754u);
}

TEST_F(Acls, LiveInSnapshotsAsTheyWere) {
  const InodeNumber directory = directory_with("u::rwx,u:61001:rw-,g::r-x,m::rwx,o::r--");
  const InodeNumber file = inode_of(main().make_node(owner(), directory, "f", S_IFREG | 0664, 0));
  const std::string before = *get(file, kAccess);
  Volume& snapshot = volume(fork("s", VolumeKind::kSnapshot).id);
  ASSERT_THAT(set(file, kAccess, "u::rw-,g::---,o::---"), IsOk());
  EXPECT_THAT(snapshot.get_extended_attribute(file, kAccess), HoldsValue(before));
  EXPECT_THAT(snapshot.set_extended_attribute(owner(), file, kAccess, before, AttributeMode::kAny),
              FailsWith(ErrorCode::kReadOnly));
}

TEST_F(Acls, ThatAreDamagedGrantNothingAndAreNotHandedDown) {
  const InodeNumber directory = make_directory("d");
  const InodeNumber file = make_file("f");
  damage(directory, kDefault, "no list");
  damage(file, kAccess, acl_bytes("u::rwx"));
  const auto is_damaged = FailsWith(ErrorCode::kCorrupted);
  EXPECT_THAT(main().make_node(owner(), directory, "x", S_IFREG | 0644, 0), is_damaged);
  EXPECT_THAT(main().make_directory(owner(), directory, "x", 0755), is_damaged);
  EXPECT_THAT(main().make_unnamed(owner(), directory, 0644), is_damaged);
  EXPECT_THAT(get(file, kAccess), is_damaged);
  AttributeChange change;
  change.permissions = 0600;
  EXPECT_THAT(main().set_attributes(owner(), file, change), is_damaged);
  ASSERT_THAT(set(file, kAccess, "u::rw-,g::---,o::---"), IsOk()) << "a new list takes its place";
}

class ClonedAcls : public Acls {
 protected:
  void SetUp() override {
    Acls::SetUp();
    tree_ = make_directory("tree");
    file_ = make_file("f", tree_);
  }
  Result<InodeNumber> clone(const TreeClonePolicy& policy, const RequestContext& context,
                            bool privileged = false, InodeNumber into = kRootInode) {
    const auto main = *file_system().volume(kMainVolume);
    TreeClone copy(context, privileged, TreeCloneEnds{main, tree_, main, into, "copy"}, policy);
    const auto finish = [&]() -> Result<InodeNumber> {
      COWFS_TRY(copy.begin());
      for (bool more = true; more;) {
        COWFS_ASSIGN(more, copy.step());
      }
      COWFS_ASSIGN(const Attributes made, copy.publish());
      return made.inode;
    };
    auto made = finish();
    if (!made) {
      EXPECT_THAT(copy.abandon(), IsOk());
    }
    return made;
  }
  /// A place where anybody may write.
  InodeNumber open_place() {
    const InodeNumber place = make_directory("place");
    AttributeChange change;
    change.permissions = 01777;
    EXPECT_THAT(main().set_attributes(owner(), place, change), IsOk());
    return place;
  }

  InodeNumber tree_{};
  InodeNumber file_{};
};

TEST_F(ClonedAcls, AreCopiedWithTheModeAndNotWithoutIt) {
  const char* list = "u::rwx,u:61001:rw-,g::r-x,m::rwx,o::r--";
  ASSERT_THAT(set(tree_, kDefault, list), IsOk());
  ASSERT_THAT(set(tree_, kAccess, list), IsOk());
  ASSERT_THAT(set(file_, kAccess, list), IsOk());
  const auto with_mode = clone({.mode = true, .umask = 022}, owner());
  ASSERT_THAT(with_mode, IsOk());
  expect_list(*with_mode, kDefault, list);
  expect_list(*with_mode, kAccess, list);
  const InodeNumber copy = main().lookup(*with_mode, "f")->inode;
  expect_list(copy, kAccess, list);
  EXPECT_EQ(mode(copy), 0774u);
  ASSERT_THAT(
      main().rename(owner(), kRootInode, "copy", kRootInode, "with mode", RenameMode::kReplace),
      IsOk());
  const auto without = clone({.attributes = true, .umask = 022}, owner());
  ASSERT_THAT(without, IsOk());
  EXPECT_TRUE(main().list_extended_attributes(*without)->empty());
  EXPECT_TRUE(main().list_extended_attributes(main().lookup(*without, "f")->inode)->empty());
  EXPECT_EQ(mode(main().lookup(*without, "f")->inode), 0754u);
}

TEST_F(ClonedAcls, OfEmptyDirectoriesAreCopiedOnce) {
  const char* list = "u::rwx,u:61001:rw-,g::r-x,m::rwx,o::r--";
  const InodeNumber empty = make_directory("empty", tree_);
  ASSERT_THAT(set(empty, kAccess, list), IsOk());
  const auto made = clone({.mode = true}, owner());
  ASSERT_THAT(made, IsOk());
  expect_list(main().lookup(*made, "empty")->inode, kAccess, list);
}

TEST_F(ClonedAcls, DecideWhoMayRead) {
  const InodeNumber place = open_place();
  const auto denied = FailsWith(ErrorCode::kAccessDenied);
  ASSERT_THAT(set(file_, kAccess, "u::rw-,u:2000:---,g::r--,m::r--,o::r--"), IsOk());
  EXPECT_THAT(clone({}, stranger(), false, place), denied)
      << "a list that takes what the mode grants";
  EXPECT_THAT(clone({}, in_groups(3000, {}), false, place), IsOk());
  ASSERT_THAT(main().rename(owner(), place, "copy", place, "first", RenameMode::kReplace), IsOk());
  ASSERT_THAT(set(file_, kAccess, "u::rw-,u:2000:r--,g::---,m::r--,o::---"), IsOk());
  EXPECT_THAT(clone({}, in_groups(3000, {}), false, place), denied);
  EXPECT_THAT(clone({}, stranger(), false, place), IsOk())
      << "a list that grants what the mode does not";
  ASSERT_THAT(main().rename(owner(), place, "copy", place, "second", RenameMode::kReplace), IsOk());
  ASSERT_THAT(set(tree_, kAccess, "u::rwx,u:2000:r--,g::r-x,m::r-x,o::r-x"), IsOk());
  EXPECT_THAT(clone({}, stranger(), false, place), denied)
      << "a directory without search permission";
}

TEST_F(ClonedAcls, DecideWhoMayWriteTheDirectoryThatGetsTheCopy) {
  const InodeNumber place = open_place();
  AttributeChange change;
  change.permissions = 0644;
  ASSERT_THAT(main().set_attributes(owner(), file_, change), IsOk());
  ASSERT_THAT(set(place, kAccess, "u::rwx,u:2000:r-x,g::rwx,m::rwx,o::rwx"), IsOk());
  EXPECT_THAT(clone({}, stranger(), false, place), FailsWith(ErrorCode::kAccessDenied));
  ASSERT_THAT(set(place, kAccess, "u::rwx,u:2000:rwx,g::---,m::rwx,o::---"), IsOk());
  EXPECT_THAT(clone({}, stranger(), false, place), IsOk());
}

TEST_F(ClonedAcls, AreNotWhatADirectoryHandsDown) {
  const InodeNumber place = open_place();
  ASSERT_THAT(set(place, kDefault, "u::rwx,g::r-x,o::---"), IsOk());
  EXPECT_THAT(clone({}, owner(), true, place), FailsWith(ErrorCode::kNotSupported));
}

}  // namespace
}  // namespace cowfs
