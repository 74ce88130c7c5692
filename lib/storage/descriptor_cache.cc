#include "lib/storage/descriptor_cache.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "lib/storage/host_error.h"

namespace cowfs {
namespace {

/// Whether what was synced can be found again: a file that somebody has removed takes every write.
Result<void> check_present(ArrayName name, int fd) {
  struct stat status{};
  if (::fstat(fd, &status) != 0 || status.st_nlink > 0) return {};
  // We remove objects ourselves, also while they are synced.
  const bool ours = name.kind == ArrayKind::kObject;
  return fail(ours ? ErrorCode::kNotFound : ErrorCode::kIo,
              to_string(name) + ": somebody removed it from the store");
}

}  // namespace

std::optional<DescriptorCache::Lease> DescriptorCache::find(ArrayName name,
                                                            std::uint64_t* removals) {
  MutexLock lock(mutex_);
  *removals = removals_;
  const auto found = by_name_.find(name);
  if (found == by_name_.end()) return std::nullopt;
  entries_.splice(entries_.begin(), entries_, found->second);
  return Lease(found->second->array);
}

DescriptorCache::Lease DescriptorCache::add(ArrayName name, std::shared_ptr<OpenArray> array) {
  const auto found = by_name_.find(name);
  if (found != by_name_.end()) return Lease(found->second->array);
  entries_.push_front(Entry{name, array});
  by_name_.emplace(name, entries_.begin());
  return Lease(std::move(array));
}

Result<DescriptorCache::Lease> DescriptorCache::acquire(ArrayName name) {
  while (true) {
    std::uint64_t removals = 0;
    if (auto lease = find(name, &removals)) return std::move(*lease);
    COWFS_ASSIGN(UniqueFd fd, opener_(name));
    auto array = std::make_shared<OpenArray>(std::move(fd));
    std::optional<Lease> lease;
    {
      MutexLock lock(mutex_);
      // An array removed meanwhile must not come to life again in the cache.
      if (removals_ == removals) lease.emplace(add(name, std::move(array)));
    }
    if (!lease) continue;
    trim();
    return std::move(*lease);
  }
}

void DescriptorCache::insert(ArrayName name, UniqueFd fd) {
  auto array = std::make_shared<OpenArray>(std::move(fd));
  {
    MutexLock lock(mutex_);
    add(name, std::move(array));
  }
  trim();
}

void DescriptorCache::drop(ArrayName name) {
  std::shared_ptr<OpenArray> closed_outside_of_the_lock;
  MutexLock lock(mutex_);
  ++removals_;
  failed_syncs_.erase(name);
  const auto found = by_name_.find(name);
  if (found == by_name_.end()) return;
  closed_outside_of_the_lock = std::move(found->second->array);
  entries_.erase(found->second);
  by_name_.erase(found);
}

Result<void> DescriptorCache::sync(ArrayName name) {
  COWFS_ASSIGN(Lease lease, acquire(name));
  return sync_lease(name, lease);
}

Result<void> DescriptorCache::sync_lease(ArrayName name, Lease& lease) {
  lease.array_->unsynced.store(false);
  {
    MutexLock lock(mutex_);
    const auto failed = failed_syncs_.find(name);
    if (failed != failed_syncs_.end()) return fail(failed->second);
  }
  int result = 0;
  do {
    result = ::fdatasync(lease.fd());
  } while (result != 0 && errno == EINTR);
  if (result == 0) return check_present(name, lease.fd());
  Error error = sync_error(errno, to_string(name));
  MutexLock lock(mutex_);
  failed_syncs_.emplace(name, error);
  return fail(std::move(error));
}

std::size_t DescriptorCache::open_count() {
  MutexLock lock(mutex_);
  return entries_.size();
}

DescriptorCache::Entries::iterator DescriptorCache::victim() {
  auto oldest_unsynced = entries_.end();
  for (auto entry = entries_.end(); entry != entries_.begin();) {
    --entry;
    if (entry->array->users.load(std::memory_order_acquire) != 0) continue;
    if (!entry->array->unsynced.load()) return entry;
    if (oldest_unsynced == entries_.end()) oldest_unsynced = entry;
  }
  return oldest_unsynced;
}

void DescriptorCache::trim() {
  while (true) {
    std::shared_ptr<OpenArray> closed_outside_of_the_lock;
    std::optional<Lease> unsynced;
    ArrayName name;
    {
      MutexLock lock(mutex_);
      if (entries_.size() <= capacity_) return;
      const auto entry = victim();
      if (entry == entries_.end()) return;
      name = entry->name;
      if (entry->array->unsynced.load()) {
        unsynced.emplace(Lease(entry->array));
      } else {
        closed_outside_of_the_lock = std::move(entry->array);
        by_name_.erase(name);
        entries_.erase(entry);
      }
    }
    // A failure is remembered for the next sync of that array: whoever is opening another one is
    // not to blame.
    if (unsynced) (void)sync_lease(name, *unsynced);
  }
}

}  // namespace cowfs
