#include "lib/volume/extent_map.h"

#include <algorithm>

#include "lib/base/check.h"

namespace cowfs {
namespace {

std::unexpected<Error> damaged(InodeNumber inode) {
  return fail(ErrorCode::kCorrupted,
              "extents of inode " + std::to_string(raw(inode)) + " are damaged");
}

bool overlaps(const Extent& extent, FileBlocks range) {
  return extent.file_block < range.end && extent.end() > range.first;
}

/// Whether `extent` may follow one that ends at `previous_end` (invariant 1).
bool in_order(const Extent& extent, std::uint64_t previous_end) {
  return extent.file_block >= previous_end && extent.end() <= kFileBlockLimit &&
         window_of(extent.file_block) == window_of(extent.end() - 1);
}

/// The extent that begins below `block` and covers it, if any.
Result<std::optional<Extent>> extent_covering(const TreeView& view, VolumeId volume,
                                              InodeNumber inode, std::uint64_t block) {
  COWFS_ASSIGN(const auto item, view.find_at_or_below(volume, extent_key(inode, block)));
  if (!item || !has_prefix(item->key, key_of(inode, KeyKind::kExtent).take())) return std::nullopt;
  const auto extent = decode_extent(item->key, item->value);
  if (!extent) return damaged(inode);
  if (extent->end() <= block) return std::nullopt;
  return extent;
}

/// Whether `b` goes on where `a` ends, in the file and in the object.
bool continues(const Extent& a, const Extent& b) {
  return a.end() == b.file_block && a.blocks.object == b.blocks.object &&
         a.blocks.first + a.blocks.count == b.blocks.first &&
         window_of(a.file_block) == window_of(b.file_block);
}

}  // namespace

Result<std::vector<Extent>> find_extents(const TreeView& view, VolumeId volume, InodeNumber inode,
                                         FileBlocks range, std::size_t limit) {
  std::vector<Extent> found;
  if (range.empty() || limit == 0) return found;
  COWFS_ASSIGN(const auto first, extent_covering(view, volume, inode, range.first));
  std::uint64_t end = range.first;
  if (first) {
    if (!in_order(*first, 0)) return damaged(inode);
    found.push_back(*first);
    end = first->end();
  }
  if (found.size() == limit || end >= range.end) return found;
  const std::string prefix = key_of(inode, KeyKind::kExtent).take();
  bool sound = true;
  COWFS_TRY(
      view.scan(volume, extent_key(inode, end), [&](std::string_view key, std::string_view value) {
        if (!has_prefix(key, prefix)) return false;
        const auto extent = decode_extent(key, value);
        sound = extent && in_order(*extent, end);
        if (!sound || extent->file_block >= range.end) return false;
        found.push_back(*extent);
        end = extent->end();
        return found.size() < limit;
      }));
  if (!sound) return damaged(inode);
  return found;
}

Result<FileBlocks> one_step_of(const TreeView& view, VolumeId volume, InodeNumber inode,
                               FileBlocks range) {
  COWFS_ASSIGN(const auto extents, find_extents(view, volume, inode, range));
  if (extents.size() < kExtentsPerStep) return range;
  return FileBlocks{range.first, std::min(range.end, extents.back().end())};
}

std::vector<FileBlocks> holes_in(std::span<const Extent> extents, FileBlocks range) {
  std::vector<FileBlocks> holes;
  std::uint64_t at = range.first;
  for (const Extent& extent : extents) {
    if (!overlaps(extent, range)) continue;
    if (extent.file_block > at) holes.push_back({at, extent.file_block});
    at = extent.end();
  }
  if (at < range.end) holes.push_back({at, range.end});
  return holes;
}

std::vector<Extent> clip_extents(std::span<const Extent> extents, FileBlocks range) {
  std::vector<Extent> clipped;
  for (const Extent& extent : extents) {
    if (!overlaps(extent, range)) continue;
    clipped.push_back(
        extent.part(std::max(extent.file_block, range.first), std::min(extent.end(), range.end)));
  }
  return clipped;
}

Result<ExtentEdit> ExtentEdit::load(const TreeView& view, VolumeId volume, InodeNumber inode,
                                    FileBlocks range) {
  const FileBlocks around{range.first == 0 ? 0 : range.first - 1,
                          std::min(range.end + 1, kFileBlockLimit)};
  COWFS_ASSIGN(auto extents, find_extents(view, volume, inode, around, kExtentsPerStep + 3));
  COWFS_CHECK(extents.size() < kExtentsPerStep + 3);
  return ExtentEdit(volume, inode, std::move(extents));
}

std::vector<Extent> ExtentEdit::cut(std::span<const FileBlocks> ranges) {
  std::vector<Extent> removed;
  std::vector<Extent> kept;
  auto range = ranges.begin();
  for (const Extent& extent : after_) {
    while (range != ranges.end() && range->end <= extent.file_block) ++range;
    std::uint64_t at = extent.file_block;
    for (auto next = range; next != ranges.end() && next->first < extent.end(); ++next) {
      if (next->empty()) continue;
      const std::uint64_t from = std::max(next->first, at);
      const std::uint64_t to = std::min(next->end, extent.end());
      if (from > at) kept.push_back(extent.part(at, from));
      removed.push_back(extent.part(from, to));
      at = to;
    }
    if (at < extent.end()) kept.push_back(extent.part(at, extent.end()));
  }
  after_ = std::move(kept);
  return removed;
}

void ExtentEdit::insert(std::span<const Extent> extents) {
  const auto old_end = static_cast<std::ptrdiff_t>(after_.size());
  after_.insert(after_.end(), extents.begin(), extents.end());
  std::ranges::inplace_merge(after_, after_.begin() + old_end, {}, &Extent::file_block);
}

void ExtentEdit::clear(std::span<const FileBlocks> ranges) {
  for (const Extent& extent : cut(ranges)) released_.push_back(extent.blocks);
}

void ExtentEdit::replace(std::span<const Extent> extents) {
  std::vector<FileBlocks> ranges;
  std::vector<Extent> parts;
  for (const Extent& extent : extents) {
    ranges.push_back({extent.file_block, extent.end()});
    for (std::uint64_t at = extent.file_block; at < extent.end(); at = parts.back().end()) {
      parts.push_back(
          extent.part(at, std::min(extent.end(), (at / kWindowBlocks + 1) * kWindowBlocks)));
    }
  }
  clear(ranges);
  insert(parts);
}

void ExtentEdit::mark_shared(std::span<const FileBlocks> ranges) {
  std::vector<Extent> shared = cut(ranges);
  for (Extent& extent : shared) extent.birth = kBirthShared;
  insert(shared);
}

void ExtentEdit::join(Generation shared_at) {
  std::vector<Extent> joined;
  for (const Extent& extent : after_) {
    Extent* last = joined.empty() ? nullptr : &joined.back();
    const bool alone = extent.birth > shared_at;
    if (last == nullptr || !continues(*last, extent) || (last->birth > shared_at) != alone) {
      joined.push_back(extent);
      continue;
    }
    last->blocks.count += extent.blocks.count;
    last->birth = alone ? std::min(last->birth, extent.birth) : kBirthShared;
  }
  after_ = std::move(joined);
}

std::uint64_t ExtentEdit::finish(Generation shared_at, Transaction& transaction) {
  join(shared_at);
  std::uint64_t change = 0;
  auto old = before_.begin();
  auto erase_below = [&](std::uint64_t file_block) {
    for (; old != before_.end() && old->file_block < file_block; ++old) {
      change -= old->blocks.count;
      transaction.erase(volume_, extent_key(inode_, old->file_block));
    }
  };
  for (const Extent& extent : after_) {
    erase_below(extent.file_block);
    change += extent.blocks.count;
    const bool replaces = old != before_.end() && old->file_block == extent.file_block;
    const bool same = replaces && *old == extent;
    if (replaces) change -= (old++)->blocks.count;
    if (!same)
      transaction.put(volume_, extent_key(inode_, extent.file_block), encode_extent(extent));
  }
  erase_below(kFileBlockLimit);
  for (const BlockRange& range : released_) transaction.release(range);
  before_ = after_;
  released_.clear();
  return change;
}

Result<bool> erase_some_data(UpdateView& view, VolumeId volume, InodeNumber inode,
                             Transaction& transaction) {
  const std::string extents = key_of(inode, KeyKind::kExtent).take();
  const std::string own_objects = key_of(inode, KeyKind::kOwnObject).take();
  bool sound = true;
  bool more = false;
  COWFS_TRY(view.scan(volume, extents, [&](std::string_view key, std::string_view value) {
    const bool is_extent = has_prefix(key, extents);
    if (!is_extent && !has_prefix(key, own_objects)) return false;
    more = transaction.nearly_full();
    if (more) return false;
    transaction.erase(volume, std::string(key));
    if (!is_extent) return true;
    const auto extent = decode_extent(key, value);
    sound = extent.has_value();
    if (sound) transaction.release(extent->blocks);
    return sound;
  }));
  if (!sound) return damaged(inode);
  return !more;
}

}  // namespace cowfs
