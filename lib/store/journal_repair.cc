#include "lib/store/journal_repair.h"

#include <algorithm>

#include "lib/store/declared_overwrites.h"
#include "lib/store/log_entry.h"
#include "lib/tree/tree.h"

namespace cowfs {

Result<void> JournalRepair::apply(const JournalRecord& record) {
  space_.raise_generation(record.generation);
  switch (record.type) {
    case RecordType::kTransaction: return apply_transaction(record);
    case RecordType::kVolume: apply_volume(record); break;
    case RecordType::kObject: apply_object(record); break;
    case RecordType::kMark: break;
    case RecordType::kOverwrites: break;  // put_checksums() gets them all
  }
  return {};
}

void JournalRepair::senseless(const JournalRecord& record) {
  problems_.add(
      {"journal", Severity::kLoss,
       "record " + std::to_string(record.sequence) + " of the journal cannot be applied"});
}

Result<void> JournalRepair::apply_transaction(const JournalRecord& record) {
  const auto logged = decode_transaction(record.body);
  if (!logged) {
    senseless(record);
    return {};
  }
  for (const auto& change : logged->transaction.changes()) {
    const auto volume = items_.volumes.find(change.volume);
    if (volume == items_.volumes.end()) {
      senseless(record);
      continue;
    }
    changed_volumes_.insert(change.volume);
    Tree tree(space_, volume->second.root);
    COWFS_TRY(change.value ? tree.put(change.key, *change.value) : tree.erase(change.key));
    const auto inode = ByteReader(change.key).be<std::uint64_t>();
    if (kind_of(change.key) == KeyKind::kInode && inode < kInodeLimit)
      highest_inode_ = std::max(highest_inode_, inode);
  }
  for (const TakenBlocks& blocks : logged->taken) {
    take(blocks.range);
    checksums_.note(blocks.range.object, blocks.range.first, blocks.checksums);
  }
  for (const BlockRange& range : logged->transaction.retained()) data_.insert(range.object);
  for (const ObjectNumber object : logged->transaction.overwritten()) data_.insert(object);
  return {};
}

// What lies between an object's end and blocks that were taken past it never arrived anywhere.
void JournalRepair::take(const BlockRange& range) {
  data_.insert(range.object);
  const auto object = items_.objects.find(range.object);
  if (object == items_.objects.end()) return;  // the recount finds its blocks
  ObjectRecord& record = object->second;
  record.end_blocks = std::max(record.end_blocks, range.first + range.count);
  changed_objects_.insert(range.object);
}

void JournalRepair::apply_volume(const JournalRecord& record) {
  const auto entry = decode_logged_volume(record.body);
  const bool forks = entry && entry->action == VolumeAction::kFork;
  const auto found =
      entry ? items_.volumes.find(forks ? entry->parent : entry->id) : items_.volumes.end();
  if (found == items_.volumes.end()) return senseless(record);
  VolumeRecord& volume = found->second;
  changed_volumes_.insert(volume.id);
  switch (entry->action) {
    case VolumeAction::kFork: return fork(volume, *entry);
    case VolumeAction::kRename: volume.name = entry->name; break;
    case VolumeAction::kDelete: volume.name.clear(); break;
    case VolumeAction::kOrphansErased: volume.has_orphans = false; break;
  }
}

void JournalRepair::fork(const VolumeRecord& parent_before, const LoggedVolume& entry) {
  const Generation now = space_.generation();
  VolumeRecord& parent = items_.volumes.at(parent_before.id);
  parent.root.shared_at = now;
  space_.add_reference(parent.root.root.id);
  space_.raise_generation(next(now));
  VolumeRecord child;
  child.id = entry.id;
  child.parent = entry.parent;
  child.root = {parent.root.root, now};
  child.read_only = entry.read_only;
  child.has_orphans = entry.has_orphans;
  child.created = entry.created;
  child.name = entry.name;
  items_.volumes.insert_or_assign(child.id, child);
  changed_volumes_.insert(child.id);
}

void JournalRepair::apply_object(const JournalRecord& record) {
  const auto entry = decode_logged_object(record.body);
  if (!entry) return senseless(record);
  if (items_.objects.emplace(entry->object, entry->record).second)
    changed_objects_.insert(entry->object);
}

Result<void> JournalRepair::put_checksums(Storage& storage,
                                          const std::vector<std::string>& overwrites,
                                          Tree& store_tree) {
  if (!checksums_.enabled()) return {};
  std::set<std::pair<ObjectNumber, std::uint64_t>> units;
  for (const std::string& body : overwrites) {
    for (ByteReader reader(body); !reader.rest().empty();) {
      const ObjectNumber object{reader.le<std::uint64_t>()};
      const auto first = reader.le<std::uint64_t>();
      const std::uint64_t count = reader.le<std::uint32_t>();
      if (!reader.ok() || first >= kMaxExtentBlocks || count > kMaxExtentBlocks / kDeclaredBlocks)
        break;
      for (std::uint64_t i = 0; i < count; ++i) units.insert({object, first + i * kDeclaredBlocks});
    }
  }
  for (const auto& [object, first] : units)
    COWFS_TRY(compute_anew(storage, store_tree, {object, first, kDeclaredBlocks}));
  return checksums_.apply(store_tree);
}

// Blocks that never had a checksum get none: nobody knows whether they were written.
Result<void> JournalRepair::compute_anew(Storage& storage, const Tree& store_tree,
                                         const BlockRange& range) {
  const auto before = checksums_.find(store_tree, range);
  std::vector<std::byte> data(range.count * kBlockSize);
  if (!before ||
      !storage.read({ArrayKind::kObject, raw(range.object)}, range.first * kBlockSize, data)) {
    checksums_.forget(range);
    return {};
  }
  data_.insert(range.object);
  for (std::uint64_t i = 0; i < range.count; ++i) {
    if ((*before)[i] != kNoChecksum)
      checksums_.note(range.object, range.first + i,
                      Bytes(data).subspan(i * kBlockSize, kBlockSize));
  }
  return {};
}

}  // namespace cowfs
