// Many threads in one volume: names, orphans, forks at once. To be run under ThreadSanitizer.
#include <atomic>
#include <random>
#include <thread>

#include "tests/volume/volume_fixture.h"

namespace cowfs {
namespace {

using Threads = VolumeTest;

TEST_F(Threads, ChangesOfOneTreeLeaveItWhole) {
  constexpr int kThreads = 4;
  constexpr int kSteps = 1500;
  const std::vector<InodeNumber> directories{kRootInode, make_directory("a"), make_directory("b")};
  const auto work = [&](unsigned seed) {
    std::minstd_rand random(seed);
    const auto pick = [&](std::size_t below) { return random() % below; };
    const auto directory = [&] { return directories[pick(directories.size())]; };
    const auto name = [&] { return "n" + std::to_string(pick(12)); };
    for (int step = 0; step < kSteps; ++step) {
      switch (pick(9)) {
        case 0:
        case 1: {
          const auto made = main().make_node(owner(), directory(), name(), S_IFREG | 0600, 0, true);
          if (!made) break;
          main().remember(made->inode);
          main().close_file(made->inode, true);
          main().forget(made->inode, 1);
          break;
        }
        case 2: (void)main().unlink(owner(), directory(), name()); break;
        case 3:
          (void)main().rename(owner(), directory(), name(), directory(), name(),
                              pick(2) == 0 ? RenameMode::kReplace : RenameMode::kExchange);
          break;
        case 4: {
          const auto found = main().lookup(directory(), name());
          if (found) (void)main().link(owner(), found->inode, directory(), name());
          break;
        }
        case 5: {  // open a file that others may unlink at this moment; use it; close it
          const auto found = main().lookup(directory(), name());
          if (!found || !S_ISREG(found->mode) || !main().open_file(found->inode, true)) break;
          EXPECT_THAT(main().get_attributes(found->inode), IsOk()) << "open files exist";
          write_text(found->inode, "data");
          main().close_file(found->inode, true);
          break;
        }
        case 6: {
          const auto made = main().make_unnamed(owner(), directory(), 0600);
          if (!made) break;
          if (pick(2) == 0) (void)main().link(owner(), made->inode, directory(), name());
          main().close_file(made->inode, true);
          break;
        }
        case 7: (void)names_in(main(), directory()); break;
        default: {
          AttributeChange change;
          change.permissions = static_cast<mode_t>(pick(512));
          const auto found = main().lookup(directory(), name());
          if (found) (void)main().set_attributes(owner(), found->inode, change);
        }
      }
    }
  };
  std::atomic<bool> stop = false;
  std::jthread forker([&] {
    for (int count = 0; !stop; ++count) {
      const std::string name = "s" + std::to_string(count % 3);
      if (count >= 3) {
        const auto old = store().find_volume(name);
        EXPECT_THAT(old, IsOk());
        EXPECT_THAT(file_system().delete_volume(owner(), old->id), IsOk());
      }
      const auto kind = count % 2 == 0 ? VolumeKind::kSnapshot : VolumeKind::kFork;
      const auto made = file_system().create_volume(owner(), kMainVolume, name, kind);
      ASSERT_THAT(made, IsOk());
      check_volume(volume(made->id));
    }
  });
  {
    std::vector<std::jthread> threads;
    for (unsigned seed = 1; seed <= kThreads; ++seed) threads.emplace_back(work, seed);
  }
  stop = true;
  forker.join();
  EXPECT_FALSE(main().has_orphans());
}

TEST_F(Threads, AnOpenRacingTheLastUnlinkIsEitherRefusedOrGood) {
  for (int round = 0; round < 500; ++round) {
    const InodeNumber file = make_file("f");
    write_text(file, "data");
    std::jthread opener([&] {
      if (!main().open_file(file, false)) return;
      EXPECT_EQ(read_text(main(), file, 9), "data");
      main().close_file(file, false);
    });
    EXPECT_THAT(main().unlink(owner(), kRootInode, "f"), IsOk());
    opener.join();
    EXPECT_THAT(main().get_attributes(file), FailsWith(ErrorCode::kStale));
  }
}

}  // namespace
}  // namespace cowfs
