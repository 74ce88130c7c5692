#include "lib/storage/host_io.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace cowfs {

int read_fully(int fd, std::uint64_t offset, MutableBytes out) {
  while (!out.empty()) {
    const ssize_t count = ::pread(fd, out.data(), out.size(), static_cast<off_t>(offset));
    if (count < 0) {
      if (errno == EINTR) continue;
      return errno;
    }
    if (count == 0) {
      std::memset(out.data(), 0, out.size());
      return 0;
    }
    out = out.subspan(static_cast<std::size_t>(count));
    offset += static_cast<std::uint64_t>(count);
  }
  return 0;
}

int write_fully(int fd, std::uint64_t offset, const std::vector<Bytes>& parts) {
  std::vector<iovec> vectors;
  vectors.reserve(parts.size());
  for (Bytes part : parts) {
    // pwritev only reads through iov_base, which has no const in POSIX.
    if (!part.empty()) vectors.push_back(iovec{const_cast<std::byte*>(part.data()), part.size()});
  }
  std::size_t first = 0;
  while (first < vectors.size()) {
    const int count = static_cast<int>(std::min<std::size_t>(vectors.size() - first, IOV_MAX));
    const ssize_t written = ::pwritev(fd, &vectors[first], count, static_cast<off_t>(offset));
    if (written < 0) {
      if (errno == EINTR) continue;
      return errno;
    }
    if (written == 0) return EIO;
    offset += static_cast<std::uint64_t>(written);
    std::size_t left = static_cast<std::size_t>(written);
    while (left > 0) {
      const std::size_t step = std::min(left, vectors[first].iov_len);
      vectors[first].iov_base = static_cast<std::byte*>(vectors[first].iov_base) + step;
      vectors[first].iov_len -= step;
      left -= step;
      if (vectors[first].iov_len == 0) ++first;
    }
  }
  return 0;
}

int allocate(int fd, int mode, std::uint64_t offset, std::uint64_t length) {
  while (true) {
    if (::fallocate(fd, mode, static_cast<off_t>(offset), static_cast<off_t>(length)) == 0)
      return 0;
    if (errno != EINTR) return errno;
  }
}

}  // namespace cowfs
