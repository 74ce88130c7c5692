// Open descriptors of arrays, kept in a bounded number and reused.
//
// acquire() hands out a lease; while one is held the descriptor stays open, also when its array is
// removed or the cache is full. Beyond the capacity the descriptor that was used longest ago is
// closed.
//
// Why unsynced arrays keep their descriptor: Linux reports a failed writeback to descriptors that
// were open when it happened, and to the first that is opened later, but only as long as the inode
// stays in memory, which nothing but an open descriptor ensures (errseq_t,
// Documentation/core-api/errseq.rst, Linux 4.13 and later). So
//  1. a descriptor with unsynced changes is closed only when all others are in use or unsynced,
//  too, and is synced then;
//  2. a sync that failed is remembered: the host has thrown the bytes away and would report success
//  the next time.
//     Every later sync of that array fails with the same error, until it is removed or the store is
//     opened anew.
//
// Locks: one mutex, a leaf; never held over a call to the host.
#pragma once

#include <atomic>
#include <cstddef>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <utility>

#include "lib/base/error.h"
#include "lib/base/mutex.h"
#include "lib/base/unique_fd.h"
#include "lib/storage/storage.h"

namespace cowfs {

class DescriptorCache {
  struct OpenArray {
    explicit OpenArray(UniqueFd descriptor) : fd(std::move(descriptor)) {}
    UniqueFd fd;
    std::atomic<bool> unsynced{false};
    std::atomic<int> users{0};  // raised under the cache's mutex only
  };

 public:
  /// The right to use one open descriptor.
  class Lease {
   public:
    Lease(Lease&&) noexcept = default;
    Lease& operator=(Lease&&) = delete;
    ~Lease() {
      if (array_) array_->users.fetch_sub(1, std::memory_order_release);
    }

    int fd() const { return array_->fd.get(); }
    /// Says that bytes, holes or the size changed. Called after the host call, before the lease
    /// ends.
    void mark_unsynced() { array_->unsynced.store(true); }

   private:
    friend class DescriptorCache;
    explicit Lease(std::shared_ptr<OpenArray> array) : array_(std::move(array)) {
      array_->users.fetch_add(1);
    }
    std::shared_ptr<OpenArray> array_;
  };

  using Opener = std::function<Result<UniqueFd>(ArrayName)>;

  /// Keeps at most `capacity` descriptors open, those in use by leases aside. `opener` is called by
  /// any thread.
  DescriptorCache(std::size_t capacity, Opener opener)
      : capacity_(capacity), opener_(std::move(opener)) {}

  /// A lease on the array's descriptor, which is opened when it is not.
  Result<Lease> acquire(ArrayName name);

  /// Takes over the descriptor of an array that was just made.
  void insert(ArrayName name, UniqueFd fd);

  /// Forgets an array that was just removed. Its descriptor is closed when the last lease ends.
  void drop(ArrayName name);

  /// fdatasync of an array, with a memory for failures (rule 2).
  Result<void> sync(ArrayName name);

  /// Descriptors open in the cache now.
  std::size_t open_count();

 private:
  struct Entry {
    ArrayName name;
    std::shared_ptr<OpenArray> array;
  };
  using Entries = std::list<Entry>;

  std::optional<Lease> find(ArrayName name, std::uint64_t* removals) COWFS_EXCLUDES(mutex_);
  Lease add(ArrayName name, std::shared_ptr<OpenArray> array) COWFS_REQUIRES(mutex_);
  Result<void> sync_lease(ArrayName name, Lease& lease) COWFS_EXCLUDES(mutex_);
  /// Closes what is over the capacity.
  void trim() COWFS_EXCLUDES(mutex_);
  /// The entry to close next, or the end: the oldest clean one that nobody uses, else the oldest
  /// unsynced one.
  Entries::iterator victim() COWFS_REQUIRES(mutex_);

  const std::size_t capacity_;
  const Opener opener_;
  Mutex mutex_;                               // guards all below
  Entries entries_ COWFS_GUARDED_BY(mutex_);  // the most recently used first
  std::map<ArrayName, Entries::iterator> by_name_ COWFS_GUARDED_BY(mutex_);
  std::map<ArrayName, Error> failed_syncs_ COWFS_GUARDED_BY(mutex_);
  std::uint64_t removals_ COWFS_GUARDED_BY(mutex_) =
      0;  // drop() calls: an open that raced with one is repeated
};

}  // namespace cowfs
