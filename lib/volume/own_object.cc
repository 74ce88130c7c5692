#include "lib/volume/own_object.h"

#include <algorithm>

#include "lib/volume/extent_data.h"
#include "lib/volume/new_blocks.h"

namespace cowfs {
namespace {

constexpr std::uint64_t kCopyStepBlocks = 256;

FileBlocks blocks_of_window(std::uint32_t window) {
  const std::uint64_t first = std::uint64_t{window} * kWindowBlocks;
  return {first, first + kWindowBlocks};
}

std::string encode_own_object(const OwnObject& own) {
  return ByteWriter().le(raw(own.object)).le(raw(own.birth)).take();
}

/// What the window holds, if it may be moved to an own object and `new_blocks` more make one due.
/// Notes where it never will be.
Result<std::optional<std::vector<Extent>>> extents_to_move(FileChange& change, std::uint32_t window,
                                                           std::uint64_t new_blocks) {
  const ReadView view(change.store());
  COWFS_ASSIGN(auto extents,
               find_extents(view, change.volume.id(), change.inode, blocks_of_window(window)));
  std::uint64_t count = 0;
  bool alone = extents.size() < kExtentsPerStep;
  for (const Extent& extent : extents) {
    count += extent.blocks.count;
    alone = alone && change.is_alone(extent);
  }
  if (alone && count + new_blocks <= kOwnObjectAbove) return std::nullopt;
  if (!alone || count > kOwnObjectCopyLimit) {
    change.open.windows_without_own_object.push_back(window);
    return std::nullopt;
  }
  return extents;
}

/// Copies the blocks of `from` to where `to` (sorted, covering the same file blocks) says.
Result<void> copy_blocks(Store& store, std::span<const Extent> from, std::span<const Extent> to) {
  std::vector<std::byte> buffer;
  for (const Extent& extent : from) {
    for (std::uint64_t block = extent.file_block; block < extent.end(); block += kCopyStepBlocks) {
      buffer.resize(std::min(kCopyStepBlocks, extent.end() - block) * kBlockSize);
      COWFS_TRY(read_extents(store, {&extent, 1}, block << kBlockShift, buffer));
      COWFS_TRY(write_extents(store, to, block, buffer));
    }
  }
  return {};
}

/// Makes an own object and moves `extents`, all that the window holds, to it.
Result<ObjectNumber> move_to_own_object(FileChange& change, std::uint32_t window,
                                        std::span<const Extent> extents) {
  Store& store = change.store();
  COWFS_ASSIGN(const ObjectNumber object,
               store.create_own_object(change.volume.id(), change.inode, window));
  NewBlocks blocks(store);
  std::vector<FileBlocks> runs;
  for (const Extent& extent : extents) runs.push_back({extent.file_block, extent.end()});
  COWFS_TRY(blocks.take_in_own(runs, object));
  COWFS_TRY(copy_blocks(store, extents, blocks.extents()));
  COWFS_ASSIGN(ExtentEdit edit, [&] {
    return ExtentEdit::load(ReadView(store), change.volume.id(), change.inode,
                            blocks_of_window(window));
  }());
  edit.replace(blocks.extents());
  Transaction transaction(change.context);
  transaction.put(change.volume.id(), own_object_key(change.inode, window),
                  encode_own_object({object, store.birth_generation()}));
  COWFS_TRY(commit_change(change, edit, std::move(transaction), keep_record));
  blocks.keep_all();
  return object;
}

}  // namespace

std::string own_object_key(InodeNumber inode, std::uint32_t window) {
  return key_of(inode, KeyKind::kOwnObject).be(window).take();
}

Result<std::optional<OwnObject>> find_own_object(const TreeView& view, VolumeId volume,
                                                 InodeNumber inode, std::uint32_t window) {
  COWFS_ASSIGN(const auto value, view.get(volume, own_object_key(inode, window)));
  if (!value) return std::nullopt;
  ByteReader reader(*value);
  OwnObject own;
  own.object = ObjectNumber{reader.le<std::uint64_t>()};
  own.birth = Generation{reader.le<std::uint64_t>()};
  if (!reader.done() || own.object == kNoObject) {
    return fail(ErrorCode::kCorrupted,
                "an own object's item of inode " + std::to_string(raw(inode)) + " is damaged");
  }
  return own;
}

Result<std::optional<ObjectNumber>> usable_own_object(FileChange& change, std::uint32_t window,
                                                      std::uint64_t new_blocks) {
  COWFS_ASSIGN(const auto own, [&] {
    return find_own_object(ReadView(change.store()), change.volume.id(), change.inode, window);
  }());
  if (own) return own->birth > change.shared_at ? std::optional(own->object) : std::nullopt;
  if (change.record.blocks + new_blocks <= kOwnObjectAbove) return std::nullopt;
  const std::vector<std::uint32_t>& refused = change.open.windows_without_own_object;
  if (std::ranges::find(refused, window) != refused.end()) return std::nullopt;
  COWFS_ASSIGN(const auto extents, extents_to_move(change, window, new_blocks));
  if (!extents) return std::nullopt;
  auto object = move_to_own_object(change, window, *extents);
  if (object) return *object;
  change.open.windows_without_own_object.push_back(window);
  return std::nullopt;
}

Result<std::vector<ObjectNumber>> forget_shared_own_objects(const TreeView& view, VolumeId volume,
                                                            InodeNumber inode,
                                                            std::span<const Extent> shared,
                                                            Transaction& transaction) {
  std::vector<ObjectNumber> objects;
  std::optional<std::uint32_t> looked_at;
  std::optional<OwnObject> own;
  for (const Extent& extent : shared) {
    const std::uint32_t window = window_of(extent.file_block);
    if (looked_at != window) {
      COWFS_ASSIGN(own, find_own_object(view, volume, inode, window));
      looked_at = window;
    }
    if (!own || own->object != extent.blocks.object) continue;
    transaction.erase(volume, own_object_key(inode, window));
    objects.push_back(own->object);
    own.reset();
  }
  return objects;
}

Result<std::vector<std::uint32_t>> windows_with_own_object(const TreeView& view, VolumeId volume,
                                                           InodeNumber inode, std::uint32_t first,
                                                           std::size_t limit) {
  std::vector<std::uint32_t> windows;
  const std::string prefix = key_of(inode, KeyKind::kOwnObject).take();
  COWFS_TRY(
      view.scan(volume, own_object_key(inode, first), [&](std::string_view key, std::string_view) {
        if (!has_prefix(key, prefix) || windows.size() == limit) return false;
        ByteReader reader(rest_of(key));
        windows.push_back(reader.be<std::uint32_t>());
        return true;
      }));
  return windows;
}

}  // namespace cowfs
