// Gives pages of the page cache back behind a large copy, so that copying 100 GiB does not push out
// what other programs have cached.
//
// Only for copies larger than a quarter of the memory: smaller ones are likely to be used again,
// and dropping pages means to wait for the disk. Written pages are sent on their way at each step
// and dropped one step later; pages of the source are dropped as they are done.
#pragma once

#include <cstdint>

namespace cowfs {

struct DataEnds;

class PageDropper {
 public:
  PageDropper(const DataEnds& ends, std::uint64_t offset, std::uint64_t length);

  /// Everything before `end` has been copied.
  void done_until(std::uint64_t end);

 private:
  int from_;
  int to_;
  bool active_ = false;
  std::uint64_t started_;  // writing out was begun up to here
  std::uint64_t dropped_;  // given back up to here
};

}  // namespace cowfs
