#include "lib/store/block_checksums.h"

#include <algorithm>
#include <utility>

namespace cowfs {
namespace {

constexpr std::size_t kItemsErasedAtOnce = 256;

std::uint64_t item_of(std::uint64_t block) { return block - block % kChecksumsInItem; }

std::unexpected<Error> senseless(ObjectNumber object, std::uint64_t block) {
  return fail(ErrorCode::kCorrupted, "the checksums of object " + std::to_string(raw(object)) +
                                         " from block " + std::to_string(block) +
                                         " on make no sense");
}

Result<ChecksumItem> stored_item(const Tree& tree, ObjectNumber object, std::uint64_t first) {
  const std::string key = checksum_key(object, first);
  COWFS_ASSIGN(const auto value, tree.get(key));
  if (!value) return ChecksumItem{object, first, {}};
  const auto item = decode_checksums(key, *value);
  if (!item) return senseless(object, first);
  return *item;
}

Result<void> put_item(Tree& tree, const ChecksumItem& item) {
  const std::string key = checksum_key(item.object, item.first);
  return item.empty() ? tree.erase(key) : tree.put(key, encode_checksums(item));
}

/// Whether a range of erase_some() has this block of its object; count 0: all.
bool covers(const BlockRange& range, std::uint64_t block) {
  return range.count == 0 || (block >= range.first && block < range.first + range.count);
}

}  // namespace

template <typename ChecksumOf>
void BlockChecksums::note_each(ObjectNumber object, std::uint64_t first, std::uint64_t count,
                               const ChecksumOf& checksum_of) {
  ExclusiveLock lock(mutex_);
  Noted* noted = nullptr;
  for (std::uint64_t i = 0; i < count; ++i) {
    const std::uint64_t block = first + i;
    const std::size_t slot = block % kChecksumsInItem;
    if (noted == nullptr || slot == 0) noted = &noted_[{object, item_of(block)}];
    noted->checksums[slot] = checksum_of(i);
    noted->known.set(slot);
  }
}

void BlockChecksums::note(ObjectNumber object, std::uint64_t first, Bytes blocks) {
  if (!enabled_) return;
  // Before the lock is taken.
  std::vector<std::uint32_t> checksums(blocks.size() / kBlockSize);
  for (std::size_t i = 0; i < checksums.size(); ++i)
    checksums[i] = block_checksum(blocks.subspan(i * kBlockSize, kBlockSize));
  note(object, first, checksums);
}

void BlockChecksums::note(ObjectNumber object, std::uint64_t first,
                          std::span<const std::uint32_t> checksums) {
  if (!enabled_) return;
  note_each(object, first, checksums.size(), [&](std::uint64_t i) { return checksums[i]; });
}

void BlockChecksums::forget(const BlockRange& range) {
  if (!enabled_) return;
  note_each(range.object, range.first, range.count, [](std::uint64_t) { return kNoChecksum; });
}

Result<std::vector<std::uint32_t>> BlockChecksums::find(const Tree& store_tree,
                                                        const BlockRange& range) const {
  std::vector<std::uint32_t> found(range.count, kNoChecksum);
  if (!enabled_) return found;
  const std::uint64_t end = range.first + range.count;
  for (std::uint64_t block = range.first; block < end;) {
    const std::uint64_t first = item_of(block);
    const std::uint64_t part_end = std::min(end, first + kChecksumsInItem);
    Noted noted;
    {
      SharedLock lock(mutex_);
      if (const auto it = noted_.find({range.object, first}); it != noted_.end())
        noted = it->second;
    }
    std::optional<ChecksumItem> stored;
    for (; block < part_end; ++block) {
      const std::size_t slot = block % kChecksumsInItem;
      if (!noted.known[slot] && !stored) {
        COWFS_ASSIGN(stored, stored_item(store_tree, range.object, first));
      }
      found[block - range.first] =
          noted.known[slot] ? noted.checksums[slot] : stored->checksums[slot];
    }
  }
  return found;
}

std::size_t BlockChecksums::pending() const {
  SharedLock lock(mutex_);
  return noted_.size();
}

Result<void> BlockChecksums::apply_item(Tree& store_tree, Place place, const Noted& noted) {
  ChecksumItem item{place.first, place.second, noted.checksums};
  if (!noted.known.all()) {
    COWFS_ASSIGN(item, stored_item(store_tree, place.first, place.second));
    for (std::size_t slot = 0; slot < kChecksumsInItem; ++slot) {
      if (noted.known[slot]) item.checksums[slot] = noted.checksums[slot];
    }
  }
  return put_item(store_tree, item);
}

std::vector<std::pair<BlockChecksums::Place, BlockChecksums::Noted>> BlockChecksums::take_noted(
    std::size_t limit) {
  ExclusiveLock lock(mutex_);
  std::vector<std::pair<Place, Noted>> taken;
  auto it = noted_.lower_bound(applied_to_);
  while (!noted_.empty() && taken.size() < limit) {
    if (it == noted_.end()) it = noted_.begin();
    applied_to_ = it->first;
    taken.emplace_back(it->first, it->second);
    it = noted_.erase(it);
  }
  return taken;
}

void BlockChecksums::take_back(std::span<const std::pair<Place, Noted>> items) {
  ExclusiveLock lock(mutex_);
  for (const auto& [place, old] : items) {
    // What was noted meanwhile is newer.
    Noted& now = noted_[place];
    for (std::size_t slot = 0; slot < kChecksumsInItem; ++slot) {
      if (!old.known[slot] || now.known[slot]) continue;
      now.checksums[slot] = old.checksums[slot];
      now.known.set(slot);
    }
  }
}

Result<void> BlockChecksums::apply(Tree& store_tree, std::size_t limit) {
  const auto items = take_noted(limit);
  for (std::size_t i = 0; i < items.size(); ++i) {
    auto applied = apply_item(store_tree, items[i].first, items[i].second);
    if (applied) continue;
    take_back(std::span(items).subspan(i));
    return applied;
  }
  return {};
}

void BlockChecksums::drop_noted(const BlockRange& range) {
  ExclusiveLock lock(mutex_);
  const bool whole = range.count == 0;
  auto it = noted_.lower_bound({range.object, item_of(range.first)});
  while (it != noted_.end() && it->first.first == range.object &&
         (whole || it->first.second < range.first + range.count)) {
    for (std::size_t slot = 0; slot < kChecksumsInItem; ++slot) {
      if (covers(range, it->first.second + slot)) it->second.known.reset(slot);
    }
    it = it->second.known.none() ? noted_.erase(it) : std::next(it);
  }
}

Result<bool> BlockChecksums::erase_some(Tree& store_tree, const BlockRange& range) {
  if (!enabled_) return false;
  drop_noted(range);
  const bool whole = range.count == 0;
  std::vector<ChecksumItem> items;
  bool sound = true;
  COWFS_TRY(store_tree.scan(checksum_key(range.object, whole ? 0 : range.first),
                            [&](std::string_view key, std::string_view value) {
                              if (kind_of(key) != KeyKind::kBlockChecksum) return false;
                              const auto item = decode_checksums(key, value);
                              sound = item.has_value();
                              if (!sound || item->object != range.object) return false;
                              if (!whole && item->first >= range.first + range.count) return false;
                              items.push_back(*item);
                              return items.size() < kItemsErasedAtOnce;
                            }));
  if (!sound) return senseless(range.object, range.first);
  bool changed = false;
  for (ChecksumItem& item : items) {
    const auto before = item.checksums;
    for (std::size_t slot = 0; slot < kChecksumsInItem; ++slot) {
      if (covers(range, item.first + slot)) item.checksums[slot] = kNoChecksum;
    }
    if (item.checksums == before) continue;
    changed = true;
    COWFS_TRY(put_item(store_tree, item));
  }
  return changed && items.size() == kItemsErasedAtOnce;
}

}  // namespace cowfs
