// Reading directories: cookies that stay, big directories, parents and paths.
#include <atomic>
#include <set>
#include <thread>

#include "tests/support/sanitized.h"
#include "tests/volume/volume_fixture.h"

namespace cowfs {
namespace {

class Directory : public VolumeTest {
 protected:
  struct Seen {
    std::string name;
    std::uint64_t cookie;
    InodeNumber inode;
    mode_t type;
  };
  /// At most `count` entries after a cookie.
  std::vector<Seen> read(Volume& from, InodeNumber directory, std::uint64_t cookie,
                         std::size_t count) {
    std::vector<Seen> seen;
    EXPECT_THAT(from.read_directory(directory, cookie, false,
                                    [&](const DirectoryEntry& entry, const Attributes* attributes) {
                                      EXPECT_EQ(attributes, nullptr);
                                      if (seen.size() == count) return false;
                                      seen.push_back({std::string(entry.name), entry.cookie,
                                                      entry.inode, entry.type});
                                      return true;
                                    }),
                IsOk());
    return seen;
  }
};

constexpr std::size_t kAll = ~std::size_t{0};

TEST_F(Directory, BeginsWithItselfAndItsParent) {
  const InodeNumber directory = make_directory("d");
  const InodeNumber inner = make_directory("inner", directory);
  const auto seen = read(main(), inner, 0, kAll);
  ASSERT_EQ(seen.size(), 2u);
  EXPECT_EQ(seen[0].name, ".");
  EXPECT_EQ(seen[0].cookie, 1u);
  EXPECT_EQ(seen[0].inode, inner);
  EXPECT_EQ(seen[1].name, "..");
  EXPECT_EQ(seen[1].cookie, 2u);
  EXPECT_EQ(seen[1].inode, directory);
  EXPECT_EQ(read(main(), kRootInode, 0, kAll)[1].inode, kRootInode);
  EXPECT_EQ(read(main(), inner, 1, kAll).size(), 1u);
  EXPECT_EQ(read(main(), inner, 2, kAll).size(), 0u);
}

TEST_F(Directory, EntriesHaveTypesAndAttributes) {
  make_file("file");
  make_directory("directory");
  ASSERT_THAT(main().make_symlink(owner(), kRootInode, "link", "to"), IsOk());
  std::size_t count = 0;
  EXPECT_THAT(main().read_directory(kRootInode, 0, true,
                                    [&](const DirectoryEntry& entry, const Attributes* attributes) {
                                      EXPECT_EQ(attributes->inode, entry.inode);
                                      EXPECT_EQ(attributes->mode & S_IFMT, entry.type);
                                      EXPECT_LT(entry.cookie, std::uint64_t{1} << 63);
                                      ++count;
                                      return true;
                                    }),
              IsOk());
  EXPECT_EQ(count, 5u);
}

TEST_F(Directory, OnlyDirectoriesCanBeRead) {
  const auto never = [](const DirectoryEntry&, const Attributes*) { return true; };
  EXPECT_THAT(main().read_directory(make_file("f"), 0, false, never),
              FailsWith(ErrorCode::kNotDirectory));
  EXPECT_THAT(main().read_directory(InodeNumber{999}, 0, false, never),
              FailsWith(ErrorCode::kStale));
  EXPECT_THAT(main().parent_of(make_file("g")), FailsWith(ErrorCode::kNotDirectory));
}

TEST_F(Directory, CookiesAreTheSameInAForkAndAfterAReopen) {
  for (int index = 0; index < 100; ++index) make_file("f" + std::to_string(index));
  const auto before = read(main(), kRootInode, 0, kAll);
  const VolumeInfo snapshot = fork("s", VolumeKind::kSnapshot);
  ASSERT_THAT(main().unlink(owner(), kRootInode, before[10].name), IsOk());
  make_file("another");
  const auto in_snapshot = read(volume(snapshot.id), kRootInode, before[49].cookie, kAll);
  ASSERT_EQ(in_snapshot.size(), before.size() - 50);
  EXPECT_EQ(in_snapshot[0].name, before[50].name);
  reopen();
  const auto after = read(main(), kRootInode, before[50].cookie, 1);
  EXPECT_EQ(after.at(0).name == before[51].name || after.at(0).name == "another", true);
}

TEST_F(Directory, ReadingGoesOnWhereItStoppedWhileEntriesAreDeleted) {
  // 100,000 entries; one thread deletes every second one and makes new ones while another reads in
  // small pieces: those that stay are seen exactly once, in the order of cookies.
  constexpr int kEntries = fewer_if_sanitized(100'000);
  const InodeNumber directory = make_directory("big");
  for (int index = 0; index < kEntries; ++index) {
    ASSERT_THAT(main().make_node(owner(), directory, "f" + std::to_string(index), S_IFREG, 0),
                IsOk());
  }
  std::atomic<bool> stop = false;
  std::jthread deleter([&] {
    for (int index = 0; index < kEntries && !stop; index += 2) {
      EXPECT_THAT(main().unlink(owner(), directory, "f" + std::to_string(index)), IsOk());
      EXPECT_THAT(main().make_node(owner(), directory, "n" + std::to_string(index), S_IFREG, 0),
                  IsOk());
    }
  });
  std::set<std::string> seen;
  std::uint64_t cookie = 2;
  for (;;) {
    const auto part = read(main(), directory, cookie, 97);
    if (part.empty()) break;
    for (const Seen& entry : part) {
      EXPECT_GT(entry.cookie, cookie);
      cookie = entry.cookie;
      EXPECT_TRUE(seen.insert(entry.name).second) << entry.name;
    }
  }
  stop = true;
  deleter.join();
  for (int index = 1; index < kEntries; index += 2) {
    EXPECT_TRUE(seen.contains("f" + std::to_string(index))) << index;
  }
}

TEST_F(Directory, PathsLeadFromTheRoot) {
  const InodeNumber a = make_directory("a");
  const InodeNumber b = make_directory("b", a);
  EXPECT_THAT(main().path_of(kRootInode), HoldsValue(std::string()));
  EXPECT_THAT(main().path_of(b), HoldsValue(std::string("a/b")));
  EXPECT_THAT(main().path_of(make_file("f")), FailsWith(ErrorCode::kNotDirectory));
  EXPECT_THAT(main().path_of(InodeNumber{999}), FailsWith(ErrorCode::kStale));
  EXPECT_THAT(main().parent_of(b), HoldsValue(a));
}

TEST_F(Directory, ACircleInADamagedStoreIsFound) {
  const InodeNumber a = make_directory("a");
  const InodeNumber b = make_directory("b", a);
  const InodeNumber c = make_directory("c", b);
  const auto relink_a = [&](InodeNumber parent) {
    const Operation operation(store());
    UpdateView view(store(), operation);
    const auto current = find_parent(view, kMainVolume, a);
    const NameItem item{(*current)->cookie, a, S_IFDIR, "a"};
    Transaction transaction;
    erase_name(transaction, kMainVolume, (*current)->directory, item);
    put_name(transaction, kMainVolume, parent, item);
    EXPECT_THAT(view.commit(transaction), IsOk());
  };
  relink_a(c);
  EXPECT_THAT(main().path_of(b), FailsWith(ErrorCode::kCorrupted));
  EXPECT_THAT(main().rename(owner(), b, "c", a, "x", RenameMode::kReplace),
              FailsWith(ErrorCode::kInvalidArgument));
  make_directory("d");
  EXPECT_THAT(main().rename(owner(), kRootInode, "d", a, "x", RenameMode::kReplace),
              FailsWith(ErrorCode::kCorrupted));
  relink_a(kRootInode);
}

}  // namespace
}  // namespace cowfs
