#include "lib/volume/open_state.h"

#include <algorithm>

namespace cowfs {

void UnsyncedData::note_commit(std::uint64_t sequence, bool only_times,
                               const std::vector<ObjectNumber>& overwritten) {
  MutexLock lock(mutex_);
  if (!only_times) pending_.sequence = sequence;
  ++writes_;
  for (const ObjectNumber object : overwritten) {
    const auto known = std::ranges::find(pending_.overwritten, object,
                                         &std::pair<ObjectNumber, std::uint64_t>::first);
    if (known != pending_.overwritten.end()) known->second = writes_;
    else pending_.overwritten.emplace_back(object, writes_);
  }
}

UnsyncedData::Pending UnsyncedData::pending() const {
  MutexLock lock(mutex_);
  return pending_;
}

void UnsyncedData::synced(const Pending& done) {
  MutexLock lock(mutex_);
  // What was written again meanwhile stays.
  std::erase_if(pending_.overwritten, [&](const auto& item) {
    return std::ranges::find(done.overwritten, item) != done.overwritten.end();
  });
  if (pending_.sequence == 0) pending_.sequence = done.sequence;
}

}  // namespace cowfs
