#include "lib/volume/orphans.h"

#include "lib/volume/file_data.h"
#include "lib/volume/inode_record.h"
#include "lib/volume/inode_table.h"
#include "lib/volume/tree_clone.h"

namespace cowfs {
namespace {

/// Erases names' back references, attributes and link targets of an inode: kinds kName to kSymlink.
Result<bool> erase_some_items(const TreeView& view, VolumeId volume, InodeNumber inode,
                              Transaction& transaction) {
  const std::string inode_prefix = ByteWriter().be(raw(inode)).take();
  std::vector<std::string> keys;
  std::size_t size = transaction.size_bytes();
  bool all = true;
  COWFS_TRY(view.scan(volume, key_of(inode, KeyKind::kName).take(),
                      [&](std::string_view key, std::string_view) {
                        if (!has_prefix(key, inode_prefix) || kind_of(key) >= KeyKind::kExtent) {
                          return false;
                        }
                        all = size < kMaxTransactionBytes / 2;
                        if (!all) return false;
                        keys.emplace_back(key);
                        size += key.size() + 64;
                        return true;
                      }));
  for (std::string& key : keys) transaction.erase(volume, std::move(key));
  return all;
}

enum class Step { kDone, kMore };

/// One transaction of erasing an orphan.
Result<Step> erase_step(Volume& volume, InodeNumber inode, bool fork_orphan) {
  InodeTable& table = volume.inodes();
  Operation operation(volume.store());
  UpdateView view(volume.store(), operation);
  if (table.is_kept_orphan(inode)) return Step::kDone;
  COWFS_ASSIGN(const auto item, view.get(volume.id(), orphan_key(inode)));
  const auto state = item ? decode_orphan(*item) : std::nullopt;
  if (state != OrphanState::kUnlinked && state != OrphanState::kStaged) {
    table.drop_orphan(inode);
    return Step::kDone;
  }
  const auto record = load_inode(view, volume.id(), inode);
  if (record && record->link_count != 0) {
    return fail(ErrorCode::kCorrupted, "an inode with names has an orphan item");
  }
  Transaction transaction;
  transaction.frees_space();
  if (fork_orphan) transaction.allow_read_only();
  COWFS_ASSIGN(const bool gone, state == OrphanState::kStaged
                                    ? erase_some_staged(view, volume.id(), inode, transaction)
                                    : erase_some(view, volume.id(), inode, transaction));
  COWFS_TRY(view.commit(transaction));
  if (!gone) return Step::kMore;
  table.drop_orphan(inode);
  return Step::kDone;
}

}  // namespace

std::string orphan_key(InodeNumber inode) {
  return key_of(kOrphanKeyInode, KeyKind::kOrphan).be(raw(inode)).take();
}

Result<bool> erase_some(UpdateView& view, VolumeId volume, InodeNumber inode,
                        Transaction& transaction) {
  const std::size_t before = transaction.size_bytes();
  COWFS_ASSIGN(bool all, erase_some_data(view, volume, inode, transaction));
  if (all) {
    COWFS_ASSIGN(all, erase_some_items(view, volume, inode, transaction));
  }
  if (!all) {
    if (transaction.size_bytes() > before) return false;
    return fail(ErrorCode::kCorrupted, "an inode without names cannot be erased");
  }
  transaction.erase(volume, inode_key(inode));
  transaction.erase(volume, orphan_key(inode));
  return true;
}

Result<void> erase_orphan(Volume& volume, InodeNumber inode, bool fork_orphan,
                          const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    COWFS_ASSIGN(const Step step, erase_step(volume, inode, fork_orphan));
    if (step == Step::kDone) return {};
  }
  return {};
}

Result<Leftovers> collect_leftovers(Volume& volume) {
  const std::string prefix = key_of(kOrphanKeyInode, KeyKind::kOrphan).take();
  Leftovers found;
  bool sound = true;
  ReadView view(volume.store());
  // The table is asked under the tree lock, so that no unlink or link() comes in between.
  COWFS_TRY(view.scan(volume.id(), prefix, [&](std::string_view key, std::string_view value) {
    if (!has_prefix(key, prefix)) return false;
    ByteReader rest(rest_of(key));
    const InodeNumber inode{rest.be<std::uint64_t>()};
    const auto state = decode_orphan(value);
    sound = rest.done() && raw(inode) >= raw(kFirstFreeInode) && raw(inode) < kInodeLimit && state;
    if (!sound) return false;
    if (*state == OrphanState::kTruncated) found.truncated.push_back(inode);
    else if (!volume.inodes().add_orphan(inode)) found.orphans.push_back(inode);
    return true;
  }));
  if (!sound) return fail(ErrorCode::kCorrupted, "an orphan item is damaged");
  return found;
}

Result<void> clear_leftovers(Volume& volume, const Leftovers& leftovers, bool fork_orphans,
                             const std::stop_token& stop) {
  Result<void> first;
  const auto note = [&first](Result<void> done) {
    if (first && !done) first = std::move(done);
  };
  for (const InodeNumber inode : leftovers.orphans) {
    note(erase_orphan(volume, inode, fork_orphans, stop));
  }
  for (const InodeNumber inode : leftovers.truncated) {
    if (stop.stop_requested()) break;
    note(finish_truncation({}, volume, inode, fork_orphans));
  }
  return first;
}

bool Volume::has_orphans() { return inodes_->orphans() > 0; }

Result<void> Volume::erase_orphans(bool fork_orphans) {
  COWFS_ASSIGN(const Leftovers leftovers, collect_leftovers(*this));
  return clear_leftovers(*this, leftovers, fork_orphans);
}

}  // namespace cowfs
