// What only a store in a host directory can show: opening, locking, modes, links, descriptors.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "tests/storage/bytes_support.h"
#include "tests/storage/tenants.h"

namespace cowfs {
namespace {

using ::testing::HasSubstr;
namespace fs = std::filesystem;

mode_t mode_of(const fs::path& path) {
  struct stat status{};
  EXPECT_EQ(::lstat(path.c_str(), &status), 0) << path;
  return status.st_mode & 07777;
}

std::size_t open_descriptors() {
  std::size_t count = 0;
  for ([[maybe_unused]] const auto& entry : fs::directory_iterator("/proc/self/fd")) ++count;
  return count;
}

/// All paths below a folder with type, mode, size and time of change, for "was left untouched".
std::string fingerprint(const fs::path& folder) {
  std::string all;
  std::vector<fs::path> paths{folder};
  for (const auto& entry : fs::recursive_directory_iterator(folder)) paths.push_back(entry.path());
  std::sort(paths.begin(), paths.end());
  for (const fs::path& path : paths) {
    struct stat status{};
    EXPECT_EQ(::lstat(path.c_str(), &status), 0) << path;
    all += path.string() + " " + std::to_string(status.st_mode) + " " +
           std::to_string(status.st_size) + " " + std::to_string(status.st_ctim.tv_sec) + "." +
           std::to_string(status.st_ctim.tv_nsec) + "\n";
  }
  return all;
}

class HostStore : public ::testing::Test {
 protected:
  std::unique_ptr<HostStorage> make() {
    auto storage = HostStorage::create(path_);
    EXPECT_THAT(storage, IsOk());
    EXPECT_THAT((*storage)->create(ArrayName{}), IsOk());
    return storage ? std::move(*storage) : nullptr;
  }

  std::unique_ptr<HostStorage> open(StorageMode mode = StorageMode::kReadWrite) {
    auto storage = HostStorage::open(path_, mode);
    EXPECT_THAT(storage, IsOk());
    return storage ? std::move(*storage) : nullptr;
  }

  TempDir folder_;
  const std::string path_ = folder_ / "store";
};

TEST_F(HostStore, KeepsItsArraysWhenItIsOpenedAnew) {
  auto storage = make();
  ASSERT_THAT(storage->create(object_name(0xabcdef)), IsOk());
  ASSERT_THAT(storage->write(object_name(0xabcdef), 5, as_bytes("kept")), IsOk());
  storage.reset();
  EXPECT_TRUE(fs::exists(path_ + "/objects/ef/0000000000abcdef"));
  EXPECT_EQ(read_text(*open(), object_name(0xabcdef), 5, 4), "kept");
}

TEST_F(HostStore, IsForItsOwnerAloneWhateverTheUmask) {
  for (const mode_t umask : {mode_t{0}, mode_t{0777}}) {
    const TempDir folder;
    const mode_t old = ::umask(umask);
    auto storage = HostStorage::create(folder / "s");
    if (storage) {
      EXPECT_THAT((*storage)->create(ArrayName{}), IsOk());
      EXPECT_THAT((*storage)->create(object_name(1)), IsOk());
      EXPECT_THAT((*storage)->create({ArrayKind::kJournal, 1}), IsOk());
    }
    ::umask(old);
    ASSERT_THAT(storage, IsOk());
    for (const char* name : {"", "nodes", "objects", "objects/01", "journal"}) {
      EXPECT_EQ(mode_of(folder / "s/" + name), 0700U) << name;
    }
    for (const char* name : {"superblock", "objects/01/0000000000000001"}) {
      EXPECT_EQ(mode_of(folder / "s/" + name), 0600U) << name;
    }
  }
}

TEST_F(HostStore, TakesAnEmptyFolderAndClosesItToOthers) {
  fs::create_directory(path_);
  fs::permissions(path_, fs::perms{0755});
  ASSERT_THAT(HostStorage::format_directory(path_), IsOk());
  EXPECT_EQ(mode_of(path_), 0700U);
}

TEST_F(HostStore, IsNotMadeInAFolderThatHoldsAnything) {
  fs::create_directory(path_);
  std::ofstream(path_ + "/precious") << "data";
  const std::string before = fingerprint(path_);
  const Result<void> made = HostStorage::format_directory(path_);
  ASSERT_THAT(made, FailsWith(ErrorCode::kExists));
  EXPECT_THAT(made.error().text, HasSubstr("not empty"));
  EXPECT_THAT(made.error().text, HasSubstr("precious"));
  EXPECT_EQ(fingerprint(path_), before);
}

TEST_F(HostStore, IsNotMadeWhereAFileIsOrWhereThePathLeadsNowhere) {
  std::ofstream(path_) << "a file";
  EXPECT_THAT(HostStorage::format_directory(path_), FailsWith(ErrorCode::kNotDirectory));
  EXPECT_THAT(HostStorage::format_directory(folder_ / "no/such/place"),
              FailsWith(ErrorCode::kNotFound));
}

TEST_F(HostStore, IsOpenedByOneOnly) {
  auto storage = make();
  for (const StorageMode mode : {StorageMode::kReadWrite, StorageMode::kReadOnly}) {
    const auto second = HostStorage::open(path_, mode);
    ASSERT_THAT(second, FailsWith(ErrorCode::kLocked));
    EXPECT_THAT(second.error().text, HasSubstr("in use by another daemon"));
  }
  storage.reset();
  EXPECT_NE(open(), nullptr);
}

TEST_F(HostStore, IsRefusedWithAReasonWhenAPartIsMissing) {
  EXPECT_THAT(HostStorage::open(path_, StorageMode::kReadOnly), FailsWith(ErrorCode::kNotFound));
  for (const char* part : {"nodes", "objects", "superblock"}) {
    make().reset();
    fs::remove_all(path_ + "/" + part);
    const std::string before = fingerprint(path_);
    const auto opened = HostStorage::open(path_, StorageMode::kReadWrite);
    ASSERT_THAT(opened, FailsWith(ErrorCode::kNotAStore)) << part;
    EXPECT_THAT(opened.error().text, HasSubstr(part));
    EXPECT_EQ(fingerprint(path_), before);
    fs::remove_all(path_);
  }
}

TEST_F(HostStore, IsRefusedWhenAPartIsALink) {
  make().reset();
  fs::rename(path_ + "/nodes", folder_ / "elsewhere");
  fs::create_directory_symlink(folder_ / "elsewhere", path_ + "/nodes");
  EXPECT_THAT(HostStorage::open(path_, StorageMode::kReadWrite), FailsWith(ErrorCode::kNotAStore));
}

TEST_F(HostStore, ReadOnlyRefusesEveryChangeAndTouchesNothing) {
  auto storage = make();
  ASSERT_THAT(storage->create(object_name(1)), IsOk());
  ASSERT_THAT(storage->write(object_name(1), 0, as_bytes("text")), IsOk());
  storage.reset();
  const std::string before = fingerprint(path_);
  storage = open(StorageMode::kReadOnly);
  ASSERT_NE(storage, nullptr);
  EXPECT_THAT(storage->create(object_name(2)), FailsWith(ErrorCode::kReadOnly));
  EXPECT_THAT(storage->create({ArrayKind::kJournal, 1}), FailsWith(ErrorCode::kReadOnly));
  EXPECT_THAT(storage->remove(object_name(1)), FailsWith(ErrorCode::kReadOnly));
  EXPECT_THAT(storage->write(object_name(1), 0, as_bytes("x")), FailsWith(ErrorCode::kReadOnly));
  EXPECT_THAT(storage->reserve(object_name(1), 0, 9), FailsWith(ErrorCode::kReadOnly));
  EXPECT_THAT(storage->punch(object_name(1), 0, 1), FailsWith(ErrorCode::kReadOnly));
  EXPECT_THAT(storage->resize(object_name(1), 1), FailsWith(ErrorCode::kReadOnly));
  EXPECT_THAT(storage->sync(object_name(1)), IsOk());
  EXPECT_THAT(storage->sync_names(ArrayKind::kObject), IsOk());
  EXPECT_EQ(read_text(*storage, object_name(1), 0, 4), "text");
  EXPECT_EQ(fingerprint(path_), before);
}

TEST_F(HostStore, FollowsNoLinkThatWasPutInIt) {
  auto storage = make();
  const std::string secret = folder_ / "secret";
  std::ofstream(secret) << "secret";
  ASSERT_THAT(storage->create(object_name(0x101)), IsOk());
  fs::create_symlink(secret, path_ + "/objects/01/0000000000000201");
  fs::create_directory(folder_ / "outside");
  fs::create_directory_symlink(folder_ / "outside", path_ + "/objects/02");

  std::byte byte{};
  EXPECT_THAT(storage->read(object_name(0x201), 0, {&byte, 1}), FailsWith(ErrorCode::kCorrupted));
  EXPECT_THAT(storage->write(object_name(0x201), 0, as_bytes("x")),
              FailsWith(ErrorCode::kCorrupted));
  EXPECT_THAT(storage->create(object_name(0x201)), FailsWith(ErrorCode::kExists));
  EXPECT_THAT(storage->create(object_name(0x02)), FailsWith(ErrorCode::kCorrupted));
  EXPECT_TRUE(fs::is_empty(folder_ / "outside"));
  EXPECT_EQ(fs::file_size(secret), 6U);
}

TEST_F(HostStore, DoesNotWaitForAPipeThatWasPutInIt) {
  auto storage = make();
  ASSERT_EQ(::mkfifo((path_ + "/nodes/0000000000000001").c_str(), 0600), 0);
  storage.reset();
  storage = open(StorageMode::kReadOnly);
  std::byte byte{};
  EXPECT_THAT(storage->read(nodes_name(1), 0, {&byte, 1}), FailsWith(ErrorCode::kCorrupted));
}

TEST_F(HostStore, ListsOnlyWhatItWouldFindAgain) {
  auto storage = make();
  ASSERT_THAT(storage->create(object_name(0x101)), IsOk());
  for (const char* stray : {"objects/01/0000000000000102", "objects/01/000000000000101",
                            "objects/01/00000000000001AA", "objects/01/0000000000000101.old"}) {
    std::ofstream(path_ + "/" + stray) << "x";
  }
  EXPECT_THAT(storage->list(ArrayKind::kObject), HoldsValue(std::vector<std::uint64_t>{0x101}));
}

TEST_F(HostStore, KeepsABoundedNumberOfDescriptorsOverTwoThousandUnsyncedArrays) {
  auto storage = make();
  const std::size_t before = open_descriptors();
  std::size_t most = 0;
  for (std::uint64_t number = 1; number <= 2000; ++number) {
    ASSERT_THAT(storage->create(object_name(number)), IsOk());
    ASSERT_THAT(storage->write(object_name(number), 0, as_bytes(std::to_string(number))), IsOk());
    if (number % 100 == 0) most = std::max(most, open_descriptors());
  }
  EXPECT_LE(most, before + 512 + 8);
  EXPECT_LE(storage->open_count(), 512U);
  for (std::uint64_t number = 1; number <= 2000; ++number) {
    const std::string text = std::to_string(number);
    ASSERT_EQ(read_text(*storage, object_name(number), 0, text.size()), text);
  }
  EXPECT_LE(storage->open_count(), 512U);
}

TEST_F(HostStore, GivesSpaceBackWhenItPunches) {
  auto storage = make();
  if (!storage->limits().can_punch) GTEST_SKIP() << "the host cannot punch";
  ASSERT_THAT(storage->create(object_name(1)), IsOk());
  ASSERT_THAT(storage->write(object_name(1), 0, as_bytes(std::string(1 << 20, 'x'))), IsOk());
  ASSERT_THAT(storage->sync(object_name(1)), IsOk());
  const std::string file = path_ + "/objects/01/0000000000000001";
  struct stat status{};
  ASSERT_EQ(::stat(file.c_str(), &status), 0);
  const auto blocks_before = status.st_blocks;
  ASSERT_THAT(storage->punch(object_name(1), 0, 1 << 19), IsOk());
  ASSERT_EQ(::stat(file.c_str(), &status), 0);
  EXPECT_LE(status.st_blocks, blocks_before - (1 << 19) / 512);
}

TEST_F(HostStore, ASyncOfWhatSomebodyRemovedIsNoSuccess) {
  auto storage = make();
  ASSERT_THAT(storage->create(nodes_name(0)), IsOk());
  ASSERT_THAT(storage->create(object_name(1)), IsOk());
  for (const ArrayName name : {nodes_name(0), object_name(1)}) {
    ASSERT_THAT(storage->write(name, 0, as_bytes("x")), IsOk());
    ASSERT_THAT(storage->sync(name), IsOk());
  }
  fs::remove_all(path_);
  EXPECT_THAT(storage->sync(nodes_name(0)), FailsWith(ErrorCode::kIo));
  EXPECT_THAT(storage->sync(object_name(1)), FailsWith(ErrorCode::kNotFound));
}

TEST_F(HostStore, HandsOutADescriptorThatCannotWrite) {
  auto storage = make();
  EXPECT_TRUE(storage->limits().has_descriptors);
  ASSERT_THAT(storage->create(object_name(1)), IsOk());
  ASSERT_THAT(storage->write(object_name(1), 0, as_bytes("through")), IsOk());
  const auto fd = storage->open_descriptor(object_name(1));
  ASSERT_THAT(fd, IsOk());
  char text[8] = {};
  EXPECT_EQ(::pread(fd->get(), text, 7, 0), 7);
  EXPECT_STREQ(text, "through");
  EXPECT_LT(::pwrite(fd->get(), "x", 1, 0), 0);
  EXPECT_EQ(::fcntl(fd->get(), F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
}

TEST_F(HostStore, WorksForManyThreadsThatMakeReadAndRemoveArrays) {
  auto storage = make();
  constexpr std::uint64_t kThreads = 4;
  constexpr std::uint64_t kArrays = 300;
  {
    std::vector<std::jthread> threads;
    for (std::uint64_t thread = 0; thread < kThreads; ++thread) {
      threads.emplace_back([&, thread] {
        for (std::uint64_t i = 0; i < kArrays; ++i) {
          const ArrayName name = object_name(thread * kArrays + i);
          const std::string text = to_string(name);
          EXPECT_THAT(storage->create(name), IsOk());
          EXPECT_THAT(storage->write(name, 0, as_bytes(text)), IsOk());
          EXPECT_EQ(read_text(*storage, name, 0, text.size()), text);
          if (i % 10 == 0) {
            EXPECT_THAT(storage->sync_names(ArrayKind::kObject), IsOk());
          }
          if (i % 2 == 0) {
            EXPECT_THAT(storage->remove(name), IsOk());
          }
        }
      });
    }
  }
  const auto left = storage->list(ArrayKind::kObject);
  ASSERT_THAT(left, IsOk());
  EXPECT_EQ(left->size(), kThreads * kArrays / 2);
}

}  // namespace
}  // namespace cowfs
