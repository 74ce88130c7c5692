// rename(2): replace, no-replace, exchange; what is refused, and what happens to links and times.
#include "tests/volume/volume_fixture.h"

namespace cowfs {
namespace {

class Rename : public VolumeTest {
 protected:
  Result<void> rename(InodeNumber from, std::string_view from_name, InodeNumber to,
                      std::string_view to_name, RenameMode mode = RenameMode::kReplace) {
    return main().rename(owner(), from, from_name, to, to_name, mode);
  }
  InodeNumber at(std::string_view name, InodeNumber directory = kRootInode) {
    return inode_of(main().lookup(directory, name));
  }
};

TEST_F(Rename, MovesAFileAndTheTimesThatBelongToIt) {
  const InodeNumber from = make_directory("from");
  const InodeNumber to = make_directory("to");
  const InodeNumber file = make_file("f", from);
  const Attributes before = stat(file);
  const Timestamp start = now();
  ASSERT_THAT(rename(from, "f", to, "g"), IsOk());
  EXPECT_EQ(lookup_error("f", from), ErrorCode::kNotFound);
  EXPECT_EQ(at("g", to), file);
  EXPECT_LE(start, stat(file).change_time);
  EXPECT_EQ(stat(file).modify_time, before.modify_time);
  EXPECT_EQ(stat(file).link_count, 1u);
  EXPECT_LE(start, stat(from).modify_time);
  EXPECT_LE(start, stat(to).modify_time);
}

TEST_F(Rename, ReplacesAFileAndTheOldOneIsGone) {
  const InodeNumber file = make_file("f");
  const InodeNumber old = make_file("g");
  ASSERT_THAT(rename(kRootInode, "f", kRootInode, "g"), IsOk());
  EXPECT_EQ(at("g"), file);
  EXPECT_EQ(lookup_error("f"), ErrorCode::kNotFound);
  EXPECT_THAT(main().get_attributes(old), FailsWith(ErrorCode::kStale));
}

TEST_F(Rename, ReplacingOneLinkOfAFileKeepsTheOthers) {
  make_file("f");
  const InodeNumber old = make_file("g");
  ASSERT_THAT(main().link(owner(), old, kRootInode, "h"), IsOk());
  const Attributes before = stat(old);
  ASSERT_THAT(rename(kRootInode, "f", kRootInode, "g"), IsOk());
  EXPECT_EQ(at("h"), old);
  EXPECT_EQ(stat(old).link_count, 1u);
  EXPECT_LT(before.change_time, stat(old).change_time);
}

TEST_F(Rename, OntoALinkOfTheSameFileDoesNothing) {
  const InodeNumber file = make_file("f");
  ASSERT_THAT(main().link(owner(), file, kRootInode, "g"), IsOk());
  const Attributes before = stat(file);
  EXPECT_THAT(rename(kRootInode, "f", kRootInode, "g"), IsOk());
  EXPECT_THAT(rename(kRootInode, "f", kRootInode, "f"), IsOk());
  EXPECT_THAT(rename(kRootInode, "f", kRootInode, "g", RenameMode::kExchange), IsOk());
  EXPECT_EQ(at("f"), file);
  EXPECT_EQ(at("g"), file);
  EXPECT_EQ(stat(file).change_time, before.change_time);
  EXPECT_THAT(rename(kRootInode, "f", kRootInode, "g", RenameMode::kNoReplace),
              FailsWith(ErrorCode::kExists));
}

TEST_F(Rename, NoReplaceKeepsWhatIsThere) {
  make_file("f");
  const InodeNumber old = make_file("g");
  EXPECT_THAT(rename(kRootInode, "f", kRootInode, "g", RenameMode::kNoReplace),
              FailsWith(ErrorCode::kExists));
  EXPECT_EQ(at("g"), old);
  EXPECT_THAT(rename(kRootInode, "f", kRootInode, "h", RenameMode::kNoReplace), IsOk());
}

TEST_F(Rename, ExchangeSwapsWhateverIsThere) {
  const InodeNumber a = make_directory("a");
  const InodeNumber b = make_directory("b");
  const InodeNumber file = make_file("f", a);
  const InodeNumber directory = make_directory("d", b);
  ASSERT_THAT(rename(a, "f", b, "d", RenameMode::kExchange), IsOk());
  EXPECT_EQ(at("f", a), directory);
  EXPECT_EQ(at("d", b), file);
  EXPECT_EQ(stat(a).link_count, 3u);
  EXPECT_EQ(stat(b).link_count, 2u);
  EXPECT_THAT(main().parent_of(directory), HoldsValue(a));
  EXPECT_THAT(rename(a, "f", b, "none", RenameMode::kExchange), FailsWith(ErrorCode::kNotFound));
}

TEST_F(Rename, LeavesAWhiteoutWhereAsked) {
  const InodeNumber from = make_directory("from");
  const InodeNumber file = make_file("f", from);
  const InodeNumber directory = make_directory("d", from);
  const auto leaving = [&](std::string_view name, std::string_view to, RenameMode mode) {
    return main().rename(owner(), from, name, kRootInode, to, mode, Whiteout::kLeave);
  };
  ASSERT_THAT(leaving("f", "g", RenameMode::kReplace), IsOk());
  ASSERT_THAT(leaving("d", "e", RenameMode::kNoReplace), IsOk());
  EXPECT_EQ(at("g"), file);
  EXPECT_EQ(at("e"), directory);
  EXPECT_EQ(stat(from).link_count, 2u);
  for (const std::string_view name : {"f", "d"}) {
    const Attributes left = stat(at(name, from));
    EXPECT_EQ(left.mode, mode_t{S_IFCHR});
    EXPECT_EQ(left.device, 0u);
    EXPECT_EQ(left.link_count, 1u);
    EXPECT_EQ(left.uid, owner().uid);
  }
  EXPECT_THAT(leaving("f", "e", RenameMode::kNoReplace), FailsWith(ErrorCode::kExists));
  EXPECT_THAT(main().unlink(owner(), from, "f"), IsOk());
  EXPECT_THAT(main().unlink(owner(), from, "d"), IsOk());
  EXPECT_THAT(main().remove_directory(owner(), kRootInode, "from"), IsOk());
}

TEST_F(Rename, MovingADirectoryMovesDotDotAndCounts) {
  const InodeNumber a = make_directory("a");
  const InodeNumber b = make_directory("b");
  const InodeNumber moved = make_directory("d", a);
  ASSERT_THAT(rename(a, "d", b, "e"), IsOk());
  EXPECT_EQ(stat(a).link_count, 2u);
  EXPECT_EQ(stat(b).link_count, 3u);
  EXPECT_THAT(main().parent_of(moved), HoldsValue(b));
  EXPECT_THAT(main().path_of(moved), HoldsValue(std::string("b/e")));
}

TEST_F(Rename, ADirectoryReplacesAnEmptyDirectoryOnly) {
  const InodeNumber directory = make_directory("d");
  const InodeNumber target = make_directory("e");
  make_file("x", target);
  make_file("file");
  EXPECT_THAT(rename(kRootInode, "d", kRootInode, "e"), FailsWith(ErrorCode::kNotEmpty));
  EXPECT_THAT(rename(kRootInode, "d", kRootInode, "file"), FailsWith(ErrorCode::kNotDirectory));
  EXPECT_THAT(rename(kRootInode, "file", kRootInode, "d"), FailsWith(ErrorCode::kIsDirectory));
  ASSERT_THAT(main().unlink(owner(), target, "x"), IsOk());
  EXPECT_THAT(rename(kRootInode, "d", kRootInode, "e"), IsOk());
  EXPECT_EQ(at("e"), directory);
  EXPECT_EQ(stat(kRootInode).link_count, 3u);
  EXPECT_THAT(main().get_attributes(target), FailsWith(ErrorCode::kStale));
}

TEST_F(Rename, ADirectoryCannotGoBelowItself) {
  const InodeNumber a = make_directory("a");
  const InodeNumber b = make_directory("b", a);
  const InodeNumber c = make_directory("c", b);
  EXPECT_THAT(rename(kRootInode, "a", a, "x"), FailsWith(ErrorCode::kInvalidArgument));
  EXPECT_THAT(rename(kRootInode, "a", c, "x"), FailsWith(ErrorCode::kInvalidArgument));
  EXPECT_THAT(rename(a, "b", c, "x"), FailsWith(ErrorCode::kInvalidArgument));
  EXPECT_THAT(rename(b, "c", kRootInode, "a"), FailsWith(ErrorCode::kNotEmpty));
  make_directory("x", c);
  EXPECT_THAT(rename(kRootInode, "a", c, "x", RenameMode::kExchange),
              FailsWith(ErrorCode::kInvalidArgument));
  EXPECT_THAT(rename(c, "x", kRootInode, "a", RenameMode::kExchange),
              FailsWith(ErrorCode::kInvalidArgument));
  EXPECT_THAT(rename(b, "c", kRootInode, "c"), IsOk());
  EXPECT_THAT(rename(kRootInode, "a", c, "a"), IsOk());
}

TEST_F(Rename, OfADeepDirectoryWalksWithoutRecursion) {
  InodeNumber deep = make_directory("top");
  const InodeNumber top = deep;
  for (int level = 0; level < 20'000; ++level) deep = make_directory("d", deep);
  EXPECT_THAT(rename(kRootInode, "top", deep, "x"), FailsWith(ErrorCode::kInvalidArgument));
  EXPECT_EQ(main().path_of(deep)->size(), 3 + 2 * 20'000u);
  EXPECT_THAT(main().path_of(top), HoldsValue(std::string("top")));
}

TEST_F(Rename, TellsWhyItFails) {
  const InodeNumber file = make_file("f");
  EXPECT_THAT(rename(kRootInode, "none", kRootInode, "g"), FailsWith(ErrorCode::kNotFound));
  EXPECT_THAT(rename(file, "x", kRootInode, "g"), FailsWith(ErrorCode::kNotDirectory));
  EXPECT_THAT(rename(kRootInode, "f", file, "g"), FailsWith(ErrorCode::kNotDirectory));
  EXPECT_THAT(rename(kRootInode, "f", InodeNumber{999}, "g"), FailsWith(ErrorCode::kStale));
  EXPECT_THAT(rename(kRootInode, "f", kRootInode, std::string(256, 'x')),
              FailsWith(ErrorCode::kNameTooLong));
  EXPECT_THAT(rename(kRootInode, ".", kRootInode, "g"), FailsWith(ErrorCode::kBusy));
}

TEST_F(Rename, AnOpenFileThatIsReplacedStaysReadable) {
  make_file("f");
  const InodeNumber old = make_file("g");
  write_text(old, "old");
  ASSERT_THAT(main().open_file(old, false), IsOk());
  ASSERT_THAT(rename(kRootInode, "f", kRootInode, "g"), IsOk());
  EXPECT_EQ(stat(old).link_count, 0u);
  EXPECT_EQ(read_text(main(), old, 10), "old");
  main().close_file(old, false);
  EXPECT_THAT(main().get_attributes(old), FailsWith(ErrorCode::kStale));
}

TEST_F(Rename, ManyRandomOnesLeaveAWholeTree) {
  std::vector<InodeNumber> directories{kRootInode};
  for (int index = 0; index < 8; ++index) {
    directories.push_back(make_directory("d" + std::to_string(index), directories[index / 2]));
  }
  std::uint64_t random = 42;
  const auto pick = [&random](std::uint64_t below) {
    random = random * 6364136223846793005u + 1442695040888963407u;
    return (random >> 33) % below;
  };
  const auto name = [&] { return std::string(pick(3) == 0 ? "d" : "f") + std::to_string(pick(6)); };
  for (int step = 0; step < 3000; ++step) {
    const InodeNumber a = directories[pick(directories.size())];
    const InodeNumber b = directories[pick(directories.size())];
    switch (pick(6)) {
      case 0: (void)main().make_node(owner(), a, name(), S_IFREG | 0600, 0); break;
      case 1: (void)main().unlink(owner(), a, name()); break;
      case 2: (void)rename(a, name(), b, name(), RenameMode::kNoReplace); break;
      case 3: (void)rename(a, name(), b, name(), RenameMode::kExchange); break;
      default: (void)rename(a, name(), b, name()); break;
    }
  }
  for (const InodeNumber directory : directories) (void)main().path_of(directory);
}

}  // namespace
}  // namespace cowfs
