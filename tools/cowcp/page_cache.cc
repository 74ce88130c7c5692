#include "tools/cowcp/page_cache.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>

#include "tools/cowcp/data_copy.h"

namespace cowfs {
namespace {

constexpr std::uint64_t kStep = std::uint64_t{64} << 20;
constexpr std::uint64_t kShareOfMemory = 4;

std::uint64_t memory_bytes() {
  static const std::uint64_t bytes = static_cast<std::uint64_t>(::sysconf(_SC_PHYS_PAGES)) *
                                     static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  return bytes;
}

}  // namespace

PageDropper::PageDropper(const DataEnds& ends, std::uint64_t offset, std::uint64_t length)
    : from_(ends.from), to_(ends.to), started_(offset), dropped_(offset) {
  const auto size = static_cast<std::uint64_t>(std::max<off_t>(ends.from_status.st_size, 0));
  active_ = std::min(size, length) > memory_bytes() / kShareOfMemory;
}

void PageDropper::done_until(std::uint64_t end) {
  if (!active_ || end < started_ + kStep) return;
  ::sync_file_range(to_, static_cast<off_t>(started_), static_cast<off_t>(end - started_),
                    SYNC_FILE_RANGE_WRITE);
  if (started_ > dropped_) {
    const auto at = static_cast<off_t>(dropped_);
    const auto size = static_cast<off_t>(started_ - dropped_);
    ::sync_file_range(
        to_, at, size,
        SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER);
    ::posix_fadvise(to_, at, size, POSIX_FADV_DONTNEED);
    ::posix_fadvise(from_, at, size, POSIX_FADV_DONTNEED);
  }
  dropped_ = started_;
  started_ = end;
}

}  // namespace cowfs
