#include "lib/store/group_commit.h"

#include "lib/store/store_core.h"

namespace cowfs {

void GroupCommit::need(ObjectNumber object) {
  MutexLock lock(mutex_);
  needed_.insert(object);
}

void GroupCommit::need_everything() {
  if (core_.omits(Omit::kAllDataBeforeFork)) return;
  MutexLock lock(mutex_);
  everything_needed_ = true;
}

void GroupCommit::note_logged(std::uint64_t sequence) {
  MutexLock lock(mutex_);
  logged_ = std::max(logged_, sequence);
}

bool GroupCommit::is_durable(std::uint64_t sequence) const {
  MutexLock lock(mutex_);
  return durable_ >= std::min(sequence, logged_);
}

Result<void> GroupCommit::check() const {
  if (!core_.failed) return {};
  return fail(ErrorCode::kIo,
              "nothing can be made durable after an error: " + core_.failure_text());
}

Result<void> GroupCommit::sync_records(std::uint64_t sequence) {
  COWFS_TRY(check());
  if (is_durable(sequence)) return {};
  MutexLock running(running_);
  COWFS_TRY(check());
  if (is_durable(sequence)) return {};
  return flush(false);
}

Result<void> GroupCommit::sync_needed() {
  MutexLock running(running_);
  COWFS_TRY(check());
  const auto nothing_needed = [this] {
    MutexLock lock(mutex_);
    return needed_.empty() && !everything_needed_ && durable_ >= logged_;
  };
  return nothing_needed() ? Result<void>{} : flush(false);
}

Result<void> GroupCommit::sync_everything() {
  COWFS_TRY(check());
  const std::uint64_t ticket = runs_.ticket();
  MutexLock running(running_);
  if (runs_.served(ticket)) return {};
  const std::uint64_t mine = runs_.begin();
  COWFS_TRY(check());
  COWFS_TRY(flush(true));
  runs_.succeeded(mine);
  return {};
}

Result<void> GroupCommit::sync_object(ObjectNumber object) {
  COWFS_TRY(check());
  auto synced = core_.objects.sync_data(object);
  if (!synced) core_.set_failed(synced.error());
  return synced;
}

Result<void> GroupCommit::flush(bool everything) {
  // Whoever logs a record says first what it needs: what is found needed after reading the sequence
  // covers all up to it.
  const std::uint64_t sequence = core_.journal.last();
  // After that: what is taken from now on is in no record that the mark covers.
  core_.objects.flush_begins();
  std::set<ObjectNumber> needed;
  {
    MutexLock lock(mutex_);
    needed = std::exchange(needed_, {});
    everything = std::exchange(everything_needed_, false) || everything;
  }
  const std::set<ObjectNumber> objects =
      everything ? core_.objects.take_dirty() : core_.objects.take_dirty(needed);
  const bool mark_first = core_.omits(Omit::kDataBeforeMark);
  if (mark_first) COWFS_TRY(write_mark(sequence));
  auto synced = core_.objects.sync(objects);
  if (!synced) {
    core_.set_failed(synced.error());
    return synced;
  }
  return mark_first ? Result<void>{} : write_mark(sequence);
}

Result<void> GroupCommit::write_mark(std::uint64_t sequence) {
  {
    MutexLock lock(mutex_);
    if (durable_ >= logged_) return {};
  }
  const std::string body = ByteWriter().le(sequence).take();
  auto marked = core_.journal.append({.type = RecordType::kMark,
                                      .generation = Generation{core_.generation.load()},
                                      .body = body,
                                      .frees_space = true});
  if (!marked && is_out_of_space(marked.error())) return fail(marked.error());
  auto synced = marked ? core_.journal.sync() : Result<void>(fail(marked.error()));
  if (!synced) {
    core_.set_failed(synced.error());
    return synced;
  }
  MutexLock lock(mutex_);
  durable_ = std::max(durable_, sequence);
  return {};
}

}  // namespace cowfs
