#include "lib/storage/host_error.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <set>

namespace cowfs {
namespace {

TEST(HostError, GivesCallersTheCodesThatTheyCanActOn) {
  EXPECT_EQ(code_of_errno(ENOSPC), ErrorCode::kNoSpace);
  EXPECT_EQ(code_of_errno(EDQUOT), ErrorCode::kQuotaExceeded);
  EXPECT_EQ(code_of_errno(EROFS), ErrorCode::kReadOnly);
  EXPECT_EQ(code_of_errno(EFBIG), ErrorCode::kFileTooLarge);
  EXPECT_EQ(code_of_errno(ENOENT), ErrorCode::kNotFound);
  EXPECT_EQ(code_of_errno(EEXIST), ErrorCode::kExists);
  EXPECT_EQ(code_of_errno(EACCES), ErrorCode::kAccessDenied);
  EXPECT_EQ(code_of_errno(EOPNOTSUPP), ErrorCode::kNotSupported);
}

TEST(HostError, IsIoForWhatTheHostSaysAboutItself) {
  for (const int error : {EIO, EMFILE, ENFILE, ENOMEM, ESTALE, ENXIO, EBADF, 0, -1, 99999}) {
    EXPECT_EQ(code_of_errno(error), ErrorCode::kIo) << error;
  }
}

TEST(HostError, SaysWhatWasDoneAndWhatTheHostSaid) {
  const Error error = host_error(ENOSPC, "objects/01: write");
  EXPECT_EQ(error.code, ErrorCode::kNoSpace);
  EXPECT_EQ(error.text, "objects/01: write: No space left on device");
  EXPECT_EQ(host_error(99999, "x").text, "x: unknown host error");
}

TEST(HostError, OfASyncIsNoneThatCouldBeTriedAgain) {
  for (const int error : {ENOSPC, EDQUOT, EIO, EROFS}) {
    EXPECT_EQ(sync_error(error, "objects/01").code, ErrorCode::kIo);
  }
  EXPECT_EQ(sync_error(ENOSPC, "objects/01").text, "objects/01: sync: No space left on device");
}

}  // namespace
}  // namespace cowfs
