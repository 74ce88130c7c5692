// The content of one file: how it comes from one descriptor to the other.
//
// `auto` takes the first of clone, then the real copy that measured best on this machine's
// filesystems (docs/copying.md), and goes on with the next where the kernel says that one is not
// possible here. What a filesystem was found unable to do is remembered for the run.
//
// A target is empty when it begins (made by us, or truncated), except for clone().
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <string>

#include "lib/base/mutex.h"
#include "tools/cowcp/options.h"
#include "tools/cowcp/page_cache.h"
#include "tools/cowcp/report.h"
#include "tools/cowcp/user_files.h"

namespace cowfs {

enum class DataFailure { kRead, kWrite, kCopy, kClone, kShrunk };

struct [[nodiscard]] DataError {
  DataFailure what = DataFailure::kCopy;
  int number = 0;  // errno
};

template <typename T>
using DataResult = std::expected<T, DataError>;

inline std::unexpected<DataError> data_error(DataFailure what, int number) {
  return std::unexpected(DataError{what, number});
}

/// Two open files. The target's descriptor must be readable for the method mmap.
struct DataEnds {
  int from = -1;
  int to = -1;
  const struct stat& from_status;
  const struct stat& to_status;
  bool target_readable = false;
};

/// What a filesystem can do to share blocks between two of its files.
enum class Sharing { kUnknown, kNone, kIoctl, kCowfs };

class DataCopier {
 public:
  DataCopier(const CopyOptions& options, Counters& counters,
             PageDropper::Limits limits = PageDropper::usual_limits())
      : options_(options), counters_(counters), pages_(limits) {}

  /// Shares the source's blocks with a target that may have content, which stays as it was on
  /// failure. Nothing where the two files cannot share, or must not; `why` then says so.
  DataResult<bool> clone(const DataEnds& ends, DataDone& done);
  /// Really copies into an empty target.
  DataResult<void> copy(const DataEnds& ends, DataDone& done);

  /// Whether two files of a device can share, as far as it is known.
  Sharing sharing_of(int fd, dev_t device);

 private:
  std::string why_not_shared(const DataEnds& ends);
  DataResult<bool> clone_in_cowfs(const DataEnds& ends, DataDone& done);
  Method real_method(const DataEnds& ends, bool sparse, DataDone& done) const;
  void note_unable(dev_t device);

  const CopyOptions& options_;
  Counters& counters_;
  Mutex mutex_;
  std::map<dev_t, Sharing> sharing_ COWFS_GUARDED_BY(mutex_);
  PageDropper pages_;
};

/// Is told of each piece as it has been copied.
struct CopyMeter {
  std::atomic<std::uint64_t>& bytes;
  PageDropper* pages = nullptr;  // null: nothing went through the page cache

  void copied(const DataEnds& ends, std::uint64_t offset, std::uint64_t size) const {
    bytes += size;
    if (pages != nullptr) pages->copied(ends, offset, size);
  }
};

// The real methods. Each copies [offset, offset + length) to the same place of the target and
// returns how many bytes there were (fewer: the source ended), or kCopy with an errno that says
// that it cannot be used here, before it wrote anything.

DataResult<std::uint64_t> copy_by_range(const DataEnds& ends, std::uint64_t offset,
                                        std::uint64_t length, const CopyMeter& meter);

inline constexpr std::size_t kReadBufferBytes = std::size_t{256} << 10;

DataResult<std::uint64_t> copy_by_reading(const DataEnds& ends, std::uint64_t offset,
                                          std::uint64_t length, bool make_holes,
                                          const CopyMeter& meter,
                                          std::size_t buffer_bytes = kReadBufferBytes);

/// How much of both files is mapped at a time: a multiple of the page size (docs/copying.md).
inline constexpr std::uint64_t kMappedWindowBytes = std::uint64_t{8} << 20;

/// mapped_copy.cc. kShrunk where the source was truncated meanwhile.
DataResult<std::uint64_t> copy_by_mapping(const DataEnds& ends, std::uint64_t offset,
                                          std::uint64_t length, const CopyMeter& meter,
                                          std::uint64_t window_bytes = kMappedWindowBytes);

}  // namespace cowfs
