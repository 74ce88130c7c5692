#include "lib/base/error.h"

namespace cowfs {

std::string_view error_code_name(ErrorCode code) {
  switch (code) {
    case ErrorCode::kNotFound: return "NotFound";
    case ErrorCode::kExists: return "Exists";
    case ErrorCode::kNotDirectory: return "NotDirectory";
    case ErrorCode::kIsDirectory: return "IsDirectory";
    case ErrorCode::kNotEmpty: return "NotEmpty";
    case ErrorCode::kNameTooLong: return "NameTooLong";
    case ErrorCode::kInvalidArgument: return "InvalidArgument";
    case ErrorCode::kNotPermitted: return "NotPermitted";
    case ErrorCode::kAccessDenied: return "AccessDenied";
    case ErrorCode::kReadOnly: return "ReadOnly";
    case ErrorCode::kNoSpace: return "NoSpace";
    case ErrorCode::kQuotaExceeded: return "QuotaExceeded";
    case ErrorCode::kTooManyLinks: return "TooManyLinks";
    case ErrorCode::kCrossVolume: return "CrossVolume";
    case ErrorCode::kBusy: return "Busy";
    case ErrorCode::kStale: return "Stale";
    case ErrorCode::kFileTooLarge: return "FileTooLarge";
    case ErrorCode::kNoData: return "NoData";
    case ErrorCode::kRange: return "Range";
    case ErrorCode::kTooBig: return "TooBig";
    case ErrorCode::kNoSuchOffset: return "NoSuchOffset";
    case ErrorCode::kNotSupported: return "NotSupported";
    case ErrorCode::kLocked: return "Locked";
    case ErrorCode::kNotAStore: return "NotAStore";
    case ErrorCode::kCorrupted: return "Corrupted";
    case ErrorCode::kIo: return "Io";
  }
  return "Unknown";
}

}  // namespace cowfs
