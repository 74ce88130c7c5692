// A store on a host without space, and on one that is mounted read-only: a small tmpfs of the
// test's own.
#include <gtest/gtest.h>
#include <sys/mount.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>

#include "tests/storage/bytes_support.h"
#include "tests/storage/tenants.h"

namespace cowfs {
namespace {

class SmallHost : public ::testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "mounting a tmpfs needs root";
    if (::mount("cowfs-test", folder_.path().c_str(), "tmpfs", 0, "size=1m,mode=0755") != 0) {
      GTEST_SKIP() << "cannot mount a tmpfs: " << std::strerror(errno);
    }
    mounted_ = true;
  }
  ~SmallHost() override {
    storage_.reset();
    if (mounted_) ::umount2(folder_.path().c_str(), MNT_DETACH);
  }

  void make() {
    auto storage = HostStorage::create(path_);
    ASSERT_THAT(storage, IsOk());
    storage_ = std::move(*storage);
    ASSERT_THAT(storage_->create(ArrayName{}), IsOk());
    ASSERT_THAT(storage_->create(object_name(1)), IsOk());
  }

  TempDir folder_;
  const std::string path_ = folder_ / "store";
  std::unique_ptr<HostStorage> storage_;
  bool mounted_ = false;
};

TEST_F(SmallHost, SaysNoSpaceWhenFullAndGoesOnAfterSomeWasGivenBack) {
  make();
  const std::string chunk(64 * 1024, 'x');
  Result<void> written;
  std::uint64_t offset = 0;
  for (; written && offset < (2 << 20); offset += chunk.size()) {
    written = storage_->write(object_name(1), offset, as_bytes(chunk));
  }
  ASSERT_THAT(written, FailsWith(ErrorCode::kNoSpace));
  EXPECT_NE(written.error().text.find("objects/0000000000000001: write"), std::string::npos);
  EXPECT_EQ(read_text(*storage_, object_name(1), 0, chunk.size()), chunk);
  EXPECT_THAT(storage_->reserve(object_name(1), offset, chunk.size()),
              FailsWith(ErrorCode::kNoSpace));
  ASSERT_THAT(storage_->punch(object_name(1), 0, chunk.size()), IsOk());
  EXPECT_THAT(storage_->write(object_name(1), 0, as_bytes(chunk)), IsOk());
}

TEST_F(SmallHost, FreeSpaceShrinksWithWhatIsWritten) {
  make();
  const auto before = storage_->space();
  ASSERT_THAT(before, IsOk());
  ASSERT_THAT(storage_->write(object_name(1), 0, as_bytes(std::string(256 * 1024, 'x'))), IsOk());
  const auto after = storage_->space();
  ASSERT_THAT(after, IsOk());
  EXPECT_EQ(before->free_bytes - after->free_bytes, 256U * 1024);
  EXPECT_EQ(after->total_bytes, 1U << 20);
}

TEST_F(SmallHost, IsReadableWhereTheHostIsReadOnly) {
  make();
  ASSERT_THAT(storage_->write(object_name(1), 0, as_bytes("still there")), IsOk());
  storage_.reset();
  ASSERT_EQ(::mount(nullptr, folder_.path().c_str(), nullptr, MS_REMOUNT | MS_RDONLY, nullptr), 0);
  auto storage = HostStorage::open(path_, StorageMode::kReadOnly);
  ASSERT_THAT(storage, IsOk());
  EXPECT_EQ(read_text(**storage, object_name(1), 0, 11), "still there");
  EXPECT_THAT(HostStorage::open(path_, StorageMode::kReadOnly), FailsWith(ErrorCode::kLocked));
  storage->reset();
  auto writable = HostStorage::open(path_, StorageMode::kReadWrite);
  ASSERT_THAT(writable, IsOk());
  EXPECT_THAT((*writable)->create(object_name(2)), FailsWith(ErrorCode::kReadOnly));
}

}  // namespace
}  // namespace cowfs
