// The method mmap: both files mapped, a memcpy between them, window by window.
//
//   fallocate(to)      room is reserved first, so that a full disk is an error here and not a SIGBUS there
//   ftruncate(to)      the mapping needs the size
//   mmap, memcpy, munmap for each window
//
// Windows bound the address space and the page tables, and let pages be dropped behind
// (page_cache.h). A source that shrinks below a window is SIGBUS, but not within its last page,
// which reads as zeros behind the end: hence a look at its size after each window.
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "tools/cowcp/data_copy.h"
#include "tools/cowcp/sigbus_guard.h"

namespace cowfs {
namespace {

class Mapping {
 public:
  Mapping(int fd, std::uint64_t offset, std::size_t size, int protection)
      : size_(size),
        address_(::mmap(nullptr, size, protection, MAP_SHARED, fd, static_cast<off_t>(offset))) {}
  ~Mapping() {
    if (valid()) ::munmap(address_, size_);
  }
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;

  bool valid() const { return address_ != MAP_FAILED; }
  std::byte* at(std::size_t offset) const { return static_cast<std::byte*>(address_) + offset; }
  void advise(int advice) const { ::madvise(address_, size_, advice); }

 private:
  std::size_t size_;
  void* address_;
};

/// Room for the whole range, and the size. Without room nothing was changed but the size.
DataResult<void> reserve(int fd, std::uint64_t offset, std::uint64_t length) {
  if (::fallocate(fd, 0, static_cast<off_t>(offset), static_cast<off_t>(length)) == 0) return {};
  if (errno != EOPNOTSUPP && errno != ENOSYS) return data_error(DataFailure::kWrite, errno);
  if (::ftruncate(fd, static_cast<off_t>(offset + length)) != 0)
    return data_error(DataFailure::kWrite, errno);
  return {};
}

bool shrunk_below(int fd, std::uint64_t end) {
  const auto now = stat_fd(fd);
  return now && static_cast<std::uint64_t>(now->st_size) < end;
}

DataResult<void> copy_window(const DataEnds& ends, std::uint64_t offset, std::size_t size) {
  const std::uint64_t page = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  const std::uint64_t begin = offset / page * page;
  const auto lead = static_cast<std::size_t>(offset - begin);
  const Mapping from(ends.from, begin, lead + size, PROT_READ);
  if (!from.valid()) return data_error(DataFailure::kCopy, errno == ENODEV ? EOPNOTSUPP : errno);
  const Mapping to(ends.to, begin, lead + size, PROT_READ | PROT_WRITE);
  if (!to.valid()) return data_error(DataFailure::kCopy, errno == ENODEV ? EOPNOTSUPP : errno);
  from.advise(MADV_SEQUENTIAL);
  switch (copy_guarded(to.at(lead), from.at(lead), size)) {
    case GuardedCopy::kDone:
      if (shrunk_below(ends.from, offset + size)) return data_error(DataFailure::kShrunk, EIO);
      return {};
    case GuardedCopy::kSourceFailed: {
      const bool shrunk = shrunk_below(ends.from, offset + size);
      return data_error(shrunk ? DataFailure::kShrunk : DataFailure::kRead, EIO);
    }
    case GuardedCopy::kTargetFailed: return data_error(DataFailure::kWrite, ENOSPC);
  }
  return {};
}

}  // namespace

DataResult<std::uint64_t> copy_by_mapping(const DataEnds& ends, std::uint64_t offset,
                                          std::uint64_t length, const CopyMeter& meter,
                                          std::uint64_t window_bytes) {
  if (const auto reserved = reserve(ends.to, offset, length); !reserved)
    return std::unexpected(reserved.error());
  for (std::uint64_t done = 0; done < length;) {
    const std::uint64_t step =
        std::min(length - done, window_bytes - (offset + done) % window_bytes);
    const auto copied = copy_window(ends, offset + done, static_cast<std::size_t>(step));
    if (!copied && done == 0) return std::unexpected(copied.error());
    if (!copied) {
      // Once begun there is no other method to turn to.
      const bool began = copied.error().what == DataFailure::kCopy;
      return data_error(began ? DataFailure::kWrite : copied.error().what, copied.error().number);
    }
    meter.copied(ends, offset + done, step);
    done += step;
  }
  return length;
}

}  // namespace cowfs
