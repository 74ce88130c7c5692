// Names: finding, making, linking, taking away, with the errors that POSIX names.
#include "tests/support/sanitized.h"
#include "tests/volume/volume_fixture.h"

namespace cowfs {
namespace {

using Names = VolumeTest;

TEST_F(Names, ANewFileHasWhatItWasMadeWith) {
  const Timestamp before = now();
  const auto made = main().make_node(stranger(), kRootInode, "file", S_IFREG | 04751, 99);
  ASSERT_THAT(made, IsOk());
  EXPECT_EQ(made->mode, S_IFREG | 04751u);
  EXPECT_EQ(made->link_count, 1u);
  EXPECT_EQ(made->uid, 2000u);
  EXPECT_EQ(made->gid, 2000u);
  EXPECT_EQ(made->size, 0u);
  EXPECT_EQ(made->blocks, 0u);
  EXPECT_EQ(made->device, 0u);
  EXPECT_LE(before, made->birth_time);
  EXPECT_EQ(made->birth_time, made->modify_time);
  EXPECT_EQ(made->birth_time, made->change_time);
  EXPECT_EQ(made->birth_time, made->access_time);
  const auto found = main().lookup(kRootInode, "file");
  ASSERT_THAT(found, IsOk());
  EXPECT_EQ(found->inode, made->inode);
  EXPECT_EQ(found->mode, made->mode);
}

TEST_F(Names, NodesOfAllTypesKeepTypeAndDevice) {
  for (const mode_t type : {S_IFIFO, S_IFSOCK, S_IFCHR, S_IFBLK}) {
    const std::string name = "node" + std::to_string(type);
    const auto made = main().make_node(owner(), kRootInode, name, type | 0600u, 0x1234);
    ASSERT_THAT(made, IsOk());
    const Attributes found = stat(made->inode);
    EXPECT_EQ(found.mode, type | 0600u);
    EXPECT_EQ(found.device, S_ISCHR(type) || S_ISBLK(type) ? 0x1234u : 0u);
  }
  EXPECT_THAT(main().make_node(owner(), kRootInode, "d", S_IFDIR | 0700, 0),
              FailsWith(ErrorCode::kInvalidArgument));
  EXPECT_TRUE(S_ISREG(main().make_node(owner(), kRootInode, "plain", 0644, 0)->mode));
}

TEST_F(Names, OfBadLengthOrBytesAreRefused) {
  const std::string longest(255, 'x');
  EXPECT_THAT(main().make_node(owner(), kRootInode, longest, S_IFREG, 0), IsOk());
  EXPECT_THAT(main().lookup(kRootInode, longest), IsOk());
  const std::string too_long(256, 'x');
  EXPECT_THAT(main().make_node(owner(), kRootInode, too_long, S_IFREG, 0),
              FailsWith(ErrorCode::kNameTooLong));
  EXPECT_EQ(lookup_error(too_long), ErrorCode::kNameTooLong);
  EXPECT_THAT(main().unlink(owner(), kRootInode, too_long), FailsWith(ErrorCode::kNameTooLong));
  EXPECT_EQ(lookup_error(""), ErrorCode::kNotFound);
  EXPECT_THAT(main().make_directory(owner(), kRootInode, "a/b", 0755),
              FailsWith(ErrorCode::kInvalidArgument));
  EXPECT_THAT(main().make_directory(owner(), kRootInode, ".", 0755), FailsWith(ErrorCode::kExists));
}

TEST_F(Names, LookupTellsWhyItFails) {
  const InodeNumber file = make_file("file");
  EXPECT_EQ(lookup_error("none"), ErrorCode::kNotFound);
  EXPECT_EQ(lookup_error("x", file), ErrorCode::kNotDirectory);
  EXPECT_EQ(lookup_error("x", InodeNumber{12345}), ErrorCode::kStale);
}

TEST_F(Names, DotAndDotDotAreFound) {
  const InodeNumber directory = make_directory("d");
  EXPECT_EQ(main().lookup(directory, ".")->inode, directory);
  EXPECT_EQ(main().lookup(directory, "..")->inode, kRootInode);
  EXPECT_EQ(main().lookup(kRootInode, "..")->inode, kRootInode);
}

TEST_F(Names, MakingWhatExistsIsRefused) {
  const InodeNumber file = make_file("name");
  EXPECT_THAT(main().make_node(owner(), kRootInode, "name", S_IFREG, 0),
              FailsWith(ErrorCode::kExists));
  EXPECT_THAT(main().make_directory(owner(), kRootInode, "name", 0755),
              FailsWith(ErrorCode::kExists));
  EXPECT_THAT(main().make_symlink(owner(), kRootInode, "name", "to"),
              FailsWith(ErrorCode::kExists));
  EXPECT_THAT(main().link(owner(), file, kRootInode, "name"), FailsWith(ErrorCode::kExists));
  EXPECT_THAT(main().make_node(owner(), file, "x", S_IFREG, 0),
              FailsWith(ErrorCode::kNotDirectory));
}

TEST_F(Names, DirectoriesCountTheirSubdirectories) {
  const InodeNumber outer = make_directory("outer");
  EXPECT_EQ(stat(outer).link_count, 2u);
  EXPECT_EQ(stat(outer).size, 0u);
  make_directory("a", outer);
  make_directory("b", outer);
  make_file("c", outer);
  EXPECT_EQ(stat(outer).link_count, 4u);
  EXPECT_GT(stat(outer).size, 0u);
  EXPECT_EQ(stat(kRootInode).link_count, 3u);
  EXPECT_THAT(main().remove_directory(owner(), outer, "a"), IsOk());
  EXPECT_EQ(stat(outer).link_count, 3u);
}

TEST_F(Names, MakingAndRemovingMovesTheDirectorysTimes) {
  const InodeNumber directory = make_directory("d");
  Attributes before = stat(directory);
  const auto moved = [&] {
    const Attributes after = stat(directory);
    const bool both = before.modify_time < after.modify_time &&
                      after.modify_time == after.change_time &&
                      before.access_time == after.access_time;
    before = after;
    return both;
  };
  const InodeNumber file = make_file("f", directory);
  EXPECT_TRUE(moved());
  EXPECT_THAT(main().link(owner(), file, directory, "g"), IsOk());
  EXPECT_TRUE(moved());
  EXPECT_THAT(main().unlink(owner(), directory, "f"), IsOk());
  EXPECT_TRUE(moved());
  make_directory("sub", directory);
  EXPECT_TRUE(moved());
  EXPECT_THAT(main().remove_directory(owner(), directory, "sub"), IsOk());
  EXPECT_TRUE(moved());
  EXPECT_THAT(main().lookup(directory, "g"), IsOk());
  EXPECT_FALSE(moved());
}

TEST_F(Names, LinksShareTheInodeAndCount) {
  const InodeNumber file = make_file("one");
  const Attributes before = stat(file);
  const InodeNumber directory = make_directory("d");
  const auto linked = main().link(owner(), file, directory, "two");
  ASSERT_THAT(linked, IsOk());
  EXPECT_EQ(linked->inode, file);
  EXPECT_EQ(linked->link_count, 2u);
  EXPECT_LT(before.change_time, linked->change_time);
  EXPECT_EQ(before.modify_time, linked->modify_time);
  EXPECT_THAT(main().unlink(owner(), kRootInode, "one"), HoldsValue(file));
  EXPECT_EQ(stat(file).link_count, 1u);
  EXPECT_LT(linked->change_time, stat(file).change_time);
  EXPECT_EQ(main().lookup(directory, "two")->inode, file);
  EXPECT_THAT(main().unlink(owner(), directory, "two"), HoldsValue(file));
  EXPECT_THAT(main().get_attributes(file), FailsWith(ErrorCode::kStale));
}

TEST_F(Names, DirectoriesCannotBeLinked) {
  const InodeNumber directory = make_directory("d");
  EXPECT_THAT(main().link(owner(), directory, kRootInode, "e"),
              FailsWith(ErrorCode::kNotPermitted));
  EXPECT_THAT(main().link(owner(), InodeNumber{777}, kRootInode, "e"),
              FailsWith(ErrorCode::kStale));
}

TEST_F(Names, LinksHaveALimit) {
  if (kSanitized) GTEST_SKIP() << "65,000 links take too long here";
  const InodeNumber file = make_file("f");
  for (std::uint32_t count = 1; count < kLinkLimit; ++count) {
    ASSERT_THAT(main().link(owner(), file, kRootInode, "l" + std::to_string(count)), IsOk());
  }
  EXPECT_THAT(main().link(owner(), file, kRootInode, "more"), FailsWith(ErrorCode::kTooManyLinks));
  EXPECT_THAT(main().unlink(owner(), kRootInode, "f"), IsOk());
  EXPECT_THAT(main().link(owner(), file, kRootInode, "more"), IsOk());
}

TEST_F(Names, UnlinkAndRmdirKnowTheirTypes) {
  make_file("file");
  const InodeNumber directory = make_directory("directory");
  EXPECT_THAT(main().unlink(owner(), kRootInode, "directory"), FailsWith(ErrorCode::kIsDirectory));
  EXPECT_THAT(main().remove_directory(owner(), kRootInode, "file"),
              FailsWith(ErrorCode::kNotDirectory));
  EXPECT_THAT(main().unlink(owner(), kRootInode, "none"), FailsWith(ErrorCode::kNotFound));
  EXPECT_THAT(main().remove_directory(owner(), kRootInode, "none"),
              FailsWith(ErrorCode::kNotFound));
  EXPECT_THAT(main().remove_directory(owner(), directory, "."),
              FailsWith(ErrorCode::kInvalidArgument));
  EXPECT_THAT(main().remove_directory(owner(), directory, ".."), FailsWith(ErrorCode::kNotEmpty));
  make_file("x", directory);
  EXPECT_THAT(main().remove_directory(owner(), kRootInode, "directory"),
              FailsWith(ErrorCode::kNotEmpty));
  EXPECT_THAT(main().unlink(owner(), directory, "x"), IsOk());
  EXPECT_THAT(main().remove_directory(owner(), kRootInode, "directory"), HoldsValue(directory));
  EXPECT_THAT(main().get_attributes(directory), FailsWith(ErrorCode::kStale));
}

TEST_F(Names, ARemovedDirectoryThatIsKnownTakesNoNames) {
  const InodeNumber directory = make_directory("d");
  const InodeNumber file = make_file("f");
  main().remember(directory);
  EXPECT_THAT(main().remove_directory(owner(), kRootInode, "d"), IsOk());
  EXPECT_EQ(stat(directory).link_count, 0u);
  EXPECT_THAT(main().make_node(owner(), directory, "x", S_IFREG, 0),
              FailsWith(ErrorCode::kNotFound));
  EXPECT_THAT(main().link(owner(), file, directory, "x"), FailsWith(ErrorCode::kNotFound));
  EXPECT_THAT(main().rename(owner(), kRootInode, "f", directory, "x", RenameMode::kReplace),
              FailsWith(ErrorCode::kNotFound));
  EXPECT_EQ(lookup_error("x", directory), ErrorCode::kNotFound);
  EXPECT_TRUE(names_in(main(), directory).empty());
  EXPECT_THAT(main().path_of(directory), FailsWith(ErrorCode::kStale));
  main().forget(directory, 1);
  EXPECT_THAT(main().get_attributes(directory), FailsWith(ErrorCode::kStale));
}

TEST_F(Names, SymbolicLinksKeepTheirTarget) {
  for (const std::size_t size : {1, 639, 640, 641, 4095}) {
    const std::string target(size, 'a');
    const auto made = main().make_symlink(owner(), kRootInode, "l" + std::to_string(size), target);
    ASSERT_THAT(made, IsOk());
    EXPECT_EQ(made->mode, S_IFLNK | 0777u);
    EXPECT_EQ(made->size, size);
    EXPECT_THAT(main().read_link(made->inode), HoldsValue(target));
  }
  EXPECT_THAT(main().make_symlink(owner(), kRootInode, "x", std::string(4096, 'a')),
              FailsWith(ErrorCode::kNameTooLong));
  EXPECT_THAT(main().make_symlink(owner(), kRootInode, "x", ""), FailsWith(ErrorCode::kNotFound));
  EXPECT_THAT(main().read_link(kRootInode), FailsWith(ErrorCode::kInvalidArgument));
  EXPECT_THAT(main().unlink(owner(), kRootInode, "l4095"), IsOk());
}

TEST_F(Names, BelowASetgidDirectoryTheGroupIsInherited) {
  AttributeChange change;
  change.permissions = 02775;
  change.gid = 500;
  const InodeNumber shared = make_directory("shared");
  ASSERT_THAT(main().set_attributes(owner(), shared, change), IsOk());
  const auto file = main().make_node(owner(), shared, "f", S_IFREG | 0644, 0);
  EXPECT_EQ(file->gid, 500u);
  EXPECT_EQ(file->mode, S_IFREG | 0644u);
  const auto directory = main().make_directory(owner(), shared, "d", 0755);
  EXPECT_EQ(directory->gid, 500u);
  EXPECT_EQ(directory->mode, S_IFDIR | 02755u);
  EXPECT_EQ(main().make_symlink(owner(), shared, "l", "x")->gid, 500u);
}

TEST_F(Names, NobodyMakesASetgidProgramOfAGroupThatHeIsNotIn) {
  AttributeChange change;
  change.permissions = 02777;
  change.gid = 500;
  ASSERT_THAT(main().set_attributes(owner(), kRootInode, change), IsOk());
  const auto mode = [&](const RequestContext& context, std::string_view name) {
    return main().make_node(context, kRootInode, name, S_IFREG | 02755, 0)->mode & 07777u;
  };
  EXPECT_EQ(mode(owner(), "stranger"), 0755u);
  RequestContext member = owner();
  member.groups = {7, 500};
  EXPECT_EQ(mode(member, "member"), 02755u);
  EXPECT_EQ(mode(user(0), "root"), 02755u);
  EXPECT_EQ(main().make_node(owner(), kRootInode, "locking", S_IFREG | 02644, 0)->mode & 07777u,
            02644u);
}

TEST_F(Names, SurviveAReopen) {
  const InodeNumber directory = make_directory("d");
  const InodeNumber file = make_file("f", directory);
  const Attributes before = stat(file);
  reopen();
  const auto after = main().lookup(directory, "f");
  ASSERT_THAT(after, IsOk());
  EXPECT_EQ(after->inode, file);
  EXPECT_EQ(after->birth_time, before.birth_time);
  EXPECT_NE(make_file("g"), file);
}

TEST_F(Names, OfOneHashLiveSideBySide) {
  // Nobody can find such names, so the items of others are put where the name would go.
  const std::uint64_t cookie = first_cookie(store().name_seed(), "mine");
  std::vector<InodeNumber> children;
  const auto put_squatters = [&](std::size_t from, std::size_t to) {
    const Operation operation(store());
    UpdateView view(store(), operation);
    Transaction transaction;
    for (std::size_t index = from; index < to; ++index) {
      put_name(transaction, kMainVolume, kRootInode,
               {cookie + index, children[index], S_IFREG, "squatter" + std::to_string(index)});
    }
    EXPECT_THAT(view.commit(transaction), IsOk());
  };
  for (std::size_t index = 0; index < kNamesOfOneHash; ++index) {
    children.push_back(*store().allocate_inode());
  }
  put_squatters(0, 2);
  put_squatters(3, 4);
  const InodeNumber mine = make_file("mine");
  EXPECT_EQ(main().lookup(kRootInode, "mine")->inode, mine);
  std::uint64_t found = 0;
  EXPECT_THAT(main().read_directory(kRootInode, 2, false,
                                    [&](const DirectoryEntry& entry, const Attributes*) {
                                      if (entry.name == "mine") found = entry.cookie;
                                      return true;
                                    }),
              IsOk());
  EXPECT_EQ(found, cookie + 2);
  EXPECT_THAT(main().unlink(owner(), kRootInode, "mine"), IsOk());
  put_squatters(2, 3);
  put_squatters(4, kNamesOfOneHash);
  EXPECT_EQ(lookup_error("mine"), ErrorCode::kNotFound);
  EXPECT_THAT(main().make_node(owner(), kRootInode, "mine", S_IFREG, 0),
              FailsWith(ErrorCode::kNoSpace));
  // Away with them, for the check at the end.
  const Operation operation(store());
  UpdateView view(store(), operation);
  Transaction transaction;
  for (std::size_t index = 0; index < kNamesOfOneHash; ++index) {
    erase_name(transaction, kMainVolume, kRootInode,
               {cookie + index, children[index], S_IFREG, ""});
  }
  EXPECT_THAT(view.commit(transaction), IsOk());
}

}  // namespace
}  // namespace cowfs
