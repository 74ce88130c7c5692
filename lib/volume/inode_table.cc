#include "lib/volume/inode_table.h"

#include <utility>

#include "lib/base/check.h"
#include "lib/store/store.h"

namespace cowfs {

InodeHandle::InodeHandle(InodeHandle&& other) noexcept
    : table_(std::exchange(other.table_, nullptr)), inode_(other.inode_), state_(other.state_) {}

InodeHandle::~InodeHandle() {
  if (table_ != nullptr) table_->release_handle(inode_);
}

bool InodeTable::Shard::held(InodeNumber inode) const {
  const auto entry = entries.find(inode);
  return (entry != entries.end() && entry->second.opens > 0) || lookups.contains(inode);
}

bool InodeTable::Shard::let_go(InodeNumber inode) {
  const auto orphan = orphans.find(inode);
  if (orphan == orphans.end() || !orphan->second || held(inode)) return false;
  orphan->second = false;
  return true;
}

void InodeTable::Shard::drop_unused(InodeNumber inode, Store& store) {
  const auto entry = entries.find(inode);
  if (entry->second.opens != 0 || entry->second.handles != 0) return;
  for (const auto& [object, write] : entry->second.state.unsynced.pending().overwritten)
    store.leave_behind(object);
  entries.erase(entry);
}

void InodeTable::remember(InodeNumber inode) {
  Shard& shard = shard_of(inode);
  MutexLock lock(shard.mutex);
  shard.lookups.add(inode, 1);
}

bool InodeTable::forget(InodeNumber inode, std::uint64_t count) {
  Shard& shard = shard_of(inode);
  MutexLock lock(shard.mutex);
  return shard.lookups.subtract(inode, count) && shard.let_go(inode);
}

bool InodeTable::is_held(InodeNumber inode) {
  Shard& shard = shard_of(inode);
  MutexLock lock(shard.mutex);
  return shard.held(inode);
}

std::size_t InodeTable::remembered_inodes() {
  std::size_t sum = 0;
  for (Shard& shard : shards_) {
    MutexLock lock(shard.mutex);
    sum += shard.lookups.size();
  }
  return sum;
}

std::size_t InodeTable::memory_bytes() {
  std::size_t sum = 0;
  for (Shard& shard : shards_) {
    MutexLock lock(shard.mutex);
    sum += shard.lookups.memory_bytes();
  }
  return sum;
}

Result<void> InodeTable::pin() {
  MutexLock lock(pin_mutex_);
  if (!pinned_) COWFS_TRY(store_.pin_volume(volume_));
  pinned_ = true;
  ++pins_;
  return {};
}

void InodeTable::unpin() {
  MutexLock lock(pin_mutex_);
  COWFS_CHECK(pins_ > 0);
  --pins_;
  if (released_) unpin_at_store();
}

void InodeTable::release_volume() {
  MutexLock lock(pin_mutex_);
  released_ = true;
  unpin_at_store();
}

void InodeTable::unpin_at_store() {
  if (pins_ > 0 || !pinned_) return;
  pinned_ = false;
  store_.unpin_volume(volume_);
}

Result<void> InodeTable::open(InodeNumber inode, bool writable, bool nameless) {
  Shard& shard = shard_of(inode);
  MutexLock lock(shard.mutex);
  if (nameless) {
    const auto orphan = shard.orphans.find(inode);
    if (orphan == shard.orphans.end() || !orphan->second) return fail(ErrorCode::kStale);
  }
  Entry& entry = shard.entries[inode];
  ++entry.opens;
  if (writable) ++entry.writers;
  return {};
}

bool InodeTable::close(InodeNumber inode, bool writable) {
  Shard& shard = shard_of(inode);
  MutexLock lock(shard.mutex);
  const auto found = shard.entries.find(inode);
  COWFS_CHECK(found != shard.entries.end() && found->second.opens > 0);
  Entry& entry = found->second;
  --entry.opens;
  if (writable) {
    COWFS_CHECK(entry.writers > 0);
    --entry.writers;
  }
  shard.drop_unused(inode, store_);
  return shard.let_go(inode);
}

InodeHandle InodeTable::lock_handle(InodeNumber inode) {
  Shard& shard = shard_of(inode);
  MutexLock lock(shard.mutex);
  Entry& entry = shard.entries[inode];
  ++entry.handles;
  return InodeHandle(*this, inode, entry.state);
}

void InodeTable::release_handle(InodeNumber inode) {
  Shard& shard = shard_of(inode);
  MutexLock lock(shard.mutex);
  --shard.entries.find(inode)->second.handles;
  shard.drop_unused(inode, store_);
}

std::vector<InodeNumber> InodeTable::open_writers() {
  std::vector<InodeNumber> out;
  for (Shard& shard : shards_) {
    MutexLock lock(shard.mutex);
    for (const auto& [inode, entry] : shard.entries) {
      if (entry.writers > 0) out.push_back(inode);
    }
  }
  return out;
}

bool InodeTable::add_orphan(InodeNumber inode) {
  Shard& shard = shard_of(inode);
  MutexLock lock(shard.mutex);
  const auto [orphan, fresh] = shard.orphans.emplace(inode, shard.held(inode));
  if (fresh) orphans_.fetch_add(1);
  return orphan->second;
}

void InodeTable::add_kept_orphan(InodeNumber inode) {
  Shard& shard = shard_of(inode);
  MutexLock lock(shard.mutex);
  if (shard.orphans.emplace(inode, true).second) orphans_.fetch_add(1);
}

void InodeTable::drop_orphan(InodeNumber inode) {
  Shard& shard = shard_of(inode);
  MutexLock lock(shard.mutex);
  if (shard.orphans.erase(inode) > 0) orphans_.fetch_sub(1);
}

bool InodeTable::is_kept_orphan(InodeNumber inode) {
  Shard& shard = shard_of(inode);
  MutexLock lock(shard.mutex);
  const auto orphan = shard.orphans.find(inode);
  return orphan != shard.orphans.end() && orphan->second;
}

}  // namespace cowfs
