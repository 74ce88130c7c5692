#include "lib/store/checkpointer.h"

#include "lib/store/store_core.h"

namespace cowfs {

void Checkpointer::start(std::chrono::milliseconds interval) {
  thread_ = std::jthread([this, interval](const std::stop_token& stop) { loop(stop, interval); });
}

void Checkpointer::stop() {
  {
    MutexLock lock(mutex_);
    stopping_ = true;
    changed_.notify_all();
  }
  if (!thread_.joinable()) return;
  thread_.request_stop();
  thread_.join();
}

void Checkpointer::request() {
  MutexLock lock(mutex_);
  requested_ = true;
  changed_.notify_all();
}

void Checkpointer::loop(const std::stop_token& stop, std::chrono::milliseconds interval) {
  while (!stop.stop_requested()) {
    {
      MutexLock lock(mutex_);
      changed_.wait_for(mutex_, interval,
                        [this]() COWFS_REQUIRES(mutex_) { return requested_ || stopping_; });
      if (stopping_) return;
      requested_ = false;
    }
    auto synced = sync();
    core_.journal.make_ready();
    if (!synced && !core_.failed && core_.options.on_background_error)
      core_.options.on_background_error(synced.error());
  }
}

Result<void> Checkpointer::sync() {
  const std::uint64_t ticket = runs_.ticket();
  MutexLock running(running_);
  if (runs_.served(ticket)) return {};
  const std::uint64_t mine = runs_.begin();
  COWFS_TRY(run(false, false));
  runs_.succeeded(mine);
  return {};
}

Result<void> Checkpointer::force(bool clean) {
  MutexLock running(running_);
  return run(clean, true);
}

Result<void> Checkpointer::run(bool clean, bool forced) {
  COWFS_TRY(core_.check_writable());
  auto taken = take(clean, forced);
  if (!taken) {
    if (changing_) core_.set_failed(taken.error());
    return fail(taken.error());
  }
  if (!*taken) return {};
  auto written = write(**taken);
  if (!written) {
    ExclusiveLock lock(core_.tree_lock);
    core_.changed = true;
    --core_.taken_checkpoint;  // the next try replaces the same slot: the other one holds the
                               // checkpoint in force
    return written;
  }
  settle((*taken)->superblock);
  ++count_;
  core_.reclaimer.wake();
  return {};
}

Result<std::optional<Checkpointer::Taken>> Checkpointer::take(bool clean, bool forced) {
  ExclusiveLock lock(core_.tree_lock);
  const auto begin = std::chrono::steady_clock::now();
  const bool anything = core_.changed || core_.block_counts.pending() > 0 ||
                        core_.checksums.pending() > 0 || core_.objects.anything_to_flush();
  if (!anything && !forced) return std::optional<Taken>{};
  // Before anything is put into the store's tree: an object that is made meanwhile (no lock keeps
  // that out) is in the checkpoint or logged after this position, or both.
  const JournalPosition position = core_.journal.position();
  const bool checksums =
      core_.nodes.ensure_free(kNodesKeptForDeletes / 2 + core_.checksums.pending()).has_value();
  if (!clean) {
    changing_ = false;  // without room for it nothing has changed yet
    COWFS_TRY(core_.declared.carry(!checksums));
  }
  changing_ = true;
  Taken taken;
  taken.superblock = core_.superblock;
  Superblock& s = taken.superblock;
  s.checkpoint = core_.next_checkpoint();
  COWFS_TRY(put_records(s, checksums));
  COWFS_TRY(put_bitmaps());
  s.generation = Generation{core_.generation.load()};
  s.root = core_.store_root.root;
  s.node_segments = core_.nodes.segment_count();
  s.next_volume = core_.next_volume;
  s.next_inode = core_.next_inode;
  s.inode_limit = s.next_inode + 2 * kNumberStep;
  s.clean = clean;
  taken.nodes = core_.nodes.freeze();
  s.journal = position;
  core_.fresh_after_generation = s.generation;
  ++core_.generation;
  core_.taken_checkpoint = s.checkpoint;
  core_.changed = false;
  core_.dirty_nodes = 0;
  note_stall(begin);
  return std::optional(std::move(taken));
}

Result<void> Checkpointer::put_records(Superblock& superblock, bool checksums) {
  (void)core_.nodes.ensure_free(kNodesPerSegment / 2);  // best effort: what is there may be enough
  COWFS_TRY(core_.apply_block_counts());
  Tree tree = core_.store_tree();
  // Before the objects: that of a block that was noted is among them.
  if (checksums) COWFS_TRY(core_.checksums.apply(tree));
  for (const auto& [id, volume] : core_.volumes.all()) {
    if (!volume->changed) continue;
    COWFS_TRY(tree.put(volume_key(id), encode_volume(volume->record)));
    volume->changed = false;
  }
  COWFS_TRY(core_.objects.flush(tree, superblock));
  return core_.node_counts.apply(tree);
}

// Writing a bitmap can copy nodes of the store's tree, which changes bitmaps. Each node is copied
// once a checkpoint at most, so this ends after a few rounds, with values put in place into nodes
// that are new already.
Result<void> Checkpointer::put_bitmaps() {
  Tree tree = core_.store_tree();
  while (!core_.nodes.changed_segments().empty()) {
    const std::set<std::uint64_t> changed = core_.nodes.changed_segments();
    core_.nodes.clear_changed();
    for (const std::uint64_t segment : changed) {
      const std::string key = key_of(kStoreKeyInode, KeyKind::kNodeSegment).be(segment).take();
      COWFS_TRY(tree.put(key, core_.nodes.bitmap(segment)));
    }
  }
  return {};
}

Result<void> Checkpointer::write(const Taken& taken) {
  const auto checked = [this](Result<void> result) {
    // A failed sync may have dropped what was to be written; only a full host can be tried again.
    const bool again = result || is_out_of_space(result.error());
    if (!again) core_.set_failed(result.error());
    return result;
  };
  if (!core_.omits(Omit::kJournalBeforeSlot)) {
    COWFS_TRY(core_.group_commit.sync_everything());
    COWFS_TRY(checked(core_.journal.sync_to(core_.journal.last())));  // what was declared again
  }
  COWFS_TRY(checked(core_.nodes.write_frozen(taken.nodes)));
  return checked(write_superblock(*core_.storage, taken.superblock));
}

void Checkpointer::settle(const Superblock& superblock) {
  ExclusiveLock lock(core_.tree_lock);
  const auto begin = std::chrono::steady_clock::now();
  // The older slot is the one that was the newest until now.
  core_.journal.release_before(
      (core_.omits(Omit::kJournalHeld) ? superblock : core_.superblock).journal.sequence);
  core_.superblock = superblock;
  core_.nodes.thaw(core_.held.free_below(superblock.checkpoint), core_.omits(Omit::kNodesHeld));
  core_.inode_limit = superblock.next_inode + kNumberStep;
  core_.objects.settle(superblock);
  core_.nodes_are_scarce = false;
  core_.journal_is_scarce = false;
  note_stall(begin);
}

void Checkpointer::note_stall(std::chrono::steady_clock::time_point begin) {
  const auto stall = std::chrono::duration_cast<std::chrono::microseconds>(
      std::chrono::steady_clock::now() - begin);
  longest_stall_ = std::max<std::int64_t>(longest_stall_, stall.count());
}

}  // namespace cowfs
