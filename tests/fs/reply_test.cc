#include "fs/reply.h"

#include <gtest/gtest.h>

#include <cerrno>

namespace cowfs {
namespace {

TEST(Reply, CodesBecomeTheErrnoThatPosixNames) {
  EXPECT_EQ(errno_of(ErrorCode::kNotFound), ENOENT);
  EXPECT_EQ(errno_of(ErrorCode::kNotEmpty), ENOTEMPTY);
  EXPECT_EQ(errno_of(ErrorCode::kReadOnly), EROFS);
  EXPECT_EQ(errno_of(ErrorCode::kCrossVolume), EXDEV);
  EXPECT_EQ(errno_of(ErrorCode::kStale), ESTALE);
  EXPECT_EQ(errno_of(ErrorCode::kNoData), ENODATA);
  EXPECT_EQ(errno_of(ErrorCode::kNoSuchOffset), ENXIO);
  EXPECT_EQ(errno_of(ErrorCode::kTooBig), E2BIG);
  EXPECT_EQ(errno_of(ErrorCode::kCorrupted), EIO);
}

TEST(Reply, StatusCountsBlocksOf512Bytes) {
  Attributes attributes;
  attributes.mode = S_IFREG | 0644;
  attributes.link_count = 2;
  attributes.size = (std::uint64_t{1} << 62) + 5;
  attributes.blocks = 3;
  attributes.modify_time = {-7, 999'999'999};
  const struct stat status = stat_of(attributes, 42);
  EXPECT_EQ(status.st_ino, 42u);
  EXPECT_EQ(status.st_blocks, 24);
  EXPECT_EQ(status.st_size, (off_t{1} << 62) + 5);
  EXPECT_EQ(status.st_nlink, 2u);
  EXPECT_EQ(status.st_mtim.tv_sec, -7);
  EXPECT_EQ(status.st_mtim.tv_nsec, 999'999'999);
}

TEST(Reply, EntriesAreCachedWithoutLimit) {
  const fuse_entry_param entry = entry_of(Attributes{}, 42);
  EXPECT_EQ(entry.ino, 42u);
  EXPECT_EQ(entry.generation, 0u);
  EXPECT_GE(entry.entry_timeout, 1e8);
  EXPECT_GE(entry.attr_timeout, 1e8);
}

}  // namespace
}  // namespace cowfs
