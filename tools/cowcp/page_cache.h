// Gives pages of the page cache back behind a large run, so that copying 100 GiB does not push out
// what other programs have cached.
//
// A run is everything that one command copies: one file or a million. Only runs larger than a
// quarter of the memory do it: what smaller ones copy is likely to be used again, and dropping
// pages means to wait for the disk. Each batch of what was copied is sent on its way to the disk
// when it is full, and dropped, with the pages of its sources, when the next one is.
//
// Targets are opened once more for it: an error of writing out that a batch meets is then still
// reported to the copy's own descriptor (--sync). What cannot be opened stays cached.
//
// Locks: one, a leaf, around the lists; not held while the disk is waited for.
#pragma once

#include <atomic>
#include <cstdint>
#include <vector>

#include "lib/base/mutex.h"
#include "lib/base/unique_fd.h"
#include "tools/cowcp/user_files.h"

namespace cowfs {

struct DataEnds;

class PageDropper {
 public:
  struct Limits {
    std::uint64_t run_bytes;    // a run of no more keeps its pages
    std::uint64_t batch_bytes;  // what is written out and dropped at once
  };

  explicit PageDropper(Limits limits) : limits_(limits) {}

  static Limits usual_limits();

  std::uint64_t batch_bytes() const { return limits_.batch_bytes; }
  /// So much more is about to be copied.
  void expect(std::uint64_t bytes) { expected_ += bytes; }
  /// A range has been copied.
  void copied(const DataEnds& ends, std::uint64_t offset, std::uint64_t size);

 private:
  struct Range {
    FileId file;  // the target
    UniqueFd from;
    UniqueFd to;
    std::uint64_t offset = 0;
    std::uint64_t size = 0;
  };
  using Batch = std::vector<Range>;

  Batch add(const DataEnds& ends, std::uint64_t offset, std::uint64_t size);

  const Limits limits_;
  std::atomic<std::uint64_t> expected_ = 0;
  Mutex mutex_;
  Batch fresh_ COWFS_GUARDED_BY(mutex_);
  Batch started_ COWFS_GUARDED_BY(mutex_);  // writing out was begun
  std::uint64_t fresh_bytes_ COWFS_GUARDED_BY(mutex_) = 0;
};

}  // namespace cowfs
