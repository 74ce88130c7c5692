#include "lib/store/object_space.h"

#include <algorithm>
#include <tuple>

#include "lib/base/check.h"

namespace cowfs {
namespace {

constexpr std::uint64_t kMinReserve = std::uint64_t{16} << 20;
constexpr std::uint64_t kMaxReserve = std::uint64_t{256} << 20;
constexpr std::uint64_t kAskHostEvery = 4096;                      // blocks: 16 MiB
constexpr std::uint64_t kWritebackAfter = std::uint64_t{8} << 20;  // bytes
constexpr std::uint64_t kLargeRequest = 16;  // blocks; such requests have a pack of their own
constexpr std::size_t kStatesKept = 4096;

ArrayName array_of(ObjectNumber object) { return {ArrayKind::kObject, raw(object)}; }

std::unexpected<Error> no_place() {
  return fail(ErrorCode::kExists, "the place in the own object cannot be taken");
}

}  // namespace

ObjectSpace::ObjectSpace(Storage& storage, const StoreOptions& options, LogCreation log_creation)
    : storage_(storage), log_creation_(std::move(log_creation)), omit_(options.omit) {
  if (options.reserve_bytes) {
    reserve_bytes_ = *options.reserve_bytes;
    return;
  }
  const auto space = storage.space();
  reserve_bytes_ = std::clamp(space ? space->total_bytes / 50 : 0, kMinReserve, kMaxReserve);
}

void ObjectSpace::restore(const Superblock& superblock) {
  MutexLock lock(mutex_);
  next_object_ = superblock.clean ? superblock.next_object : superblock.object_limit;
  object_limit_ = next_object_;
  live_blocks_ = superblock.live_blocks;
  for (const std::uint64_t pack : superblock.open_packs) {
    if (pack != 0) left_open_.push_back(ObjectNumber{pack});
  }
}

void ObjectSpace::settle(const Superblock& superblock) {
  MutexLock lock(mutex_);
  object_limit_ = superblock.next_object + kNumberStep;
}

Result<ObjectSpace::State*> ObjectSpace::state_of(const Tree& store_tree, ObjectNumber object) {
  if (const auto found = states_.find(object); found != states_.end()) return &found->second;
  COWFS_ASSIGN(const auto value, store_tree.get(object_key(object)));
  const auto record = value ? decode_object(*value) : std::nullopt;
  if (!record)
    return fail(ErrorCode::kCorrupted,
                "object " + std::to_string(raw(object)) + " has no valid record");
  return &states_.emplace(object, State{*record}).first->second;
}

Result<void> ObjectSpace::load_in_flight(const Tree& store_tree) {
  std::vector<PendingFree> in_flight;
  bool sound = true;
  COWFS_TRY(store_tree.scan(pending_free_key({kInFlight, {}}),
                            [&](std::string_view key, std::string_view value) {
                              if (kind_of(key) != KeyKind::kPendingFree) return false;
                              const auto pending = decode_pending_free(key, value);
                              sound = pending.has_value();
                              if (sound) in_flight.push_back(*pending);
                              return sound;
                            }));
  if (!sound) return fail(ErrorCode::kCorrupted, "a record of blocks on their way makes no sense");
  MutexLock lock(mutex_);
  for (const PendingFree& pending : in_flight)
    in_flight_[{pending.range.object, pending.range.first}] = pending.range.count;
  in_flight_stored_ = std::move(in_flight);
  return {};
}

Result<void> ObjectSpace::created_again(const Tree& store_tree, ObjectNumber object,
                                        const ObjectRecord& record) {
  MutexLock lock(mutex_);
  COWFS_ASSIGN(const auto known, store_tree.get(object_key(object)));
  if (known || states_.contains(object)) return {};
  states_[object] = State{record, true, false};
  left_open_.push_back(object);
  // Of a session that the slot knows nothing of: the older slot's reserve ends below its numbers.
  if (raw(object) >= next_object_) next_object_ = object_limit_ = raw(object) + kNumberStep;
  return {};
}

Result<void> ObjectSpace::taken_again(const Tree& store_tree, const BlockRange& range) {
  MutexLock lock(mutex_);
  COWFS_ASSIGN(State * state, state_of(store_tree, range.object));
  const std::uint64_t end = range.first + range.count;
  if (end > state->record.end_blocks) {
    const BlockRange taken{range.object, state->record.end_blocks, end - state->record.end_blocks};
    state->record.end_blocks = end;
    count_taken(*state, taken);
  }
  return {};
}

Result<void> ObjectSpace::give_back_in_flight(const Tree& store_tree) {
  std::map<BlockPlace, std::uint64_t> lost;
  {
    MutexLock lock(mutex_);
    lost = std::exchange(in_flight_, {});
  }
  for (const auto& [place, count] : lost)
    COWFS_TRY(blocks_died(store_tree, {place.first, place.second, count}));
  return {};
}

Result<void> ObjectSpace::close_packs(const Tree& store_tree) {
  MutexLock lock(mutex_);
  for (const ObjectNumber pack : std::exchange(left_open_, {})) {
    COWFS_ASSIGN(State * state, state_of(store_tree, pack));
    // An own object takes more blocks, unless its first ones never arrived.
    if (state->record.kind == ObjectKind::kOwn && state->record.live_blocks > 0) continue;
    // One that the host has lost takes no more blocks either; a check tells whose data it was.
    const auto cut = storage_.resize(array_of(pack), state->record.end_blocks * kBlockSize);
    if (!cut && cut.error().code != ErrorCode::kNotFound) return cut;
    seal(pack, *state);
  }
  return {};
}

Result<void> ObjectSpace::remove_unknown_objects(std::uint64_t first_unknown) {
  COWFS_ASSIGN(const auto numbers, storage_.list(ArrayKind::kObject));
  MutexLock lock(mutex_);
  for (auto it = std::ranges::lower_bound(numbers, first_unknown); it != numbers.end(); ++it) {
    if (!states_.contains(ObjectNumber{*it})) COWFS_TRY(storage_.remove({ArrayKind::kObject, *it}));
  }
  return {};
}

void ObjectSpace::seal(ObjectNumber object, State& state) {
  if (state.record.sealed) return;
  state.record.sealed = true;
  state.changed = true;
  if (state.record.live_blocks == 0) dead_.push_back({object, 0, 0});
}

Result<void> ObjectSpace::take_space(std::uint64_t blocks) {
  if (free_estimate_ < blocks) {
    COWFS_ASSIGN(const StorageSpace space, storage_.space());
    const std::uint64_t usable =
        space.free_bytes > reserve_bytes_ ? (space.free_bytes - reserve_bytes_) / kBlockSize : 0;
    if (usable < blocks)
      return fail(ErrorCode::kNoSpace, "the host filesystem of the store is full");
    free_estimate_ = std::max(blocks, std::min(usable, kAskHostEvery));
  }
  free_estimate_ -= blocks;
  return {};
}

Result<ObjectNumber> ObjectSpace::create_object(ObjectRecord record) {
  if (next_object_ >= object_limit_)
    return fail(ErrorCode::kNoSpace, "object numbers have run out until the next checkpoint");
  const ObjectNumber object{next_object_++};
  COWFS_TRY(storage_.create(array_of(object)));
  COWFS_TRY(log_creation_(object, record));
  states_[object] = State{record, true, true};
  return object;
}

void ObjectSpace::count_taken(State& state, const BlockRange& range) {
  state.record.live_blocks += range.count;
  state.changed = true;
  if (const std::uint64_t flush = flushes_; state.flush != flush) {
    state.flush = flush;
    state.young_from = range.first;
  }
  live_blocks_ += range.count;
  in_flight_[{range.object, range.first}] = range.count;
}

void ObjectSpace::arrived(const BlockRange& range) {
  if (in_flight_.empty()) return;
  const std::uint64_t end = range.first + range.count;
  auto it = in_flight_.upper_bound({range.object, range.first});
  if (it != in_flight_.begin()) --it;
  while (it != in_flight_.end() && it->first < BlockPlace{range.object, end}) {
    const BlockRange waiting{it->first.first, it->first.second, it->second};
    const std::uint64_t waiting_end = waiting.first + waiting.count;
    if (waiting.object != range.object || waiting_end <= range.first) {
      ++it;
      continue;
    }
    it = in_flight_.erase(it);
    if (waiting.first < range.first)
      in_flight_[{range.object, waiting.first}] = range.first - waiting.first;
    if (waiting_end > end) in_flight_[{range.object, end}] = waiting_end - end;
  }
}

std::vector<BlockRange> ObjectSpace::in_flight_parts(const BlockRange& range) const {
  std::vector<BlockRange> parts;
  MutexLock lock(mutex_);
  const std::uint64_t end = range.first + range.count;
  auto it = in_flight_.upper_bound({range.object, range.first});
  if (it != in_flight_.begin()) --it;
  for (; it != in_flight_.end() && it->first < BlockPlace{range.object, end}; ++it) {
    const std::uint64_t from = std::max(range.first, it->first.second);
    const std::uint64_t to = std::min(end, it->first.second + it->second);
    if (it->first.first == range.object && from < to)
      parts.push_back({range.object, from, to - from});
  }
  return parts;
}

bool ObjectSpace::is_young(const BlockRange& range) const {
  MutexLock lock(mutex_);
  const auto state = states_.find(range.object);
  return state != states_.end() && state->second.flush == flushes_ &&
         range.first >= state->second.young_from;
}

void ObjectSpace::committed(const BlockRange& range) {
  MutexLock lock(mutex_);
  arrived(range);
}

Result<BlockRange> ObjectSpace::take_from_pack(OpenPack& pack, std::uint64_t count,
                                               Generation birth) {
  if (pack.object == kNoObject) {
    ObjectRecord record;
    record.birth = birth;
    COWFS_ASSIGN(pack.object, create_object(record));
  }
  State& state = states_.at(pack.object);
  const std::uint64_t taken = std::min(count, kPackBlocks - state.record.end_blocks);
  const BlockRange range{pack.object, state.record.end_blocks, taken};
  state.record.end_blocks += taken;
  count_taken(state, range);
  if (state.record.end_blocks == kPackBlocks) {
    seal(pack.object, state);
    pack.object = kNoObject;
  }
  return range;
}

Result<std::vector<BlockRange>> ObjectSpace::allocate(std::uint64_t count, Generation birth) {
  std::vector<BlockRange> ranges;
  MutexLock lock(mutex_);
  COWFS_TRY(take_space(count));
  OpenPack& pack = packs_[count >= kLargeRequest ? 1 : 0];
  while (count > 0) {
    auto range = take_from_pack(pack, count, birth);
    if (!range) {
      for (const BlockRange& taken : ranges) arrived(taken);
      abandoned_.insert(abandoned_.end(), ranges.begin(), ranges.end());
      return fail(range.error());
    }
    count -= range->count;
    ranges.push_back(*range);
  }
  return ranges;
}

Result<ObjectNumber> ObjectSpace::create_own(VolumeId volume, InodeNumber inode,
                                             std::uint32_t window, Generation birth) {
  MutexLock lock(mutex_);
  COWFS_TRY(take_space(1));
  return create_object(ObjectRecord{.kind = ObjectKind::kOwn,
                                    .sealed = false,
                                    .window = window,
                                    .end_blocks = 0,
                                    .live_blocks = 0,
                                    .birth = birth,
                                    .volume = volume,
                                    .inode = inode});
}

Result<BlockRange> ObjectSpace::extend_own(ObjectNumber object, std::uint64_t first,
                                           std::uint64_t count, const LoadRecord& load) {
  std::optional<std::uint64_t> evictions_before;
  std::optional<ObjectRecord> loaded;
  while (true) {
    {
      MutexLock lock(mutex_);
      // What was loaded is old if the state came, changed and went meanwhile.
      if (loaded && evictions_before == evictions_) states_.try_emplace(object, State{*loaded});
      if (const auto state = states_.find(object); state != states_.end())
        return extend(object, state->second, first, count);
      evictions_before = evictions_;
    }
    COWFS_ASSIGN(loaded, load(object));
    if (!loaded) return no_place();
  }
}

Result<BlockRange> ObjectSpace::extend(ObjectNumber object, State& state, std::uint64_t first,
                                       std::uint64_t count) {
  const bool fits = state.record.kind == ObjectKind::kOwn && !state.record.sealed &&
                    !to_freeze_.contains(object) && first >= state.record.end_blocks &&
                    count <= kOwnObjectBlocks && first <= kOwnObjectBlocks - count;
  if (!fits) return no_place();
  COWFS_TRY(take_space(count));
  if (cut_on_growth_ && !state.cut)
    COWFS_TRY(storage_.resize(array_of(object), state.record.end_blocks * kBlockSize));
  state.cut = true;
  state.record.end_blocks = first + count;
  const BlockRange range{object, first, count};
  count_taken(state, range);
  return range;
}

void ObjectSpace::freeze_own(ObjectNumber object) {
  MutexLock lock(mutex_);
  to_freeze_.insert(object);
}

void ObjectSpace::abandon(const BlockRange& range) {
  MutexLock lock(mutex_);
  if (range.count == 0) return;
  arrived(range);
  abandoned_.push_back(range);
}

std::vector<BlockRange> ObjectSpace::take_abandoned() {
  MutexLock lock(mutex_);
  return std::exchange(abandoned_, {});
}

Result<void> ObjectSpace::blocks_died(const Tree& store_tree, const BlockRange& range) {
  MutexLock lock(mutex_);
  COWFS_ASSIGN(State * state, state_of(store_tree, range.object));
  if (range.count > state->record.live_blocks) {
    return fail(ErrorCode::kCorrupted,
                "object " + std::to_string(raw(range.object)) + " loses more blocks than it has");
  }
  state->record.live_blocks -= range.count;
  state->changed = true;
  live_blocks_ -= range.count;
  const bool all_dead = state->record.live_blocks == 0;
  if (all_dead && state->record.sealed) {
    dead_.push_back({range.object, 0, 0});
  } else if (all_dead && state->record.kind == ObjectKind::kOwn) {
    seal(range.object, *state);  // its file was cut to nothing or is gone
  } else {
    dead_.push_back(range);
  }
  return {};
}

bool ObjectSpace::anything_to_flush() const {
  MutexLock lock(mutex_);
  return !dead_.empty() || !abandoned_.empty() || !to_freeze_.empty() ||
         std::ranges::any_of(states_, [](const auto& item) { return item.second.changed; });
}

Result<void> ObjectSpace::flush(Tree& store_tree, Superblock& superblock) {
  MutexLock lock(mutex_);
  superblock.next_object = next_object_;
  superblock.object_limit = next_object_ + 2 * kNumberStep;
  superblock.live_blocks = live_blocks_;
  for (std::size_t i = 0; i < packs_.size(); ++i) superblock.open_packs[i] = raw(packs_[i].object);
  for (const ObjectNumber object : std::exchange(to_freeze_, {})) {
    COWFS_ASSIGN(State * state, state_of(store_tree, object));
    seal(object, *state);
  }
  for (auto& [object, state] : states_) {
    if (!state.changed) continue;
    COWFS_TRY(store_tree.put(object_key(object), encode_object(state.record)));
    state.changed = false;
  }
  COWFS_TRY(flush_dead(store_tree, superblock.checkpoint));
  COWFS_TRY(flush_in_flight(store_tree));
  evict_states();
  return {};
}

Result<void> ObjectSpace::flush_dead(Tree& store_tree, std::uint64_t checkpoint) {
  std::ranges::sort(dead_, {},
                    [](const BlockRange& r) { return std::pair(raw(r.object), r.first); });
  for (std::size_t i = 0; i < dead_.size(); ++i) {
    BlockRange run = dead_[i];
    while (run.count > 0 && i + 1 < dead_.size() && dead_[i + 1].object == run.object &&
           dead_[i + 1].count > 0 && dead_[i + 1].first == run.first + run.count) {
      run.count += dead_[++i].count;
    }
    const PendingFree pending{checkpoint, run};
    COWFS_TRY(store_tree.put(pending_free_key(pending), encode_pending_free(pending)));
  }
  dead_.clear();
  return {};
}

// Blocks that an operation under way has taken are in this checkpoint's counts but in none of its
// extents: should it be the one that is opened next, recover() gives them back.
Result<void> ObjectSpace::flush_in_flight(Tree& store_tree) {
  for (const PendingFree& old : std::exchange(in_flight_stored_, {}))
    COWFS_TRY(store_tree.erase(pending_free_key(old)));
  if (omit_ == Omit::kInFlightRecorded) return {};
  for (const auto& [place, count] : in_flight_)
    in_flight_stored_.push_back({kInFlight, {place.first, place.second, count}});
  for (const BlockRange& range : abandoned_) in_flight_stored_.push_back({kInFlight, range});
  for (const PendingFree& now : in_flight_stored_) {
    COWFS_TRY(store_tree.put(pending_free_key(now), encode_pending_free(now)));
  }
  return {};
}

void ObjectSpace::evict_states() {
  if (states_.size() <= kStatesKept) return;
  ++evictions_;
  std::erase_if(states_, [this](const auto& item) COWFS_REQUIRES(mutex_) {
    return !item.second.changed && std::ranges::none_of(packs_, [&](const OpenPack& pack) {
      return pack.object == item.first;
    });
  });
}

Result<void> ObjectSpace::object_removed(Tree& store_tree, ObjectNumber object) {
  MutexLock lock(mutex_);
  states_.erase(object);
  return store_tree.erase(object_key(object));
}

Result<void> ObjectSpace::read(ObjectNumber object, std::uint64_t offset, MutableBytes out) {
  auto read = storage_.read(array_of(object), offset, out);
  // A program that reads a file must not be told that the file is not there.
  if (!read && read.error().code == ErrorCode::kNotFound)
    return fail(ErrorCode::kCorrupted, read.error().text);
  return read;
}

Result<void> ObjectSpace::write(ObjectNumber object, std::uint64_t first_block, Bytes blocks) {
  COWFS_CHECK(blocks.size() % kBlockSize == 0);
  bool start = false;
  {
    // Before the write: a checkpoint that begins now must sync the object once more after it.
    MutexLock lock(dirty_mutex_);
    std::uint64_t& bytes = dirty_[object];
    bytes += blocks.size();
    start = bytes >= kWritebackAfter;
    if (start) bytes = 0;
  }
  auto written = storage_.write(array_of(object), first_block * kBlockSize, blocks);
  if (!written && written.error().code == ErrorCode::kNotFound)
    return fail(ErrorCode::kCorrupted, written.error().text);
  COWFS_TRY(written);
  if (start) storage_.start_writeback(array_of(object));
  MutexLock lock(dirty_mutex_);
  dirty_.try_emplace(object, 0);  // taken meanwhile by a checkpoint that may have synced too early
  return {};
}

std::set<ObjectNumber> ObjectSpace::take_dirty() {
  MutexLock lock(dirty_mutex_);
  std::set<ObjectNumber> objects;
  for (const auto& [object, bytes] : std::exchange(dirty_, {})) objects.insert(object);
  return objects;
}

std::set<ObjectNumber> ObjectSpace::take_dirty(const std::set<ObjectNumber>& wanted) {
  MutexLock lock(dirty_mutex_);
  std::set<ObjectNumber> objects;
  for (const ObjectNumber object : wanted) {
    if (dirty_.erase(object) > 0) objects.insert(object);
  }
  return objects;
}

void ObjectSpace::mark_dirty(ObjectNumber object) {
  MutexLock lock(dirty_mutex_);
  dirty_.try_emplace(object, 0);
}

Result<void> ObjectSpace::sync_data(ObjectNumber object) {
  auto synced = storage_.sync(array_of(object));
  // An object that was reclaimed meanwhile has nothing left to keep.
  if (!synced && synced.error().code == ErrorCode::kNotFound) return {};
  return synced;
}

Result<void> ObjectSpace::sync(const std::set<ObjectNumber>& objects) {
  for (const ObjectNumber object : objects) COWFS_TRY(sync_data(object));
  return storage_.sync_names(ArrayKind::kObject);
}

Result<StorageSpace> ObjectSpace::host_space() const { return storage_.space(); }

}  // namespace cowfs
