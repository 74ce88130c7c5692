// Inodes without names: kept while held, erased when let go, never in a fork, gone after a crash.
#include "lib/volume/orphans.h"

#include <thread>

#include "tests/volume/volume_fixture.h"

namespace cowfs {
namespace {

class Orphans : public VolumeTest {
 protected:
  /// A file with data that was unlinked while it was open.
  InodeNumber open_and_unlink(std::string_view name, std::string_view text = "text") {
    const InodeNumber file = make_file(name);
    write_text(file, text);
    EXPECT_THAT(main().open_file(file, false), IsOk());
    EXPECT_THAT(main().unlink(owner(), kRootInode, name), HoldsValue(file));
    return file;
  }
  bool exists(Volume& where, InodeNumber inode) { return where.get_attributes(inode).has_value(); }
  bool exists(InodeNumber inode) { return exists(main(), inode); }

  /// No file of any volume has a block.
  void expect_no_blocks() {
    EXPECT_THAT(store().sync(), IsOk());
    EXPECT_THAT(store().reclaim_now(), IsOk());
    EXPECT_EQ(store().space().live_blocks, 0u);
  }

  /// A file with many extents: every second block written.
  InodeNumber make_scattered(std::string_view name, std::uint64_t extents) {
    const InodeNumber file = make_file(name);
    for (std::uint64_t index = 0; index < extents; ++index) {
      write_text(file, "x", index * 2 * kBlockSize);
    }
    return file;
  }
};

TEST_F(Orphans, AnOpenFileStaysReadableUntilItsLastClose) {
  const InodeNumber file = open_and_unlink("f");
  ASSERT_THAT(main().open_file(file, true), IsOk()) << "a kept orphan can be opened again";
  EXPECT_EQ(stat(file).link_count, 0u);
  EXPECT_TRUE(main().has_orphans());
  main().close_file(file, true);
  EXPECT_EQ(read_text(main(), file, 9), "text");
  write_text(file, "more");
  main().close_file(file, false);
  EXPECT_FALSE(exists(file));
  EXPECT_FALSE(main().has_orphans());
}

TEST_F(Orphans, AKnownFileStaysUntilItIsForgotten) {
  const InodeNumber file = make_file("f");
  main().remember(file);
  main().remember(file);
  ASSERT_THAT(main().open_file(file, false), IsOk());
  EXPECT_THAT(main().unlink(owner(), kRootInode, "f"), IsOk());
  main().close_file(file, false);
  EXPECT_TRUE(exists(file));
  main().forget(file, 1);
  EXPECT_TRUE(exists(file));
  main().forget(file, 1);
  EXPECT_FALSE(exists(file));
}

TEST_F(Orphans, ForgettingAFileWithNamesErasesNothing) {
  const InodeNumber file = make_file("f");
  main().remember(file);
  main().forget(file, 1);
  EXPECT_TRUE(exists(file));
  EXPECT_FALSE(main().inodes().is_held(file));
}

TEST_F(Orphans, NobodyCanEraseWhatIsHeld) {
  const InodeNumber file = open_and_unlink("f");
  EXPECT_THAT(main().erase_orphans(false), IsOk());
  EXPECT_THAT(erase_orphan(main(), file), IsOk());
  EXPECT_EQ(read_text(main(), file, 9), "text");
  main().close_file(file, false);
  EXPECT_FALSE(exists(file));
}

TEST_F(Orphans, ABigFileIsErasedInSteps) {
  const InodeNumber file = make_scattered("f", 12'000);
  EXPECT_THAT(main().unlink(owner(), kRootInode, "f"), IsOk());
  EXPECT_FALSE(exists(file));
  EXPECT_FALSE(main().has_orphans());
  expect_no_blocks();
}

TEST_F(Orphans, ErasingCanBeCutBetweenTwoSteps) {
  const InodeNumber file = make_scattered("f", 12'000);
  ASSERT_THAT(main().open_file(file, false), IsOk());
  EXPECT_THAT(main().unlink(owner(), kRootInode, "f"), IsOk());
  {  // the first step, as a thread that then dies
    const Operation operation(store());
    UpdateView view(store(), operation);
    Transaction transaction;
    const auto gone = erase_some(view, kMainVolume, file, transaction);
    ASSERT_THAT(gone, HoldsValue(false));
    ASSERT_THAT(view.commit(transaction), IsOk());
  }
  kill_and_reopen();
  EXPECT_FALSE(exists(file));
  expect_no_blocks();
}

TEST_F(Orphans, AFileWithoutANameCanGetOne) {
  const auto made = main().make_unnamed(owner(), kRootInode, 0640);
  ASSERT_THAT(made, IsOk());
  EXPECT_EQ(made->mode, S_IFREG | 0640u);
  EXPECT_EQ(made->link_count, 0u);
  EXPECT_TRUE(main().has_orphans());
  write_text(made->inode, "text");
  const auto linked = main().link(owner(), made->inode, kRootInode, "named");
  ASSERT_THAT(linked, IsOk());
  EXPECT_EQ(linked->link_count, 1u);
  EXPECT_FALSE(main().has_orphans());
  main().close_file(made->inode, true);
  EXPECT_EQ(read_text(main(), main().lookup(kRootInode, "named")->inode, 9), "text");
}

TEST_F(Orphans, AFileWithoutANameGoesWithItsClose) {
  const auto made = main().make_unnamed(owner(), kRootInode, 0640);
  write_text(made->inode, "text");
  main().close_file(made->inode, true);
  EXPECT_FALSE(exists(made->inode));
  EXPECT_THAT(main().link(owner(), made->inode, kRootInode, "x"), FailsWith(ErrorCode::kStale));
}

TEST_F(Orphans, AreErasedByTheNextMountAfterACrash) {
  const InodeNumber file = open_and_unlink("f", std::string(100'000, 'x'));
  const InodeNumber unnamed = main().make_unnamed(owner(), kRootInode, 0600)->inode;
  const InodeNumber directory = make_directory("d");
  main().remember(directory);
  EXPECT_THAT(main().remove_directory(owner(), kRootInode, "d"), IsOk());
  EXPECT_TRUE(exists(directory));
  kill_and_reopen();
  for (const InodeNumber inode : {file, unnamed, directory}) EXPECT_FALSE(exists(inode));
  expect_no_blocks();
  EXPECT_FALSE(main().has_orphans());
}

TEST_F(Orphans, AReadOnlyMountLeavesThem) {
  const InodeNumber file = open_and_unlink("f");
  ASSERT_THAT(store().sync(), IsOk());
  StoreOptions options = quiet_store_options();
  options.read_only = true;
  main().close_file(file, false);
  reopen(options);
  EXPECT_FALSE(exists(file));
}

TEST_F(Orphans, AreNotInAFork) {
  const InodeNumber file = open_and_unlink("f");
  for (const VolumeKind kind : {VolumeKind::kSnapshot, VolumeKind::kFork}) {
    const VolumeInfo child = fork(kind == VolumeKind::kFork ? "fork" : "snapshot", kind);
    EXPECT_TRUE(child.has_orphans);
    EXPECT_FALSE(exists(volume(child.id), file));
    EXPECT_FALSE(volume(child.id).has_orphans());
    EXPECT_FALSE(store().volume(child.id)->has_orphans);
  }
  EXPECT_EQ(read_text(main(), file, 9), "text");
  main().close_file(file, false);
  EXPECT_FALSE(fork("clean").has_orphans);
  expect_no_blocks();
}

TEST_F(Orphans, OfAForkThatACrashLeftAreErasedByTheNextMount) {
  const InodeNumber file = open_and_unlink("f");
  const auto child = store().fork_volume(owner(), kMainVolume, "s", VolumeKind::kSnapshot, true);
  ASSERT_THAT(child, IsOk());
  EXPECT_TRUE(exists(volume(child->id), file));
  kill_and_reopen();
  EXPECT_FALSE(exists(volume(child->id), file));
  EXPECT_FALSE(store().volume(child->id)->has_orphans);
}

TEST_F(Orphans, AFileBeingErasedCannotBeOpened) {
  const InodeNumber file = open_and_unlink("f");
  const auto child = store().fork_volume(owner(), kMainVolume, "fork", VolumeKind::kFork, true);
  Volume& fork = volume(child->id);
  EXPECT_THAT(fork.open_file(file, false), FailsWith(ErrorCode::kStale)) << "nobody holds it there";
  EXPECT_THAT(fork.link(owner(), file, kRootInode, "back"), FailsWith(ErrorCode::kNotFound));
  EXPECT_THAT(fork.erase_orphans(true), IsOk());
  main().close_file(file, false);
}

TEST_F(Orphans, OpenFilesOfADeletedVolumeStayReadable) {
  const InodeNumber file = make_file("f");
  write_text(file, "text");
  const VolumeInfo info = fork("fork");
  Volume& child = volume(info.id);
  ASSERT_THAT(child.open_file(file, true), IsOk());
  ASSERT_THAT(file_system().delete_volume(owner(), info.id), IsOk());
  ASSERT_THAT(store().reclaim_now(), IsOk());
  EXPECT_EQ(read_text(child, file, 9), "text");
  const std::string text = "new";
  EXPECT_THAT(child.write(owner(), file, 0, std::as_bytes(std::span(text)), false),
              FailsWith(ErrorCode::kStale));
  EXPECT_THAT(child.make_node(owner(), kRootInode, "x", S_IFREG, 0), FailsWith(ErrorCode::kStale));
  child.close_file(file, true);
  ASSERT_THAT(store().reclaim_now(), IsOk());
  EXPECT_THAT(child.get_attributes(file), FailsWith(ErrorCode::kStale));
  EXPECT_THAT(child.open_file(file, false), FailsWith(ErrorCode::kStale));
  EXPECT_THAT(store().volume(info.id), FailsWith(ErrorCode::kStale));
}

TEST_F(Orphans, OpenWritersAreListed) {
  const InodeNumber a = inode_of(main().make_node(owner(), kRootInode, "a", S_IFREG, 0, true));
  const InodeNumber b = make_file("b");
  ASSERT_THAT(main().open_file(b, false), IsOk());
  EXPECT_EQ(main().open_writers(), std::vector{a});
  main().close_file(a, true);
  main().close_file(b, false);
  EXPECT_TRUE(main().open_writers().empty());
  EXPECT_THAT(main().open_file(InodeNumber{999}, false), FailsWith(ErrorCode::kStale));
}

class OnAFullStore : public VolumeTest {
 protected:
  MemoryStorage::Options storage_options() override {
    MemoryStorage::Options options;
    options.capacity_bytes = std::uint64_t{64} << 20;
    return options;
  }
};

TEST_F(OnAFullStore, FilesCanBeDeletedAndTheSpaceIsBack) {
  const std::string text(1 << 20, 'x');
  const auto fill = [&] {
    int count = 0;
    for (;; ++count) {
      const auto made =
          main().make_node(owner(), kRootInode, "f" + std::to_string(count), S_IFREG, 0);
      if (!made) {
        EXPECT_THAT(made, FailsWith(ErrorCode::kNoSpace));
        return count;
      }
      const auto written =
          main().write(owner(), made->inode, 0, std::as_bytes(std::span(text)), false);
      if (written) continue;
      EXPECT_THAT(written, FailsWith(ErrorCode::kNoSpace));
      return count + 1;
    }
  };
  const int first = fill();
  EXPECT_GT(first, 8);
  check_all();
  Result<Attributes> unnamed;
  for (int index = 0; index < 100'000 && unnamed; ++index) {
    unnamed = main().make_unnamed(owner(), kRootInode, 0600);
    if (unnamed) main().close_file(unnamed->inode, true);
    if (unnamed)
      unnamed = main().make_symlink(owner(), kRootInode, "l" + std::to_string(index),
                                    std::string(4000, 'x'));
  }
  EXPECT_THAT(unnamed, FailsWith(ErrorCode::kNoSpace));
  // A file may still find room where a long link did not: the store has freed nodes meanwhile.
  const auto last = main().make_unnamed(owner(), kRootInode, 0600);
  if (last) main().close_file(last->inode, true);
  EXPECT_FALSE(main().has_orphans()) << "what could not be made leaves nothing behind";
  for (const std::string& name : names_in(main(), kRootInode)) {
    if (name[0] != 'l') continue;
    EXPECT_THAT(main().unlink(owner(), kRootInode, name), IsOk());
  }
  check_all();
  const auto delete_all = [&](int count) {
    for (int index = 0; index < count; ++index) {
      EXPECT_THAT(main().unlink(owner(), kRootInode, "f" + std::to_string(index)), IsOk());
    }
    EXPECT_THAT(store().sync(), IsOk());
    EXPECT_THAT(store().reclaim_now(), IsOk());
    EXPECT_EQ(store().space().live_blocks, 0u);
  };
  delete_all(first);
  const int second = fill();
  EXPECT_GT(second, first / 2);
  delete_all(second);
}

TEST_F(Orphans, VolumesComeAndGoByName) {
  const VolumeInfo info = fork("one");
  EXPECT_THAT(file_system().volume("one"), IsOk());
  EXPECT_THAT(file_system().rename_volume(owner(), info.id, "two"), IsOk());
  EXPECT_THAT(file_system().volume("one"), FailsWith(ErrorCode::kNotFound));
  EXPECT_EQ((*file_system().volume("two"))->id(), info.id);
  EXPECT_THAT(file_system().create_volume(owner(), kMainVolume, "two", VolumeKind::kFork),
              FailsWith(ErrorCode::kExists));
  EXPECT_THAT(file_system().delete_volume(owner(), info.id), IsOk());
  EXPECT_THAT(file_system().volume("two"), FailsWith(ErrorCode::kNotFound));
  EXPECT_THAT(file_system().delete_volume(owner(), info.id), FailsWith(ErrorCode::kStale));
  EXPECT_THAT(store().reclaim_now(), IsOk());
  EXPECT_THAT(file_system().volume(info.id), FailsWith(ErrorCode::kStale));
}

}  // namespace
}  // namespace cowfs
