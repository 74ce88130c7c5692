#include "lib/volume/tree_clone_step.h"

#include <sys/stat.h>

#include <algorithm>
#include <numeric>

#include "lib/volume/attribute_item.h"
#include "lib/volume/directory_walk.h"
#include "lib/volume/extent_map.h"
#include "lib/volume/name_item.h"
#include "lib/volume/own_object.h"

namespace cowfs {
namespace {

/// Of extended attributes of one inode: a transaction has to hold them.
constexpr std::size_t kItemBytesLimit = kMaxTransactionBytes / 4;

bool is_copied(std::string_view item_key, const TreeClonePolicy& policy) {
  if (!is_attribute_item(item_key)) return true;
  return is_acl_attribute(attribute_name(item_key)) ? policy.mode : policy.attributes;
}

}  // namespace

bool is_attribute_item(std::string_view item_key) {
  return static_cast<KeyKind>(item_key.front()) == KeyKind::kAttribute;
}

std::string_view attribute_name(std::string_view item_key) {
  const std::string_view rest = item_key.substr(1);
  return rest.substr(0, rest.find('\0'));
}

Result<std::optional<TreeClone::Source>> TreeClone::Source::load(const TreeView& view,
                                                                 VolumeId volume, InodeNumber inode,
                                                                 const TreeClonePolicy& policy,
                                                                 Finger* finger) {
  const std::string prefix = ByteWriter().be(raw(inode)).take();
  std::optional<Source> source;
  Result<void> sound;
  std::size_t item_bytes = 0;
  bool past_names = false;
  const auto take = [&](std::string_view key, std::string_view value) {
    if (!has_prefix(key, prefix)) return false;
    const KeyKind kind = kind_of(key);
    if (kind == KeyKind::kInode) {
      auto record = decode_inode(value);
      if (!record) return sound = fail(std::move(record).error()), false;
      source.emplace().record = *record;
    } else if (!source || (source->record.is_directory() && !past_names)) {
      return false;
    } else if (kind == KeyKind::kSymlink || kind == KeyKind::kAttribute) {
      const std::string_view item = key.substr(prefix.size());
      const bool is_list = is_attribute_item(item) && attribute_name(item) == kAccessAclAttribute;
      if (is_list && source->access_list.size() < kAttributeValueLimit)
        source->access_list += value;
      if (!is_copied(item, policy)) return true;
      item_bytes += value.size();
      if (item_bytes > kItemBytesLimit) return sound = fail(ErrorCode::kNotSupported), false;
      source->items.emplace_back(item, value);
    } else if (kind == KeyKind::kExtent) {
      const auto extent = decode_extent(key, value);
      if (!extent) return sound = fail(ErrorCode::kCorrupted, "an extent is damaged"), false;
      source->is_large = source->extents.size() == kExtentsPerFile;
      if (source->is_large) return false;
      source->extents.push_back(*extent);
    } else if (kind == KeyKind::kOwnObject) {
      source->has_own_objects = true;
    }
    return true;
  };
  COWFS_TRY(view.scan(volume, inode_key(inode), take, finger));
  // A directory's names lie between its record and its attributes.
  past_names = true;
  if (source && source->record.is_directory()) {
    COWFS_TRY(view.scan(volume, key_of(inode, KeyKind::kAttribute).take(), take));
  }
  if (!sound) return fail(std::move(sound).error());
  return source;
}

Result<std::vector<std::optional<TreeClone::Source>>> TreeClone::Source::load_all(
    const TreeView& view, VolumeId volume, const std::vector<NameItem>& names,
    const TreeClonePolicy& policy) {
  std::vector<std::size_t> order(names.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::sort(order, {}, [&](std::size_t i) { return names[i].child; });
  std::vector<std::optional<Source>> sources(names.size());
  Finger finger;
  for (const std::size_t i : order) {
    COWFS_ASSIGN(sources[i], load(view, volume, names[i].child, policy, &finger));
  }
  return sources;
}

TreeClone::Step::Step(TreeClone& clone, Frame& frame, UpdateView& view, Timestamp time)
    : clone_(clone),
      frame_(frame),
      view_(view),
      time_(time),
      transaction_(clone.context_),
      record_(frame.record),
      cookie_(frame.cookie) {}

Result<bool> TreeClone::Step::add(const NameItem& name, std::optional<Source> source) {
  if (transaction_.nearly_full()) return false;
  const VolumeId from = clone_.ends_.from->id();
  const VolumeId to = clone_.ends_.to->id();
  if (shared_at_ == Generation{}) {
    COWFS_ASSIGN(shared_at_, view_.shared_at(from));
  }
  // The name went since it was read, and its inode with it.
  if (!source || source->record.link_count == 0 || source->record.type() != name.type) {
    cookie_ = name.cookie;
    return true;
  }
  COWFS_TRY(clone_.check_source(*source));
  const bool linked =
      clone_.policy_.links && !source->record.is_directory() && source->record.link_count > 1;
  if (linked) {
    const auto known = clone_.links_.find(name.child);
    const auto fresh = links_.find(name.child);
    if (known != clone_.links_.end() || fresh != links_.end()) {
      COWFS_TRY(add_link(name, known != clone_.links_.end() ? known->second : fresh->second));
      cookie_ = name.cookie;
      return true;
    }
  }
  COWFS_ASSIGN(const InodeNumber target, clone_.ends_.to->store().allocate_inode());
  InodeRecord record = clone_.new_record(source->record, time_);
  for (const auto& [key, value] : source->items) {
    COWFS_TRY(clone_.check_item(key));
    if (is_attribute_item(key) && attribute_name(key) == kCapabilityAttribute)
      record.flags |= kInodeHasCapability;
    transaction_.put(to, ByteWriter().be(raw(target)).bytes(key).take(), value);
  }
  if (source->is_large) {
    large_.push_back({name.child, target, record});
    record.size = 0;
  } else if (record.is_regular()) {
    COWFS_TRY(share_extents(name.child, target, *source, record));
    files_.push_back(record);
  }
  put_inode(transaction_, to, target, record);
  COWFS_TRY(add_name(name, target, record.type()));
  if (record.is_directory()) directories_.push_back({name.child, target, record, 0, false});
  if (linked) links_[name.child] = target;
  ++inodes_;
  cookie_ = name.cookie;
  return true;
}

/// The same cookie as in the source: it comes from the name, and the order of names of one hash is
/// kept.
Result<void> TreeClone::Step::add_name(const NameItem& name, InodeNumber target, mode_t type) {
  put_name(transaction_, clone_.ends_.to->id(), frame_.target,
           {name.cookie, target, type, name.name});
  record_.size += entry_size(name.name);
  if (S_ISDIR(type)) ++record_.link_count;
  return {};
}

/// One more name of a copy that is there.
Result<void> TreeClone::Step::add_link(const NameItem& name, InodeNumber target) {
  const VolumeId to = clone_.ends_.to->id();
  // A copy made by this very step is not in the tree yet: its record is the last that was put for
  // it.
  std::optional<InodeRecord> record;
  for (const auto& change : transaction_.changes()) {
    if (change.key == inode_key(target) && change.value) {
      COWFS_ASSIGN(record, decode_inode(*change.value));
    }
  }
  if (!record) {
    COWFS_ASSIGN(record, load_inode(view_, to, target));
  }
  if (record->link_count >= kLinkLimit) return fail(ErrorCode::kTooManyLinks);
  ++record->link_count;
  put_inode(transaction_, to, target, *record);
  return add_name(name, target, record->type());
}

Result<void> TreeClone::Step::share_extents(InodeNumber source, InodeNumber target, Source& what,
                                            InodeRecord& record) {
  // what was reserved past the end is not copied
  const std::uint64_t end = blocks_for(record.size);
  std::erase_if(what.extents, [&](const Extent& extent) { return extent.file_block >= end; });
  if (what.extents.empty()) return {};
  COWFS_TRY(mark_shared(source, what, end));
  std::vector<Extent> shared = clip_extents(what.extents, {0, end});
  for (Extent& extent : shared) {
    extent.birth = kBirthShared;
    transaction_.retain(extent.blocks);
  }
  ExtentEdit edit(clone_.ends_.to->id(), target);
  edit.replace(shared);
  record.blocks = edit.finish(shared_at_, transaction_);
  return {};
}

/// The source's extents are shared from now on; its own objects take no more blocks.
Result<void> TreeClone::Step::mark_shared(InodeNumber source, const Source& what,
                                          std::uint64_t end) {
  if (clone_.source_read_only_) return {};
  const VolumeId from = clone_.ends_.from->id();
  std::vector<FileBlocks> alone;
  for (const Extent& extent : what.extents) {
    if (extent.birth > shared_at_)
      alone.push_back({extent.file_block, std::min(extent.end(), end)});
  }
  if (!alone.empty() && what.extents.size() == 1 && what.extents[0].end() <= end) {
    Extent extent = what.extents[0];
    extent.birth = kBirthShared;
    transaction_.put(from, extent_key(source, extent.file_block), encode_extent(extent));
  } else if (!alone.empty()) {
    COWFS_ASSIGN(ExtentEdit edit, ExtentEdit::load(view_, from, source, {0, end}));
    edit.mark_shared(alone);
    const std::uint64_t change = edit.finish(shared_at_, transaction_);
    if (change != 0) return fail(ErrorCode::kCorrupted, "extents of a copied file are damaged");
  }
  if (!what.has_own_objects) return {};
  COWFS_ASSIGN(const auto frozen,
               forget_shared_own_objects(view_, from, source, what.extents, transaction_));
  frozen_.insert(frozen_.end(), frozen.begin(), frozen.end());
  return {};
}

Result<void> TreeClone::Step::commit() {
  COWFS_TRY(view_.commit(transaction_));
  for (const ObjectNumber object : frozen_) clone_.ends_.from->store().freeze_own_object(object);
  frame_.record = record_;
  frame_.cookie = cookie_;
  clone_.links_.insert(links_.begin(), links_.end());
  clone_.large_.insert(clone_.large_.end(), large_.begin(), large_.end());
  clone_.counts_.inodes += inodes_;
  clone_.counts_.directories += directories_.size();
  for (const InodeRecord& record : files_) clone_.count_file(record);
  // The last: frame_ lies in this vector.
  clone_.frames_.insert(clone_.frames_.end(), directories_.begin(), directories_.end());
  return {};
}

}  // namespace cowfs
