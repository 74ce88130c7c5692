// Tree clones: the copy is what it should be, appears whole, and leaves nothing when it does not
// come to its end.
#include "lib/volume/tree_clone.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <atomic>
#include <thread>

#include "tests/support/result_matchers.h"
#include "tests/support/tree_clone_policy.h"
#include "tests/volume/volume_fixture.h"

namespace cowfs {
namespace {

constexpr TreeClonePolicy kPlain{.umask = 022};

/// What an AttributeChange changes, by name.
struct Set {
  std::optional<mode_t> permissions{};
  std::optional<uid_t> uid{};
  std::optional<gid_t> gid{};
  std::optional<std::uint64_t> size{};
  std::optional<Timestamp> modify_time{};

  operator AttributeChange() const {
    AttributeChange change;
    change.permissions = permissions;
    change.uid = uid;
    change.gid = gid;
    change.size = size;
    change.modify_time = modify_time;
    return change;
  }
};

class TreeClones : public VolumeTest {
 protected:
  void SetUp() override {
    VolumeTest::SetUp();
    tree_ = make_directory("tree");
  }

  std::shared_ptr<Volume> shared(VolumeId id) { return *file_system().volume(id); }

  std::unique_ptr<TreeClone> clone(const TreeClonePolicy& policy,
                                   const RequestContext& context = owner(), bool privileged = true,
                                   VolumeId from = kMainVolume) {
    return std::make_unique<TreeClone>(
        context, privileged,
        TreeCloneEnds{shared(from), tree_, shared(kMainVolume), kRootInode, "copy"}, policy);
  }

  static Result<Attributes> finish(TreeClone& clone) {
    COWFS_TRY(clone.begin());
    for (;;) {
      COWFS_ASSIGN(const bool more, clone.step());
      if (!more) return clone.publish();
    }
  }

  InodeNumber copy_all(const TreeClonePolicy& policy) {
    auto made = clone(policy);
    return inode_of(finish(*made));
  }
  Attributes in_copy(std::string_view name) {
    const auto copy = main().lookup(kRootInode, "copy");
    EXPECT_THAT(copy, IsOk());
    const auto found = main().lookup(copy->inode, name);
    EXPECT_THAT(found, IsOk()) << name;
    return found.value_or(Attributes{});
  }

  InodeNumber tree_{};
};

TEST_F(TreeClones, CopiesDataThatEachSideThenChangesAlone) {
  const InodeNumber file = make_file("f", tree_);
  write_text(file, std::string(10000, 'a'));
  const StoreSpace before = store().space();
  copy_all(kPlain);
  EXPECT_EQ(store().space().live_blocks, before.live_blocks);
  const Attributes copy = in_copy("f");
  EXPECT_NE(copy.inode, file);
  EXPECT_EQ(copy.blocks, 3u);
  write_text(file, "source", 5000);
  write_text(copy.inode, "copy", 100);
  std::string expected(10000, 'a');
  EXPECT_EQ(read_text(main(), copy.inode, 20000), std::string(expected).replace(100, 4, "copy"));
  EXPECT_EQ(read_text(main(), file, 20000), std::string(expected).replace(5000, 6, "source"));
}

TEST_F(TreeClones, SharesOwnObjectsWithoutWritingThemInPlaceAgain) {
  const InodeNumber file = make_file("f", tree_);
  const std::string large(3 << 20, 'a');
  write_text(file, large);
  copy_all(kPlain);
  write_text(file, "changed", 1 << 20);
  write_text(file, std::string(4096, 'e'), large.size());
  EXPECT_EQ(read_text(main(), in_copy("f").inode, large.size() + 1), large);
}

TEST_F(TreeClones, CopiesAFileOfMoreExtentsThanAStepTakes) {
  const InodeNumber file = make_file("f", tree_);
  for (std::uint64_t i = 0; i < 700; ++i) write_text(file, std::to_string(i), i * 3 * kBlockSize);
  ASSERT_THAT(main().set_attributes(owner(), file, Set{.size = 700 * 3 * kBlockSize}), IsOk());
  const Attributes before = stat(file);
  copy_all(kArchive);
  const Attributes copy = in_copy("f");
  EXPECT_EQ(copy.size, before.size);
  EXPECT_EQ(copy.blocks, before.blocks);
  EXPECT_EQ(copy.modify_time, before.modify_time);
  EXPECT_EQ(read_text(main(), copy.inode, before.size), read_text(main(), file, before.size));
}

TEST_F(TreeClones, ReservedBlocksPastTheEndStayBehind) {
  const InodeNumber file = make_file("f", tree_);
  write_text(file, "text");
  ASSERT_THAT(main().allocate(owner(), file, AllocateMode::kAllocateKeepSize, 0, 40960, false),
              IsOk());
  copy_all(kPlain);
  EXPECT_EQ(in_copy("f").blocks, 1u);
  EXPECT_EQ(in_copy("f").size, 4u);
}

TEST_F(TreeClones, KeepsHardLinksInsideTheTreeWhereAsked) {
  const InodeNumber file = make_file("a", tree_);
  const InodeNumber below = make_directory("d", tree_);
  ASSERT_THAT(main().link(owner(), file, tree_, "b"), IsOk());
  ASSERT_THAT(main().link(owner(), file, below, "c"), IsOk());
  ASSERT_THAT(main().link(owner(), file, kRootInode, "outside"), IsOk());
  copy_all(kArchive);
  EXPECT_EQ(in_copy("a").inode, in_copy("b").inode);
  EXPECT_EQ(in_copy("a").link_count, 3u);
  EXPECT_EQ(main().lookup(in_copy("d").inode, "c")->inode, in_copy("a").inode);
  EXPECT_EQ(stat(file).link_count, 4u);
}

TEST_F(TreeClones, MakesFilesOfTheirOwnOfHardLinksElse) {
  const InodeNumber file = make_file("a", tree_);
  ASSERT_THAT(main().link(owner(), file, tree_, "b"), IsOk());
  copy_all(kPlain);
  EXPECT_NE(in_copy("a").inode, in_copy("b").inode);
  EXPECT_EQ(in_copy("a").link_count, 1u);
}

TEST_F(TreeClones, KeepsLinksDevicesAttributesModesOwnersAndTimes) {
  const InodeNumber file = make_file("f", tree_);
  const std::string value(3000, 'v');
  ASSERT_THAT(main().set_extended_attribute(owner(), file, "user.long", value, AttributeMode::kAny),
              IsOk());
  ASSERT_THAT(
      main().set_extended_attribute(owner(), tree_, "user.of.directory", "x", AttributeMode::kAny),
      IsOk());
  ASSERT_THAT(main().set_attributes(
                  owner(), file,
                  Set{.permissions = 04751, .uid = 77, .gid = 88, .modify_time = Timestamp{5, 6}}),
              IsOk());
  ASSERT_THAT(main().make_symlink(owner(), tree_, "l", std::string(2000, 't')), IsOk());
  ASSERT_THAT(main().make_node(owner(), tree_, "n", S_IFCHR | 0640, makedev(1, 3)), IsOk());
  ASSERT_THAT(main().make_node(owner(), tree_, "p", S_IFIFO | 0640, 0), IsOk());
  const InodeNumber copy = copy_all(kArchive);
  const Attributes kept = in_copy("f");
  EXPECT_EQ(kept.mode, S_IFREG | 04751u);
  EXPECT_EQ(kept.uid, 77u);
  EXPECT_EQ(kept.gid, 88u);
  EXPECT_EQ(kept.modify_time, (Timestamp{5, 6}));
  EXPECT_THAT(main().get_extended_attribute(kept.inode, "user.long"), HoldsValue(value));
  EXPECT_THAT(main().get_extended_attribute(copy, "user.of.directory"),
              HoldsValue(std::string("x")));
  EXPECT_THAT(main().read_link(in_copy("l").inode), HoldsValue(std::string(2000, 't')));
  EXPECT_EQ(in_copy("n").device, makedev(1, 3));
  EXPECT_EQ(in_copy("p").mode, S_IFIFO | 0640u);
}

TEST_F(TreeClones, WithoutPreserveTheCallerMakesThem) {
  const InodeNumber file = make_file("f", tree_);
  ASSERT_THAT(main().set_attributes(owner(), file,
                                    Set{.permissions = 06777, .modify_time = Timestamp{5, 6}}),
              IsOk());
  ASSERT_THAT(main().set_extended_attribute(owner(), file, "user.x", "y", AttributeMode::kAny),
              IsOk());
  auto made = clone(kPlain, stranger());
  ASSERT_THAT(finish(*made), IsOk());
  const Attributes copy = in_copy("f");
  EXPECT_EQ(copy.mode, S_IFREG | 0755u);
  EXPECT_EQ(copy.uid, stranger().uid);
  EXPECT_GT(copy.modify_time.seconds, 1000);
  EXPECT_THAT(main().get_extended_attribute(copy.inode, "user.x"), FailsWith(ErrorCode::kNoData));
}

TEST_F(TreeClones, InheritsTheGroupOfASetgidDirectory) {
  make_file("f", make_directory("d", tree_));
  ASSERT_THAT(main().set_attributes(owner(), kRootInode, Set{.permissions = 02777, .gid = 55}),
              IsOk());
  copy_all(kPlain);
  EXPECT_EQ(in_copy("d").mode, S_IFDIR | 02755u);
  EXPECT_EQ(main().lookup(in_copy("d").inode, "f")->gid, 55u);
}

TEST_F(TreeClones, NobodyGetsWhatTheyCannotRead) {
  const InodeNumber secret = make_file("secret", tree_);
  ASSERT_THAT(main().set_attributes(owner(), kRootInode, Set{.permissions = 0777}), IsOk());
  ASSERT_THAT(main().set_attributes(owner(), secret, Set{.permissions = 0600}), IsOk());
  auto refused = clone(kPlain, stranger(), false);
  EXPECT_THAT(finish(*refused), FailsWith(ErrorCode::kAccessDenied));
  EXPECT_THAT(refused->abandon(), IsOk());
  EXPECT_EQ(lookup_error("copy"), ErrorCode::kNotFound);
  // By group: a supplementary one counts, and the owner's bits come before the group's.
  ASSERT_THAT(main().set_attributes(owner(), secret, Set{.permissions = 0040, .gid = 99}), IsOk());
  RequestContext member = stranger();
  member.groups = {98, 99};
  auto allowed = clone(kPlain, member, false);
  EXPECT_THAT(finish(*allowed), IsOk());
  ASSERT_THAT(main().set_attributes(owner(), secret, Set{.uid = stranger().uid}), IsOk());
  auto owned = std::make_unique<TreeClone>(
      member, false,
      TreeCloneEnds{shared(kMainVolume), tree_, shared(kMainVolume), kRootInode, "copy2"}, kPlain);
  EXPECT_THAT(finish(*owned), FailsWith(ErrorCode::kAccessDenied));
  EXPECT_THAT(owned->abandon(), IsOk());
}

TEST_F(TreeClones, DirectoriesAskForSearchToo) {
  const InodeNumber below = make_directory("d", tree_);
  ASSERT_THAT(main().set_attributes(owner(), kRootInode, Set{.permissions = 0777}), IsOk());
  ASSERT_THAT(main().set_attributes(owner(), below, Set{.permissions = 0744}), IsOk());
  auto refused = clone(kPlain, stranger(), false);
  EXPECT_THAT(finish(*refused), FailsWith(ErrorCode::kAccessDenied));
  EXPECT_THAT(refused->abandon(), IsOk());
}

TEST_F(TreeClones, TheTargetsDirectoryMustBeTheCallersToWrite) {
  auto refused = clone(kPlain, stranger(), false);
  EXPECT_THAT(refused->begin(), FailsWith(ErrorCode::kAccessDenied));
}

TEST_F(TreeClones, WhatAUserCouldNotMakeIsRefused) {
  ASSERT_THAT(main().set_attributes(owner(), kRootInode, Set{.permissions = 0777}), IsOk());
  ASSERT_THAT(main().make_node(owner(), tree_, "n", S_IFCHR | 0666, makedev(1, 3)), IsOk());
  auto device = clone(kPlain, stranger(), false);
  EXPECT_THAT(finish(*device), FailsWith(ErrorCode::kNotSupported));
  EXPECT_THAT(device->abandon(), IsOk());
  auto foreign = clone(kArchive, stranger(), false);
  EXPECT_THAT(foreign->begin(), FailsWith(ErrorCode::kNotSupported));
}

TEST_F(TreeClones, AnExistingNameIsLeftAlone) {
  const InodeNumber there = make_file("copy");
  auto refused = clone(kPlain);
  EXPECT_THAT(finish(*refused), FailsWith(ErrorCode::kExists));
  EXPECT_THAT(refused->abandon(), IsOk());
  EXPECT_EQ(main().lookup(kRootInode, "copy")->inode, there);
}

TEST_F(TreeClones, ACopyIntoItselfIsRefused) {
  const InodeNumber below = make_directory("d", tree_);
  TreeClone inside(owner(), true, {shared(kMainVolume), tree_, shared(kMainVolume), below, "copy"},
                   kPlain);
  EXPECT_THAT(inside.begin(), FailsWith(ErrorCode::kInvalidArgument));
  TreeClone itself(owner(), true, {shared(kMainVolume), tree_, shared(kMainVolume), tree_, "copy"},
                   kPlain);
  EXPECT_THAT(itself.begin(), FailsWith(ErrorCode::kInvalidArgument));
}

/// A tree of some size, for what happens half way.
class UnfinishedTreeClones : public TreeClones {
 protected:
  void SetUp() override {
    TreeClones::SetUp();
    for (int d = 0; d < 5; ++d) {
      const InodeNumber directory = make_directory("d" + std::to_string(d), tree_);
      const InodeNumber deeper = make_directory("deeper", directory);
      for (int f = 0; f < 150; ++f) {
        const InodeNumber file =
            make_file("f" + std::to_string(f), f % 2 == 0 ? directory : deeper);
        write_text(file, "some text");
        if (f % 50 == 0) {
          EXPECT_THAT(
              main().link(owner(), file, tree_, "l" + std::to_string(d) + "." + std::to_string(f)),
              IsOk());
        }
      }
    }
    blocks_ = store().space().live_blocks;
  }

  void run_steps(TreeClone& clone, int steps) {
    ASSERT_THAT(clone.begin(), IsOk());
    for (int i = 0; i < steps; ++i) ASSERT_THAT(clone.step(), HoldsValue(true));
    EXPECT_EQ(lookup_error("copy"), ErrorCode::kNotFound) << "seen before it is whole";
  }
  std::size_t inodes_in(VolumeId id) {
    std::size_t count = 0;
    ReadView view(store());
    EXPECT_THAT(view.scan(id, std::string_view("\0", 1),
                          [&](std::string_view key, std::string_view) {
                            if (kind_of(key) == KeyKind::kInode) ++count;
                            return true;
                          }),
                IsOk());
    return count;
  }

  std::uint64_t blocks_ = 0;
};

TEST_F(UnfinishedTreeClones, LeaveNothingWhenAbandoned) {
  const std::size_t before = inodes_in(kMainVolume);
  for (const int steps : {0, 1, 3, 7, 12}) {
    auto made = clone(kArchive);
    run_steps(*made, steps);
    EXPECT_TRUE(main().has_orphans());
    EXPECT_THAT(made->abandon(), IsOk());
    EXPECT_EQ(inodes_in(kMainVolume), before) << steps;
    EXPECT_FALSE(main().has_orphans());
    check_all();
  }
}

TEST_F(UnfinishedTreeClones, GiveBlocksOfAFileOfTwoNamesBackOnce) {
  const InodeNumber directory = make_directory("e", tree_);
  const InodeNumber file = make_file("one", directory);
  write_text(file, std::string(50000, 'a'));
  ASSERT_THAT(main().link(owner(), file, directory, "two"), IsOk());
  ASSERT_THAT(main().link(owner(), file, directory, "three"), IsOk());
  const std::uint64_t blocks = store().space().live_blocks;
  auto made = clone(kArchive);
  ASSERT_THAT(made->begin(), IsOk());
  for (bool more = true; more;) {
    const auto step = made->step();
    ASSERT_THAT(step, IsOk());
    more = *step;
  }
  ASSERT_THAT(made->abandon(), IsOk());
  check_all();
  EXPECT_EQ(store().space().live_blocks, blocks);
  write_text(make_file("next"), std::string(200000, 'b'));
  EXPECT_EQ(read_text(main(), file, 60000), std::string(50000, 'a'));
}

TEST_F(UnfinishedTreeClones, LeaveNothingAfterACrash) {
  const std::size_t before = inodes_in(kMainVolume);
  auto made = clone(kArchive);
  run_steps(*made, 9);
  made.reset();
  kill_and_reopen();
  EXPECT_EQ(inodes_in(kMainVolume), before);
  EXPECT_EQ(lookup_error("copy"), ErrorCode::kNotFound);
  EXPECT_EQ(store().space().live_blocks, blocks_);
}

TEST_F(UnfinishedTreeClones, AreNotInAForkMadeMeanwhile) {
  const std::size_t before = inodes_in(kMainVolume);
  auto made = clone(kArchive);
  run_steps(*made, 9);
  const VolumeId snapshot = fork("s", VolumeKind::kSnapshot).id;
  EXPECT_EQ(inodes_in(snapshot), before);
  for (;;) {
    const auto more = made->step();
    ASSERT_THAT(more, IsOk());
    if (!*more) break;
  }
  ASSERT_THAT(made->publish(), IsOk());
  EXPECT_EQ(inodes_in(kMainVolume), 2 * before - 1);
  EXPECT_EQ(in_copy("l0.0").link_count, 2u);
  EXPECT_EQ(read_text(main(), in_copy("l0.0").inode, 20), "some text");
}

TEST_F(UnfinishedTreeClones, CanBeMadeFromASnapshotThatGoesMeanwhile) {
  const VolumeId snapshot = fork("s", VolumeKind::kSnapshot).id;
  auto made = clone(kArchive, owner(), true, snapshot);
  run_steps(*made, 4);
  ASSERT_THAT(file_system().delete_volume(owner(), snapshot), IsOk());
  for (;;) {
    const auto more = made->step();
    ASSERT_THAT(more, IsOk());
    if (!*more) break;
  }
  ASSERT_THAT(made->publish(), IsOk());
  EXPECT_EQ(read_text(main(), in_copy("l0.0").inode, 20), "some text");
}

TEST_F(UnfinishedTreeClones, TakeASourceThatChangesUnderThem) {
  std::atomic<bool> done = false;
  std::jthread changer([&] {
    for (int i = 0; !done; ++i) {
      const std::string name = "d" + std::to_string(i % 5);
      const InodeNumber directory = main().lookup(tree_, name)->inode;
      const auto file = main().lookup(directory, "f" + std::to_string(i % 150 / 2 * 2));
      if (file) {
        (void)main().write(owner(), file->inode, 0,
                           std::as_bytes(std::span(std::string_view("SOME TEXT"))), false);
        (void)main().rename(owner(), directory, "f" + std::to_string(i % 150 / 2 * 2), directory,
                            "g" + std::to_string(i), RenameMode::kReplace);
      }
      if (i % 7 == 0) (void)main().unlink(owner(), directory, "g" + std::to_string(i));
    }
  });
  for (int i = 0; i < 20; ++i) {
    TreeClone made(
        owner(), true,
        {shared(kMainVolume), tree_, shared(kMainVolume), kRootInode, "copy" + std::to_string(i)},
        kArchive);
    EXPECT_THAT(finish(made), IsOk());
  }
  done = true;
}

}  // namespace
}  // namespace cowfs
