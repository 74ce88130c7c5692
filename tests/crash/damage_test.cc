// Random damage to a store at rest: it is an error, or it hit what nobody needs; what is read is
// never wrong.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <random>

#include "lib/storage/memory_storage.h"
#include "lib/volume/extent_map.h"
#include "tests/crash/observation.h"
#include "tests/support/result_matchers.h"
#include "tests/support/sanitized.h"

namespace cowfs {
namespace {

const RequestContext kStoreOwner{.request_id = 1, .uid = 0, .gid = 0, .groups = {}, .umask = 0};

StoreOptions at_rest_options() {
  StoreOptions options;
  options.background = false;
  options.reserve_bytes = 0;
  return options;
}

using ByteOfStore = std::pair<ArrayName, std::uint64_t>;

/// A store with files, clones, a snapshot, a fork, holes, overwritten blocks and attributes;
/// closed.
class DamageTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto memory = std::make_unique<MemoryStorage>();
    ASSERT_THAT(FileSystem::format(*memory, kStoreOwner, 0755), IsOk());
    MemoryStorage& storage = *memory;
    auto opened = FileSystem::open(std::move(memory), at_rest_options());
    ASSERT_THAT(opened, IsOk());
    fill(**opened);
    note_blocks((*opened)->store());
    auto seen = observe(**opened);
    ASSERT_THAT(seen, IsOk());
    expected_ = *seen;
    ASSERT_THAT((*opened)->close(), IsOk());
    content_ = storage.content();
    for (const ArrayKind kind : {ArrayKind::kSuperblock, ArrayKind::kNodes, ArrayKind::kJournal}) {
      const auto numbers = storage.list(kind);
      ASSERT_THAT(numbers, IsOk());
      for (const std::uint64_t number : *numbers) {
        arrays_.emplace_back(ArrayName{kind, number}, *storage.size({kind, number}));
      }
    }
  }

  void fill(FileSystem& file_system) {
    const auto main = *file_system.volume(kMainVolume);
    const auto directory = main->make_directory(kStoreOwner, kRootInode, "d", 0755);
    for (unsigned i = 0; i < 40; ++i) {
      const auto made = main->make_node(kStoreOwner, i % 2 == 0 ? kRootInode : directory->inode,
                                        "f" + std::to_string(i), S_IFREG | 0644, 0);
      ASSERT_THAT(made, IsOk());
      std::string bytes(1000 + 3000 * i, static_cast<char>('a' + i % 26));
      for (std::size_t at = 0; at < bytes.size(); at += 97) bytes[at] = static_cast<char>(at + i);
      write(*main, made->inode, 8192 * (i % 3), bytes);
      EXPECT_THAT(main->set_extended_attribute(kStoreOwner, made->inode, "user.n",
                                               bytes.substr(0, 700), AttributeMode::kAny),
                  IsOk());
      files_.push_back(made->inode);
    }
    ASSERT_THAT(
        file_system.create_volume(kStoreOwner, kMainVolume, "snapshot", VolumeKind::kSnapshot),
        IsOk());
    ASSERT_THAT(Volume::clone_range(kStoreOwner, *main, files_[30], 0, *main, files_[3], 4096,
                                    16384, false),
                IsOk());
    ASSERT_THAT(file_system.create_volume(kStoreOwner, kMainVolume, "fork", VolumeKind::kFork),
                IsOk());
    for (unsigned i = 5; i < 30; ++i) write(*main, files_[i], 100 * i, "changed after the fork");
    ASSERT_THAT(file_system.store().checkpoint(), IsOk());
    for (unsigned i = 5; i < 30; ++i) write(*main, files_[i], 100 * i + 3, "and in place");
  }

  static void write(Volume& volume, InodeNumber inode, std::uint64_t offset,
                    std::string_view bytes) {
    ASSERT_THAT(volume.write(kStoreOwner, inode, offset, std::as_bytes(std::span(bytes)), false),
                IsOk());
  }

  void note_blocks(Store& store) {
    const ReadView view(store);
    for (const InodeNumber file : files_) {
      const auto extents = find_extents(view, kMainVolume, file, {0, 1000});
      ASSERT_THAT(extents, IsOk());
      for (const Extent& extent : *extents) blocks_.push_back(extent.blocks);
    }
  }

  /// Opened with one bit flipped: nothing where it is all as it was, else the first error.
  std::optional<Error> after(ByteOfStore place, unsigned bit) {
    auto image = std::make_unique<MemoryStorage>(MemoryStorage::Options{}, content_);
    std::byte byte{};
    EXPECT_THAT(image->read(place.first, place.second, {&byte, 1}), IsOk());
    byte ^= std::byte{1} << bit;
    EXPECT_THAT(image->write(place.first, place.second, {&byte, 1}), IsOk());
    auto opened = FileSystem::open(std::move(image), at_rest_options());
    if (!opened) return opened.error();
    auto seen = observe(**opened);
    if (!seen) return seen.error();
    EXPECT_EQ(seen->size(), expected_.size());
    for (const auto& [name, volume] : expected_) {
      const auto& now = seen->at(name);
      EXPECT_EQ(now->structure, volume->structure) << name;
      for (const auto& [inode, file] : volume->files) {
        EXPECT_TRUE(*now->files.at(inode)->bytes == *file->bytes)
            << "wrong bytes in " << name << ", inode " << raw(inode);
      }
    }
    return std::nullopt;
  }

  StoreState expected_;
  ArraySet content_;
  std::vector<InodeNumber> files_;
  std::vector<BlockRange> blocks_;
  std::vector<std::pair<ArrayName, std::uint64_t>> arrays_;
};

TEST_F(DamageTest, NoneOfFiveHundredDamagedBitsOfFileDataIsSilent) {
  std::mt19937_64 random(1);
  for (int i = 0; i < (kSanitized ? 50 : 500); ++i) {
    const BlockRange& range = blocks_[random() % blocks_.size()];
    const std::uint64_t offset = (range.first << 12) + random() % (range.count << 12);
    const auto error = after({{ArrayKind::kObject, raw(range.object)}, offset},
                             static_cast<unsigned>(random() % 8));
    ASSERT_TRUE(error) << "byte " << offset << " of object " << raw(range.object);
    EXPECT_EQ(error->code, ErrorCode::kCorrupted) << error->text;
  }
}

TEST_F(DamageTest, NoneOfFiveHundredDamagedBitsOfTheStoresOwnStructuresGivesWrongAnswers) {
  std::mt19937_64 random(2);
  unsigned told = 0;
  for (int i = 0; i < (kSanitized ? 50 : 500); ++i) {
    const auto& [array, size] = arrays_[random() % arrays_.size()];
    // Most of the node array was never used: its first nodes are.
    const std::uint64_t used =
        array.kind == ArrayKind::kNodes ? std::min<std::uint64_t>(size, 64 << 12) : size;
    if (after({array, random() % used}, static_cast<unsigned>(random() % 8))) ++told;
    ASSERT_FALSE(HasFailure()) << to_string(array);
  }
  EXPECT_GT(told, kSanitized ? 1u : 20u) << "hardly anything was hit";
}

}  // namespace
}  // namespace cowfs
