// Random changes of a few files in a few volumes, compared byte for byte with strings.
//
// A case is its seed: COWFS_TEST_SEED=n runs that one alone.
#include <cstdlib>
#include <map>
#include <random>

#include "tests/volume/data_fixture.h"

namespace cowfs {
namespace {

constexpr std::uint64_t kMaxSize = 2'500'000;  // above what makes an own object
constexpr int kSteps = 200;

class DataModel : public DataTest {
 protected:
  using Files = std::map<InodeNumber, std::string>;
  struct ModelVolume {
    bool read_only = false;
    Files files;
  };

  void run(std::uint64_t seed);

 private:
  std::uint64_t below(std::uint64_t limit) {
    return std::uniform_int_distribution<std::uint64_t>(0, limit - 1)(random_);
  }
  /// Offsets and lengths that often lie on block boundaries, and mostly near each other.
  std::uint64_t some_offset() {
    const std::uint64_t offset = below(below(4) == 0 ? kMaxSize : 20 * kBlock);
    return below(2) == 0 ? offset - offset % kBlock : offset;
  }
  std::uint64_t some_length() {
    const std::uint64_t length = 1 + below(below(8) == 0 ? kMaxSize / 2 : 6 * kBlock);
    return below(2) == 0 ? (length + kBlock - 1) / kBlock * kBlock : length;
  }
  std::pair<VolumeId, ModelVolume*> some_volume(bool writable);
  InodeNumber some_file() { return files_[below(files_.size())]; }

  void step();
  void write_somewhere(Volume& to, InodeNumber inode, std::string& bytes);
  void truncate_somewhere(Volume& to, InodeNumber inode, std::string& bytes);
  void allocate_somewhere(Volume& to, InodeNumber inode, std::string& bytes);
  void clone_somewhere(VolumeId to_id, InodeNumber to_inode, std::string& bytes);
  void fork_somewhere();
  void delete_somewhere();
  void compare(Volume& of, InodeNumber inode, const std::string& bytes);
  void compare_all();

  std::mt19937_64 random_;
  std::vector<InodeNumber> files_;
  std::map<VolumeId, ModelVolume> volumes_;
  int made_ = 0;
};

std::pair<VolumeId, DataModel::ModelVolume*> DataModel::some_volume(bool writable) {
  while (true) {
    auto it = volumes_.begin();
    std::advance(it, static_cast<std::ptrdiff_t>(below(volumes_.size())));
    if (!writable || !it->second.read_only) return {it->first, &it->second};
  }
}

void DataModel::write_somewhere(Volume& to, InodeNumber inode, std::string& bytes) {
  const std::uint64_t offset = some_offset();
  const std::string in = below(5) == 0 ? std::string(some_length(), '\0')
                                       : pattern(some_length(), static_cast<unsigned>(random_()));
  write_in(to, inode, offset, in);
  if (bytes.size() < offset + in.size()) bytes.resize(offset + in.size());
  bytes.replace(offset, in.size(), in);
}

void DataModel::truncate_somewhere(Volume& to, InodeNumber inode, std::string& bytes) {
  const std::uint64_t size = below(6) == 0 ? 0 : some_offset();
  AttributeChange change;
  change.size = size;
  EXPECT_THAT(to.set_attributes(owner(), inode, change), IsOk());
  bytes.resize(size);
}

void DataModel::allocate_somewhere(Volume& to, InodeNumber inode, std::string& bytes) {
  const auto mode = static_cast<AllocateMode>(below(5));
  const std::uint64_t offset = some_offset();
  const std::uint64_t length = some_length();
  EXPECT_THAT(to.allocate(owner(), inode, mode, offset, length, false), IsOk());
  const bool grows = mode == AllocateMode::kAllocate || mode == AllocateMode::kZeroRange;
  if (grows && bytes.size() < offset + length) bytes.resize(offset + length);
  const bool fills = mode == AllocateMode::kAllocate || mode == AllocateMode::kAllocateKeepSize;
  if (fills || offset >= bytes.size()) return;
  const std::uint64_t end = std::min<std::uint64_t>(bytes.size(), offset + length);
  std::fill(bytes.begin() + static_cast<std::ptrdiff_t>(offset),
            bytes.begin() + static_cast<std::ptrdiff_t>(end), '\0');
}

void DataModel::clone_somewhere(VolumeId to_id, InodeNumber to_inode, std::string& bytes) {
  const auto [from_id, from] = some_volume(false);
  const InodeNumber from_inode = some_file();
  const std::string source = from->files[from_inode];
  const std::uint64_t from_offset = some_offset();
  const std::uint64_t to_offset =
      below(3) == 0 ? some_offset() : some_offset() / kBlock * kBlock + from_offset % kBlock;
  std::uint64_t length = below(3) == 0 ? kMaxSize : some_length();
  const auto done = Volume::clone_range(owner(), volume(from_id), from_inode, from_offset,
                                        volume(to_id), to_inode, to_offset, length, false);
  length = from_offset < source.size()
               ? std::min<std::uint64_t>(length, source.size() - from_offset)
               : 0;
  const bool overlap = from_id == to_id && from_inode == to_inode && length > 0 &&
                       from_offset < to_offset + length && to_offset < from_offset + length;
  if (overlap) {
    EXPECT_THAT(done, FailsWith(ErrorCode::kInvalidArgument));
    return;
  }
  ASSERT_THAT(done, HoldsValue(length));
  if (length == 0) return;
  if (bytes.size() < to_offset + length) bytes.resize(to_offset + length);
  bytes.replace(to_offset, length, source, from_offset, length);
}

void DataModel::fork_somewhere() {
  if (volumes_.size() > 5) return;
  const auto [parent, model] = some_volume(false);
  const bool read_only = below(2) == 0;
  const auto made =
      file_system().create_volume(owner(), parent, "v" + std::to_string(made_++),
                                  read_only ? VolumeKind::kSnapshot : VolumeKind::kFork);
  ASSERT_THAT(made, IsOk());
  volumes_[made->id] = {read_only, model->files};
}

void DataModel::delete_somewhere() {
  const auto [id, model] = some_volume(false);
  if (id == kMainVolume) return;
  ASSERT_THAT(file_system().delete_volume(owner(), id), IsOk());
  volumes_.erase(id);
  if (below(2) == 0) {
    ASSERT_THAT(store().reclaim_now(), IsOk());
  }
}

void DataModel::compare(Volume& of, InodeNumber inode, const std::string& bytes) {
  expect_file(of, inode, bytes);
  expect_exact_blocks(of, inode);
  // What seek calls a hole is zero, and data and holes take turns.
  for (std::uint64_t at = 0; at < bytes.size();) {
    const auto data = of.seek(inode, at, SeekTarget::kData);
    const std::uint64_t hole_end = data ? *data : bytes.size();
    ASSERT_GE(bytes.find_first_not_of('\0', at), hole_end);
    if (!data) return;
    const auto hole = of.seek(inode, *data, SeekTarget::kHole);
    ASSERT_THAT(hole, IsOk());
    ASSERT_GT(*hole, *data);
    at = *hole;
  }
}

void DataModel::compare_all() {
  for (const auto& [id, model] : volumes_) {
    for (const auto& [inode, bytes] : model.files) compare(volume(id), inode, bytes);
  }
  ASSERT_THAT(store().verify(), IsOk());
}

void DataModel::step() {
  const auto [id, model] = some_volume(true);
  const InodeNumber inode = some_file();
  std::string& bytes = model->files[inode];
  const std::uint64_t dice = below(100);
  if (dice < 40) {
    write_somewhere(volume(id), inode, bytes);
  } else if (dice < 52) {
    truncate_somewhere(volume(id), inode, bytes);
  } else if (dice < 68) {
    allocate_somewhere(volume(id), inode, bytes);
  } else if (dice < 88) {
    clone_somewhere(id, inode, bytes);
  } else if (dice < 93) {
    fork_somewhere();
  } else if (dice < 97) {
    delete_somewhere();
  } else {
    EXPECT_THAT(store().sync(), IsOk());
  }
  if (volumes_.contains(id)) compare(volume(id), inode, volumes_[id].files[inode]);
}

void DataModel::run(std::uint64_t seed) {
  SCOPED_TRACE("COWFS_TEST_SEED=" + std::to_string(seed));
  random_.seed(seed);
  for (int i = 0; i < 3; ++i) files_.push_back(make_file("file" + std::to_string(i)));
  volumes_[kMainVolume] = {};
  for (const InodeNumber file : files_) volumes_[kMainVolume].files[file] = {};
  for (int i = 0; i < kSteps && !HasFailure(); ++i) {
    SCOPED_TRACE("step " + std::to_string(i));
    step();
    if (i % 50 == 49) compare_all();
  }
  compare_all();
  for (const auto& [id, model] : volumes_) {
    if (id == kMainVolume) continue;
    EXPECT_THAT(file_system().delete_volume(owner(), id), IsOk());
  }
  for (int i = 0; i < 3; ++i)
    EXPECT_THAT(main().unlink(owner(), kRootInode, "file" + std::to_string(i)), IsOk());
  EXPECT_EQ(live_blocks(), 0u);
}

class DataModelSeeds : public DataModel, public ::testing::WithParamInterface<std::uint64_t> {};

TEST_P(DataModelSeeds, RandomChangesMatchTheReference) {
  const char* chosen = std::getenv("COWFS_TEST_SEED");
  if (chosen != nullptr && std::strtoull(chosen, nullptr, 10) != GetParam())
    GTEST_SKIP() << "another seed was asked for";
  run(GetParam());
}

INSTANTIATE_TEST_SUITE_P(Seeds, DataModelSeeds, ::testing::Range<std::uint64_t>(1, 9));

}  // namespace
}  // namespace cowfs
