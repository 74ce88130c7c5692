#include "lib/store/replay.h"

namespace cowfs {
namespace {

std::unexpected<Error> misfit(const JournalRecord& record) {
  return fail(ErrorCode::kCorrupted, "the journal is damaged: record " +
                                         std::to_string(record.sequence) +
                                         " does not fit the store");
}

// Numbers that a later session than the slot's gave out lie above what the slot reserved.
void note_inode(StoreCore& core, std::string_view key) {
  if (kind_of(key) != KeyKind::kInode) return;
  const auto inode = ByteReader(key).be<std::uint64_t>();
  if (inode >= core.next_inode)
    core.next_inode = core.inode_limit = std::min(inode + kNumberStep, kInodeLimit);
}

Result<void> replay_transaction(StoreCore& core, const JournalRecord& record) {
  const auto logged = decode_transaction(record.body);
  if (!logged) return misfit(record);
  const Transaction& transaction = logged->transaction;
  for (const auto& change : transaction.changes()) {
    if (core.volumes.find(change.volume) == nullptr) return misfit(record);
  }
  for (const auto& change : transaction.changes()) note_inode(core, change.key);
  std::vector<BlockRange> taken;
  for (const TakenBlocks& blocks : logged->taken) {
    COWFS_TRY(core.objects.taken_again(core.store_tree(), blocks.range));
    core.checksums.note(blocks.range.object, blocks.range.first, blocks.checksums);
    taken.push_back(blocks.range);
  }
  if (!core.omits(Omit::kRecoveredDataSynced)) {
    // The process may have died before it made them durable, and this one would not know that they
    // are not.
    for (const BlockRange& range : taken) core.objects.mark_dirty(range.object);
    for (const BlockRange& range : transaction.retained()) core.objects.mark_dirty(range.object);
    for (const ObjectNumber object : transaction.overwritten()) core.objects.mark_dirty(object);
  }
  COWFS_ASSIGN(const StoreCore::Prepared prepared, core.prepare(transaction));
  return core.apply(transaction, prepared, taken);
}

Result<void> replay_volume(StoreCore& core, const JournalRecord& record) {
  const auto entry = decode_logged_volume(record.body);
  if (!entry) return misfit(record);
  const bool forks = entry->action == VolumeAction::kFork;
  VolumeState* state = core.volumes.find(forks ? entry->parent : entry->id);
  const bool takes_name = forks || entry->action == VolumeAction::kRename;
  const bool fits =
      state != nullptr &&
      (!takes_name || (!state->deleted() && core.volumes.find(entry->name) == nullptr)) &&
      (!forks || core.volumes.find(entry->id) == nullptr);
  if (!fits) return misfit(record);
  core.apply_volume(*state, *entry);
  return {};
}

Result<void> replay_object(StoreCore& core, const JournalRecord& record) {
  const auto entry = decode_logged_object(record.body);
  if (!entry || entry->record.live_blocks != 0 || entry->record.end_blocks != 0)
    return misfit(record);
  return core.objects.created_again(core.store_tree(), entry->object, entry->record);
}

}  // namespace

Result<void> replay_record(StoreCore& core, const JournalRecord& record) {
  // Births of extents and the ages of forks are compared with generations: they must be what they
  // were.
  if (raw(record.generation) > core.generation) core.generation = raw(record.generation);
  ++core.replayed;
  switch (record.type) {
    case RecordType::kTransaction: return replay_transaction(core, record);
    case RecordType::kVolume: return replay_volume(core, record);
    case RecordType::kObject: return replay_object(core, record);
    case RecordType::kMark: return {};
    case RecordType::kOverwrites: return {};  // JournalReader::overwrites() has them all
  }
  return misfit(record);
}

}  // namespace cowfs
