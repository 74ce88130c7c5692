#include "lib/storage/host_error.h"

#include <fmt/format.h>
#include <string.h>

#include <cerrno>

namespace cowfs {

ErrorCode code_of_errno(int error_number) {
  switch (error_number) {
    case ENOENT: return ErrorCode::kNotFound;
    case EEXIST: return ErrorCode::kExists;
    case ENOTDIR: return ErrorCode::kNotDirectory;
    case EISDIR: return ErrorCode::kIsDirectory;
    case ENOTEMPTY: return ErrorCode::kNotEmpty;
    case ENAMETOOLONG: return ErrorCode::kNameTooLong;
    case EINVAL: return ErrorCode::kInvalidArgument;
    case EPERM: return ErrorCode::kNotPermitted;
    case EACCES: return ErrorCode::kAccessDenied;
    case EROFS: return ErrorCode::kReadOnly;
    case ENOSPC: return ErrorCode::kNoSpace;
    case EDQUOT: return ErrorCode::kQuotaExceeded;
    case EFBIG: return ErrorCode::kFileTooLarge;
    case EBUSY: return ErrorCode::kBusy;
    case EOPNOTSUPP:
    case ENOSYS: return ErrorCode::kNotSupported;
    default: return ErrorCode::kIo;
  }
}

Error host_error(int error_number, std::string_view what) {
  const char* words = ::strerrordesc_np(error_number);
  if (words == nullptr) words = "unknown host error";
  return Error{code_of_errno(error_number), fmt::format("{}: {}", what, words)};
}

Error sync_error(int error_number, std::string_view what) {
  Error error = host_error(error_number, fmt::format("{}: sync", what));
  error.code = ErrorCode::kIo;
  return error;
}

}  // namespace cowfs
