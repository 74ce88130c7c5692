#include "fs/link_table.h"

#include "fs/node_id.h"

namespace cowfs {

Result<std::uint32_t> LinkTable::remember(const SnapshotLink& link) {
  const MutexLock lock(mutex_);
  const auto known = numbers_.find(link);
  if (known != numbers_.end()) {
    ++entries_.at(known->second).lookups;
    return known->second;
  }
  std::uint32_t number = next_number_;
  if (!free_numbers_.empty()) {
    number = free_numbers_.back();
    free_numbers_.pop_back();
  } else if (next_number_ == kSnapshotLinkLimit) {
    return fail(ErrorCode::kNoSpace, "too many links of .cowfs directories are in use");
  } else {
    ++next_number_;
  }
  entries_[number] = {numbers_.emplace(link, number).first, 1};
  return number;
}

void LinkTable::forget(std::uint32_t number, std::uint64_t count) {
  const MutexLock lock(mutex_);
  const auto entry = entries_.find(number);
  if (entry == entries_.end()) return;
  if (entry->second.lookups > count) {
    entry->second.lookups -= count;
    return;
  }
  numbers_.erase(entry->second.link);
  entries_.erase(entry);
  free_numbers_.push_back(number);
}

Result<SnapshotLink> LinkTable::find(std::uint32_t number) {
  const MutexLock lock(mutex_);
  const auto entry = entries_.find(number);
  if (entry == entries_.end()) return fail(ErrorCode::kStale);
  return entry->second.link->first;
}

std::size_t LinkTable::size() {
  const MutexLock lock(mutex_);
  return entries_.size();
}

}  // namespace cowfs
