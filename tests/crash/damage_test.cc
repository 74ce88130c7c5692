// Random damage to a store at rest: it is an error, or it hit what nobody needs; what is read is
// never wrong.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <random>

#include "lib/storage/memory_storage.h"
#include "lib/store/node_reader.h"
#include "lib/store/store_survey.h"
#include "lib/store/superblock.h"
#include "lib/volume/extent_map.h"
#include "lib/volume/fsck.h"
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

  std::unique_ptr<MemoryStorage> with_flipped_bit(ByteOfStore place, unsigned bit) {
    auto image = std::make_unique<MemoryStorage>(MemoryStorage::Options{}, content_);
    std::byte byte{};
    EXPECT_THAT(image->read(place.first, place.second, {&byte, 1}), IsOk());
    byte ^= std::byte{1} << bit;
    EXPECT_THAT(image->write(place.first, place.second, {&byte, 1}), IsOk());
    return image;
  }

  /// Opened with one bit flipped: nothing where it is all as it was, else the first error.
  std::optional<Error> after(ByteOfStore place, unsigned bit) {
    auto opened = FileSystem::open(with_flipped_bit(place, bit), at_rest_options());
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

  /// Whether a check of the store with one bit flipped finds a problem.
  bool check_tells(ByteOfStore place, unsigned bit) {
    const auto image = with_flipped_bit(place, bit);
    const auto report = check_store(*image);
    return !report || !report->problems.clean();
  }

  StoreState expected_;
  ArraySet content_;
  std::vector<InodeNumber> files_;
  std::vector<BlockRange> blocks_;
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

/// Nodes that the superblock leads to, and the superblock's slots: offset and size of each.
std::vector<std::pair<ByteOfStore, std::uint64_t>> reachable_structures(MemoryStorage& storage) {
  const auto slots = read_superblocks(storage);
  EXPECT_THAT(slots, IsOk());
  const Superblock& newest = slots->valid.front();
  NodeReader nodes(storage, newest.node_segments);
  const auto survey = StoreSurvey::make(nodes, storage, newest);
  EXPECT_THAT(survey, IsOk());
  std::vector<std::pair<ByteOfStore, std::uint64_t>> found;
  for (const NodeWalk* walk : {&survey->store_nodes(), &survey->volume_nodes()}) {
    walk->tally().for_each([&](NodeId id, const NodeTally::Entry&) {
      found.push_back({{{ArrayKind::kNodes, 0}, raw(id) * kNodeSize}, kNodeSize});
    });
  }
  for (const std::uint64_t slot : {std::uint64_t{0}, kSuperblockSlotDistance})
    found.push_back({{{ArrayKind::kSuperblock, 0}, slot}, kSuperblockSize});
  return found;
}

// Whoever reads everything is told, or whoever checks; and never is anything wrong that is read.
TEST_F(DamageTest, NoneOfFiveHundredDamagedBitsOfReachableStructuresIsSilent) {
  MemoryStorage whole(MemoryStorage::Options{}, content_);
  const auto structures = reachable_structures(whole);
  ASSERT_GT(structures.size(), 20u);
  std::mt19937_64 random(2);
  unsigned told_by_reads = 0;
  for (int i = 0; i < (kSanitized ? 50 : 500); ++i) {
    const auto& [begin, size] = structures[random() % structures.size()];
    const ByteOfStore place{begin.first, begin.second + random() % size};
    const auto bit = static_cast<unsigned>(random() % 8);
    if (after(place, bit)) ++told_by_reads;
    else EXPECT_TRUE(check_tells(place, bit));
    ASSERT_FALSE(HasFailure()) << to_string(place.first) << ", byte " << place.second;
  }
  EXPECT_GT(told_by_reads, kSanitized ? 10u : 100u);
}

// Of the journal of a closed store nobody needs anything.
TEST_F(DamageTest, DamagedBitsOfTheJournalOfAClosedStoreGiveNoWrongAnswers) {
  const auto segments = MemoryStorage(MemoryStorage::Options{}, content_).list(ArrayKind::kJournal);
  ASSERT_THAT(segments, IsOk());
  std::mt19937_64 random(3);
  for (int i = 0; i < (kSanitized ? 5 : 50); ++i) {
    const ArrayName array{ArrayKind::kJournal, (*segments)[random() % segments->size()]};
    const std::uint64_t size = content_.at(array)->size();
    const auto error = after({array, random() % size}, static_cast<unsigned>(random() % 8));
    EXPECT_FALSE(error) << error->text;
  }
}

}  // namespace
}  // namespace cowfs
