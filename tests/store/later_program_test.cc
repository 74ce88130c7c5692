// Stores of other programs, and of later ones: what may be opened, and what is refused and left alone.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>
#include <string>

#include "lib/storage/host_storage.h"
#include "lib/storage/memory_storage.h"
#include "lib/store/store.h"
#include "lib/store/superblock.h"
#include "tests/store/formatted.h"
#include "tests/support/result_matchers.h"
#include "tests/support/temp_dir.h"

namespace cowfs {
namespace {

TEST(Store, RefusesWhatIsNoStore) {
  auto storage = formatted();
  const std::string nothing(kSuperblockSlots * kSuperblockSlotDistance, 'X');
  ASSERT_THAT(storage->write({ArrayKind::kSuperblock, 0}, 0, std::as_bytes(std::span(nothing))),
              IsOk());
  EXPECT_THAT(Store::open(std::move(storage), {}), FailsWith(ErrorCode::kNotAStore));
}

std::map<std::string, std::string> bytes_below(const std::filesystem::path& folder) {
  std::map<std::string, std::string> found;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    std::ostringstream text;
    if (entry.is_regular_file()) text << std::ifstream(entry.path()).rdbuf();
    found[entry.path().string()] = text.str();
  }
  return found;
}

// A store whose newest slot, beside one of ours, was written by a later program, with `change`.
class StoreOfALaterProgram {
 public:
  template <typename Change>
  explicit StoreOfALaterProgram(Change change) {
    auto storage = HostStorage::create(path());
    EXPECT_THAT(storage, IsOk());
    EXPECT_THAT(Store::format(**storage, {.seed = 7}), IsOk());
    const auto slots = read_superblocks(**storage);
    EXPECT_THAT(slots, IsOk());
    Superblock changed = slots->valid.front();
    ++changed.checkpoint;
    change(changed);
    EXPECT_THAT(write_superblock(**storage, changed), IsOk());
  }

  // Refused, in words that name what it has; not a byte is changed.
  void expect_refused(bool read_only, const std::string& words) {
    const auto before = bytes_below(folder_.path());
    auto storage =
        HostStorage::open(path(), read_only ? StorageMode::kReadOnly : StorageMode::kReadWrite);
    ASSERT_THAT(storage, IsOk());
    StoreOptions options;
    options.read_only = read_only;
    const auto opened = Store::open(std::move(*storage), options);
    ASSERT_THAT(opened, FailsWith(ErrorCode::kNotAStore));
    EXPECT_NE(opened.error().text.find(words), std::string::npos) << opened.error().text;
    EXPECT_EQ(bytes_below(folder_.path()), before);
  }
  bool opens_read_only() {
    auto storage = HostStorage::open(path(), StorageMode::kReadOnly);
    StoreOptions options;
    options.read_only = true;
    return storage && Store::open(std::move(*storage), options);
  }

 private:
  std::string path() const { return folder_ / "store"; }

  TempDir folder_;
};

TEST(Store, RefusesANewerVersionAndLeavesItAlone) {
  StoreOfALaterProgram store([](Superblock& s) { ++s.version; });
  store.expect_refused(false, "format version 2, this program knows version 1");
  store.expect_refused(true, "format version 2, this program knows version 1");
}

TEST(Store, RefusesFeaturesThatItDoesNotKnowAndLeavesThemAlone) {
  StoreOfALaterProgram store([](Superblock& s) { s.incompatible |= std::uint64_t{1} << 40; });
  store.expect_refused(false, "features that this program does not know");
  store.expect_refused(true, "features that this program does not know");
}

TEST(Store, OpensFeaturesThatAreOnlyReadOnlyCompatibleToReadAlone) {
  StoreOfALaterProgram store(
      [](Superblock& s) { s.read_only_compatible |= std::uint64_t{1} << 40; });
  store.expect_refused(false, "can only be mounted read-only");
  EXPECT_TRUE(store.opens_read_only());
}

TEST(Store, OpensFeaturesThatAreCompatible) {
  StoreOfALaterProgram store([](Superblock& s) { s.compatible |= std::uint64_t{1} << 40; });
  EXPECT_TRUE(store.opens_read_only());
}

}  // namespace
}  // namespace cowfs
