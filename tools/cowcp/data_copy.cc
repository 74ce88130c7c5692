#include "tools/cowcp/data_copy.h"

#include <linux/fs.h>
#include <linux/magic.h>
#include <sys/ioctl.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <vector>

#include "lib/api/ioctl.h"

namespace cowfs {
namespace {

constexpr std::uint64_t kUntilTheEnd = ~std::uint64_t{0};
constexpr std::size_t kStatBlock = 512;                        // what st_blocks counts
constexpr std::uint64_t kSharedStep = std::uint64_t{1} << 30;  // of one call

bool cannot_here(int error_number) {
  switch (error_number) {
    case ENOSYS:
    case EOPNOTSUPP:
    case EXDEV:
    case EINVAL:
    case ENOTTY:
    case EBADF:
    case EPERM:
    case ETXTBSY: return true;
    default: return false;
  }
}

/// ext2, 3 and 4: they copy nothing by themselves, the kernel does it through a pipe.
bool is_ext(int fd) {
  struct statfs filesystem{};
  return ::fstatfs(fd, &filesystem) == 0 && filesystem.f_type == EXT4_SUPER_MAGIC;
}

/// The data of a source, as ranges; what lies between is holes.
struct Segment {
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
};

/// Goes through the data of a file whose size was seen as `size`. A filesystem that knows no holes
/// tells one range.
class Segments {
 public:
  Segments(int fd, std::uint64_t size, bool sparse) : fd_(fd), size_(size), sparse_(sparse) {}

  /// The next one; an empty one at the end.
  Segment next() {
    if (at_ >= size_) return {size_, size_};
    Segment segment{at_, size_};
    if (sparse_) {
      const off_t data = ::lseek(fd_, static_cast<off_t>(at_), SEEK_DATA);
      if (data < 0 && errno == ENXIO) return {at_ = size_, size_};
      if (data < 0) {
        sparse_ = false;
      } else {
        const off_t hole = ::lseek(fd_, data, SEEK_HOLE);
        segment.begin = static_cast<std::uint64_t>(data);
        if (hole > data) segment.end = static_cast<std::uint64_t>(hole);
      }
    }
    segment.begin = std::min(segment.begin, size_);
    segment.end = std::min(segment.end, size_);
    at_ = segment.end;
    return segment;
  }

 private:
  int fd_;
  std::uint64_t size_;
  bool sparse_;
  std::uint64_t at_ = 0;
};

std::uint64_t size_of(const struct stat& status) {
  return S_ISREG(status.st_mode) ? static_cast<std::uint64_t>(status.st_size) : 0;
}

bool has_size(int fd, std::uint64_t size) {
  const auto now = stat_fd(fd);
  return now && size_of(*now) == size;
}

/// Ranges of zeros that end and begin on blocks become holes where asked.
bool is_zero(const std::byte* bytes, std::size_t size) {
  return std::all_of(bytes, bytes + size, [](std::byte byte) { return byte == std::byte{0}; });
}

DataResult<void> write_all(int fd, const std::byte* bytes, std::size_t size, std::uint64_t offset) {
  while (size > 0) {
    // A target that cannot seek (a terminal, a pipe) takes bytes in their order.
    ssize_t written = ::pwrite(fd, bytes, size, static_cast<off_t>(offset));
    if (written < 0 && errno == ESPIPE) written = ::write(fd, bytes, size);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return data_error(DataFailure::kWrite, errno);
    bytes += written;
    size -= static_cast<std::size_t>(written);
    offset += static_cast<std::uint64_t>(written);
  }
  return {};
}

DataResult<void> write_around_zeros(int fd, const std::byte* bytes, std::size_t size,
                                    std::uint64_t offset) {
  constexpr std::size_t kBlock = 4096;
  for (std::size_t at = 0; at < size;) {
    std::size_t end = at;
    while (end < size && is_zero(bytes + end, std::min(kBlock, size - end)))
      end += std::min(kBlock, size - end);
    const std::size_t data = end;
    while (end < size && !is_zero(bytes + end, std::min(kBlock, size - end)))
      end += std::min(kBlock, size - end);
    if (end > data) {
      const auto written = write_all(fd, bytes + data, end - data, offset + data);
      if (!written) return written;
    }
    at = end;
  }
  return {};
}

ssize_t read_some(int fd, std::byte* bytes, std::size_t size, std::uint64_t offset) {
  for (;;) {
    ssize_t got = ::pread(fd, bytes, size, static_cast<off_t>(offset));
    if (got < 0 && errno == ESPIPE) got = ::read(fd, bytes, size);
    if (got >= 0 || errno != EINTR) return got;
  }
}

}  // namespace

Sharing DataCopier::sharing_of(int fd, dev_t device) {
  const MutexLock lock(mutex_);
  Sharing& sharing = sharing_[device];
  if (sharing != Sharing::kUnknown) return sharing;
  api::DescribeDaemon request;
  sharing =
      ::ioctl(fd, api::kIoctlDescribeDaemon, &request) == 0 ? Sharing::kCowfs : Sharing::kIoctl;
  return sharing;
}

void DataCopier::note_unable(dev_t device) {
  const MutexLock lock(mutex_);
  sharing_[device] = Sharing::kNone;
}

std::string DataCopier::why_not_shared(const DataEnds& ends) {
  if (options_.reflink == When::kNever) return "--reflink=never";
  if (options_.sparse != When::kAuto) return "--sparse";
  if (!S_ISREG(ends.from_status.st_mode)) return "not a regular file";
  if (ends.from_status.st_dev != ends.to_status.st_dev) return "not the same mount";
  if (sharing_of(ends.from, ends.from_status.st_dev) == Sharing::kNone)
    return "host filesystem cannot clone";
  return {};
}

DataResult<bool> DataCopier::clone(const DataEnds& ends, DataDone& done) {
  done.why = why_not_shared(ends);
  const bool same = ends.from_status.st_dev == ends.to_status.st_dev;
  const bool must = options_.reflink == When::kAlways || options_.method == Method::kClone;
  if (!done.why.empty() && !(must && !same)) {
    if (must) return data_error(DataFailure::kClone, EOPNOTSUPP);
    return false;
  }
  if (same && sharing_of(ends.from, ends.from_status.st_dev) == Sharing::kCowfs)
    return clone_in_cowfs(ends, done);
  if (::ioctl(ends.to, FICLONE, ends.from) == 0) {
    const std::uint64_t size = size_of(ends.from_status);
    if (size < static_cast<std::uint64_t>(ends.to_status.st_size) &&
        ::ftruncate(ends.to, static_cast<off_t>(size)) != 0) {
      return data_error(DataFailure::kWrite, errno);
    }
    done.method = Method::kClone;
    done.shared =
        std::min(size, static_cast<std::uint64_t>(ends.from_status.st_blocks) * kStatBlock);
    done.holes = size - done.shared;
    return true;
  }
  const int why = errno;
  if (must) return data_error(DataFailure::kClone, why);
  if (same && (why == EOPNOTSUPP || why == ENOTTY || why == ENOSYS))
    note_unable(ends.from_status.st_dev);
  done.why = same ? "host filesystem cannot clone" : "not the same mount";
  return false;
}

/// The kernel refuses FICLONE for every FUSE filesystem; copy_file_range(2) is what shares there.
DataResult<bool> DataCopier::clone_in_cowfs(const DataEnds& ends, DataDone& done) {
  const std::uint64_t size = size_of(ends.from_status);
  std::atomic<std::uint64_t> not_copied = 0;
  if (ends.to_status.st_size > 0 && ::ftruncate(ends.to, 0) != 0)
    return data_error(DataFailure::kWrite, errno);
  const auto shared = copy_by_range(ends, 0, size, {not_copied});
  if (!shared) return data_error(DataFailure::kClone, shared.error().number);
  if (*shared < size && ::ftruncate(ends.to, static_cast<off_t>(*shared)) != 0) {
    return data_error(DataFailure::kWrite, errno);
  }
  done.method = Method::kClone;
  done.shared =
      std::min(*shared, static_cast<std::uint64_t>(ends.from_status.st_blocks) * kStatBlock);
  done.holes = *shared - done.shared;
  return true;
}

Method DataCopier::real_method(const DataEnds& ends, bool sparse, DataDone& done) const {
  Method method = options_.method;
  const bool free_choice = method == Method::kAuto;
  if (method == Method::kAuto || method == Method::kClone || method == Method::kCloneTree) {
    method = Method::kCopyRange;
  }
  const bool regular = S_ISREG(ends.from_status.st_mode) && S_ISREG(ends.to_status.st_mode);
  const auto instead = [&](const char* why) {
    if (method != Method::kReadWrite && done.why.empty()) done.why = why;
    method = Method::kReadWrite;
  };
  if (!regular) instead("not a regular file");
  if (options_.sparse != When::kAuto) instead("--sparse");
  if (options_.reflink == When::kNever && method == Method::kCopyRange) instead("--reflink=never");
  // Measured with pieces of 1 MiB (docs/copying.md).
  if (free_choice && sparse && is_ext(ends.to)) instead("pieces between holes, on ext4");
  if (method == Method::kMmap && !ends.target_readable) instead("the target may not be read");
  return method;
}

DataResult<void> DataCopier::copy(const DataEnds& ends, DataDone& done) {
  const std::uint64_t size = size_of(ends.from_status);
  const bool sparse = options_.sparse != When::kNever &&
                      static_cast<std::uint64_t>(ends.from_status.st_blocks) < size / kStatBlock;
  const bool make_holes = options_.sparse == When::kAlways && S_ISREG(ends.to_status.st_mode);
  const CopyMeter meter{counters_.copied, &pages_};
  pages_.expect(
      std::min(size, static_cast<std::uint64_t>(ends.from_status.st_blocks) * kStatBlock));
  done.method = real_method(ends, sparse, done);
  Segments segments(ends.from, size, sparse);
  std::uint64_t end = 0;  // of what was copied
  bool ended_early = false;
  for (Segment segment = segments.next(); segment.begin < segment.end; segment = segments.next()) {
    const std::uint64_t length = segment.end - segment.begin;
    DataResult<std::uint64_t> copied = 0;
    if (done.method == Method::kMmap) copied = copy_by_mapping(ends, segment.begin, length, meter);
    if (done.method == Method::kCopyRange)
      copied = copy_by_range(ends, segment.begin, length, meter);
    const bool refused =
        !copied && copied.error().what == DataFailure::kCopy && cannot_here(copied.error().number);
    // The kernel gives nothing where a file's size is made up, as in /proc.
    if (refused || (copied && *copied == 0)) {
      if (done.method != Method::kReadWrite && done.why.empty()) {
        done.why = std::string(method_name(done.method)) + " is not possible here";
      }
      done.method = Method::kReadWrite;
      copied = copy_by_reading(ends, segment.begin, length, make_holes, meter);
    }
    if (!copied) return std::unexpected(copied.error());
    done.copied += *copied;
    end = segment.begin + *copied;
    ended_early = *copied < length;
    if (ended_early) break;
  }
  const bool last_is_hole = !ended_early && end < size;
  if (last_is_hole) end = size;
  // What came to it since it was looked at, or was never in its size. A file that ends in a hole is
  // not read for that, as by cp: its time of access stays.
  const bool all_there = last_is_hole && has_size(ends.from, size);
  if (!ended_early && !all_there) {
    const auto more = copy_by_reading(ends, end, kUntilTheEnd, make_holes, meter);
    if (!more) return std::unexpected(more.error());
    done.copied += *more;
    end += *more;
  }
  const bool ends_in_hole = make_holes || done.copied < end;
  if (ends_in_hole && S_ISREG(ends.to_status.st_mode) &&
      ::ftruncate(ends.to, static_cast<off_t>(end)) != 0) {
    return data_error(DataFailure::kWrite, errno);
  }
  done.holes = end - done.copied;
  return {};
}

DataResult<std::uint64_t> copy_by_range(const DataEnds& ends, std::uint64_t offset,
                                        std::uint64_t length, const CopyMeter& meter) {
  const std::uint64_t step = meter.pages == nullptr ? kSharedStep : meter.pages->batch_bytes();
  loff_t from = static_cast<loff_t>(offset);
  loff_t to = from;
  std::uint64_t done = 0;
  while (done < length) {
    const ssize_t copied =
        ::copy_file_range(ends.from, &from, ends.to, &to, std::min(length - done, step), 0);
    if (copied < 0 && errno == EINTR) continue;
    if (copied < 0) return data_error(done == 0 ? DataFailure::kCopy : DataFailure::kWrite, errno);
    if (copied == 0) break;
    meter.copied(ends, offset + done, static_cast<std::uint64_t>(copied));
    done += static_cast<std::uint64_t>(copied);
  }
  return done;
}

DataResult<std::uint64_t> copy_by_reading(const DataEnds& ends, std::uint64_t offset,
                                          std::uint64_t length, bool make_holes,
                                          const CopyMeter& meter, std::size_t buffer_bytes) {
  static thread_local std::vector<std::byte> buffer;
  if (buffer.size() < buffer_bytes) buffer.resize(buffer_bytes);
  std::uint64_t done = 0;
  while (done < length) {
    const std::size_t wanted =
        static_cast<std::size_t>(std::min<std::uint64_t>(buffer_bytes, length - done));
    const ssize_t got = read_some(ends.from, buffer.data(), wanted, offset + done);
    if (got < 0) return data_error(DataFailure::kRead, errno);
    if (got == 0) break;
    const auto size = static_cast<std::size_t>(got);
    const auto written = make_holes
                             ? write_around_zeros(ends.to, buffer.data(), size, offset + done)
                             : write_all(ends.to, buffer.data(), size, offset + done);
    if (!written) return std::unexpected(written.error());
    meter.copied(ends, offset + done, size);
    done += size;
  }
  return done;
}

}  // namespace cowfs
