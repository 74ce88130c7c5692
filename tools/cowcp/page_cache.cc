#include "tools/cowcp/page_cache.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <utility>

#include "tools/cowcp/data_copy.h"

namespace cowfs {
namespace {

constexpr std::uint64_t kBatchBytes = std::uint64_t{64} << 20;
constexpr std::uint64_t kShareOfMemory = 4;
constexpr std::size_t kRangesInBatch = 64;  // each holds two descriptors

std::uint64_t memory_bytes() {
  return static_cast<std::uint64_t>(::sysconf(_SC_PHYS_PAGES)) *
         static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

}  // namespace

PageDropper::Limits PageDropper::usual_limits() {
  return {.run_bytes = memory_bytes() / kShareOfMemory, .batch_bytes = kBatchBytes};
}

/// The batch that became full, or an empty one.
PageDropper::Batch PageDropper::add(const DataEnds& ends, std::uint64_t offset,
                                    std::uint64_t size) {
  const FileId file = id_of(ends.to_status);
  const MutexLock lock(mutex_);
  const bool goes_on =
      !fresh_.empty() && fresh_.back().file == file && fresh_.back().offset <= offset;
  if (goes_on) {
    // With the hole in between: reading ahead may have filled pages there, too.
    fresh_.back().size = offset + size - fresh_.back().offset;
  } else {
    UniqueFd from(::fcntl(ends.from, F_DUPFD_CLOEXEC, 0));
    auto to = open_place({AT_FDCWD, fmt::format("/proc/self/fd/{}", ends.to), {}}, O_RDONLY);
    if (!from || !to) return {};
    fresh_.push_back({file, std::move(from), std::move(*to), offset, size});
  }
  fresh_bytes_ += size;
  if (fresh_bytes_ < limits_.batch_bytes && fresh_.size() < kRangesInBatch) return {};
  fresh_bytes_ = 0;
  return std::exchange(fresh_, {});
}

void PageDropper::copied(const DataEnds& ends, std::uint64_t offset, std::uint64_t size) {
  if (expected_ <= limits_.run_bytes || size == 0 || !S_ISREG(ends.to_status.st_mode)) return;
  Batch batch = add(ends, offset, size);
  if (batch.empty()) return;
  for (const Range& range : batch) {
    ::sync_file_range(range.to.get(), static_cast<off_t>(range.offset),
                      static_cast<off_t>(range.size), SYNC_FILE_RANGE_WRITE);
  }
  {
    const MutexLock lock(mutex_);
    std::swap(started_, batch);
  }
  for (const Range& range : batch) {
    const auto at = static_cast<off_t>(range.offset);
    const auto length = static_cast<off_t>(range.size);
    ::sync_file_range(
        range.to.get(), at, length,
        SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER);
    ::posix_fadvise(range.to.get(), at, length, POSIX_FADV_DONTNEED);
    ::posix_fadvise(range.from.get(), at, length, POSIX_FADV_DONTNEED);
  }
}

}  // namespace cowfs
