// What went wrong, as a closed code and a sentence.
//
// Every function below `main` that can fail returns Result<T>. The code is what a caller may act
// on; the text says what was being done and is written once, at the edge of a layer. Host errno
// becomes a code only in lib/storage; a code becomes errno only in fs/; exit codes are made only in
// tools/.
//
// Not here: broken invariants of our own. Those are COWFS_CHECK (lib/base/check.h) and abort.
#pragma once

#include <expected>
#include <string>
#include <string_view>
#include <utility>

namespace cowfs {

enum class ErrorCode {
  kNotFound,         // ENOENT
  kExists,           // EEXIST
  kNotDirectory,     // ENOTDIR
  kIsDirectory,      // EISDIR
  kNotEmpty,         // ENOTEMPTY
  kNameTooLong,      // ENAMETOOLONG
  kInvalidArgument,  // EINVAL
  kNotPermitted,     // EPERM
  kAccessDenied,     // EACCES
  kReadOnly,         // EROFS
  kNoSpace,          // ENOSPC
  kQuotaExceeded,    // EDQUOT
  kTooManyLinks,     // EMLINK
  kCrossVolume,      // EXDEV
  kBusy,             // EBUSY
  kStale,            // ESTALE
  kFileTooLarge,     // EFBIG
  kNoData,           // ENODATA: no such extended attribute
  kRange,            // ERANGE: the caller's buffer is too small
  kTooBig,           // E2BIG: the value is too large
  kNoSuchOffset,     // ENXIO: SEEK_DATA or SEEK_HOLE past the end
  kNotSupported,     // EOPNOTSUPP
  kLocked,           // the store is owned by another daemon
  kNotAStore,        // no cowfs store, or a version that this program cannot read
  kCorrupted,        // EIO: bytes from disk that fail their checks
  kIo,               // EIO: the host failed
};

/// The name of a code, for logs and tests ("NotFound").
std::string_view error_code_name(ErrorCode code);

struct [[nodiscard]] Error {
  ErrorCode code;
  std::string text;  // may be empty where the code says it all (a lookup that misses)
};

/// Whether room on the host is missing: it may be there later.
inline bool is_out_of_space(const Error& error) {
  return error.code == ErrorCode::kNoSpace || error.code == ErrorCode::kQuotaExceeded;
}

template <typename T>
using Result = std::expected<T, Error>;

/// Builds the failed Result of any type.
inline std::unexpected<Error> fail(ErrorCode code, std::string text = {}) {
  return std::unexpected<Error>(Error{code, std::move(text)});
}

inline std::unexpected<Error> fail(Error error) { return std::unexpected<Error>(std::move(error)); }

}  // namespace cowfs

#define COWFS_CONCAT_INNER(a, b) a##b
#define COWFS_CONCAT(a, b) COWFS_CONCAT_INNER(a, b)

/// COWFS_TRY(expression): returns the error of a Result<void>-like expression to the caller.
#define COWFS_TRY(expression)                                                           \
  do {                                                                                  \
    auto cowfs_try_result = (expression);                                               \
    if (!cowfs_try_result) return std::unexpected(std::move(cowfs_try_result).error()); \
  } while (false)

/// COWFS_ASSIGN(auto value, expression): declares `value` from a Result<T>, or returns its error.
#define COWFS_ASSIGN(declaration, expression) \
  COWFS_ASSIGN_INNER(COWFS_CONCAT(cowfs_assign_, __LINE__), declaration, expression)
#define COWFS_ASSIGN_INNER(temporary, declaration, expression)          \
  auto temporary = (expression);                                        \
  if (!temporary) return std::unexpected(std::move(temporary).error()); \
  declaration = std::move(temporary).value()
