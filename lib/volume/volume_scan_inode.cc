// What must hold when all items of one inode were seen.
#include <sys/stat.h>

#include <algorithm>

#include "lib/volume/extent_map.h"
#include "lib/volume/orphans.h"
#include "lib/volume/volume.h"
#include "lib/volume/volume_scan.h"

namespace cowfs {
namespace {

constexpr mode_t kModeOfNewFiles = 0600;
constexpr mode_t kModeOfNewDirectories = 0700;

/// A key that may be cut short, as separators in inner nodes are, as the file block of an extent of
/// this inode.
std::uint64_t block_at(InodeNumber inode, std::string_view key, std::uint64_t beyond) {
  const std::string first = key_of(inode, KeyKind::kExtent).take();
  if (key <= first) return 0;
  if (!has_prefix(key, first)) return beyond;
  std::string rest(rest_of(key));
  rest.resize(sizeof(std::uint64_t), '\0');
  return std::min(ByteReader(rest).be<std::uint64_t>(), beyond);
}

}  // namespace

void VolumeScan::end_inode() {
  end_attribute();
  if (raw(now_.inode) == kOrphanKeyInode || raw(now_.inode) == kStoreKeyInode) return;
  if (!now_.record) return make_record_anew();
  orphans_met_.insert(now_.inode);
  if (now_.inode == kRootInode) root_ = now_.record;
  InodeRecord right = *now_.record;
  check_orphan();
  check_names();
  if (right.is_directory()) check_directory(right);
  else check_file(right);
  put_right(right);
}

// Its items are still there: it gets a record that suits them. Nothing but parent items: it is
// gone.
void VolumeScan::make_record_anew() {
  const bool is_directory = now_.names > 0 || now_.inode == kRootInode;
  const bool is_link = !now_.target_keys.empty() && now_.target_size <= kSymlinkLimit;
  const bool is_file = now_.blocks > 0;
  if (!is_directory && !is_link && !is_file) {
    std::vector<VolumeMend> mends;
    if (now_.damaged_record) mends.push_back(erase(inode_key(now_.inode)));
    for (const std::string& key : now_.stray_keys) mends.push_back(erase(key));
    Problem problem = problem_of("inode", Severity::kLoss, "the inode is lost");
    return report(CheckPhase::kItems, std::move(problem), std::move(mends));
  }
  InodeRecord record;
  record.mode = is_directory ? S_IFDIR | kModeOfNewDirectories
                : is_link    ? S_IFLNK | 0777
                             : S_IFREG | kModeOfNewFiles;
  if (root_) record.uid = root_->uid, record.gid = root_->gid;
  record.link_count =
      is_directory ? 2 + now_.subdirectories : std::max(now_.parents, std::uint32_t{1});
  record.size = is_directory ? now_.names_size
                : is_link    ? now_.target_size
                             : std::min(now_.next_block << kBlockShift, kFileSizeLimit);
  record.blocks = is_file ? now_.blocks : 0;
  record.access_time = record.modify_time = record.change_time = record.birth_time = now();
  report(CheckPhase::kItems,
         problem_of("inode", Severity::kLoss,
                    "owner, permissions and times are lost; its contents are kept"),
         {{inode_key(now_.inode), encode_inode(record), std::nullopt}});
  if (is_directory) {
    directories_.push_back({now_.inode, now_.first_parent.directory, now_.first_parent.cookie,
                            now_.inode == kRootInode});
  }
}

void VolumeScan::check_orphan() {
  const auto orphan = orphans_.find(now_.inode);
  const bool truncating = (now_.record->flags & kInodeTruncating) != 0;
  if (orphan == orphans_.end()) {
    if (!truncating) return;
    return report(
        CheckPhase::kItems,
        problem_of("orphan", Severity::kSafe, "an unfinished truncation is not noted"),
        {{orphan_key(now_.inode), encode_truncated_orphan(now_.record->size), std::nullopt}});
  }
  const bool truncated = orphan->second == OrphanState::kTruncated;
  const bool staged = orphan->second == OrphanState::kStaged;
  const char* why = truncated && !truncating         ? "a truncation is noted that is not under way"
                    : !truncated && now_.parents > 0 ? "it has a name and counts as an orphan"
                    : staged && !now_.record->is_directory()
                        ? "something that is no directory counts as a copy under way"
                    : !truncated && now_.inode == kRootInode ? "the root counts as an orphan"
                                                             : nullptr;
  if (why == nullptr) return;
  report(CheckPhase::kItems, problem_of("orphan", Severity::kSafe, why),
         {erase(orphan_key(now_.inode))});
  orphans_.erase(orphan);
}

// An inode has a name, is the root, or an orphan.
void VolumeScan::check_names() {
  const auto orphan = orphans_.find(now_.inode);
  const bool is_orphan = orphan != orphans_.end() && orphan->second != OrphanState::kTruncated;
  const bool is_directory = now_.record->is_directory();
  const bool is_root = now_.inode == kRootInode;
  if (now_.parents == 0 && !is_root && !is_orphan) nameless_.push_back(now_.inode);
  if (!is_directory) return;
  if (now_.parents > 1) look_at_links_ = true;
  directories_.push_back({now_.inode, now_.first_parent.directory, now_.first_parent.cookie,
                          is_root || is_orphan || now_.parents == 0});
}

void VolumeScan::check_directory(InodeRecord& right) {
  const auto orphan = orphans_.find(now_.inode);
  const bool unlinked = orphan != orphans_.end() && orphan->second == OrphanState::kUnlinked;
  right.link_count = unlinked && now_.names == 0 ? 0 : 2 + now_.subdirectories;
  right.size = now_.names_size;
  right.blocks = 0;
  if (unlinked && now_.names > 0) {
    report(
        CheckPhase::kItems,
        problem_of("orphan", Severity::kSafe, "a directory that is not empty counts as an orphan"),
        {erase(orphan_key(now_.inode))});
  }
}

void VolumeScan::check_file(InodeRecord& right) {
  right.link_count = now_.parents;
  const auto orphan = orphans_.find(now_.inode);
  const bool is_orphan = orphan != orphans_.end() && orphan->second != OrphanState::kTruncated;
  // It gets a name in lost+found.
  if (now_.parents == 0 && !is_orphan) right.link_count = 1;
  right.blocks = now_.blocks;
  if (now_.record->is_symlink()) check_symlink();
}

void VolumeScan::check_symlink() {
  if (now_.target_size == now_.record->size && now_.target_size > 0) return;
  std::vector<VolumeMend> mends{erase(inode_key(now_.inode))};
  for (const std::string& key : now_.target_keys) mends.push_back(erase(key));
  report(CheckPhase::kItems,
         problem_of("symlink", Severity::kLoss, "the target of the symbolic link is lost"),
         std::move(mends));
}

void VolumeScan::put_right(const InodeRecord& found) {
  InodeRecord right = found;
  right.flags &= ~kInodeHasCapability;
  if (now_.has_capability) right.flags |= kInodeHasCapability;
  const InodeRecord& kept = *now_.record;
  if (right == kept) return;
  std::string text;
  Severity severity = Severity::kSafe;
  std::string_view code = "inode";
  const auto add = [&](std::string_view what, std::uint64_t was, std::uint64_t is) {
    if (was == is) return;
    if (!text.empty()) text += "; ";
    text += std::string(what) + ": kept " + std::to_string(was) + ", counted " + std::to_string(is);
  };
  add("link count", kept.link_count, right.link_count);
  if (!text.empty()) code = "link-count";
  add("size", kept.size, right.size);
  add("blocks", kept.blocks, right.blocks);
  add("flags", kept.flags, right.flags);
  if (right.blocks < kept.blocks && kept.is_regular()) {
    severity = Severity::kLoss;
    code = "data-lost";
    text = std::to_string(kept.blocks - right.blocks) + " blocks of its data are lost" +
           what_is_lost() + "; " + text;
  }
  report(CheckPhase::kCounts, problem_of(code, severity, std::move(text)),
         {{inode_key(now_.inode), encode_inode(right), std::nullopt}});
}

std::string VolumeScan::what_is_lost() const {
  std::string text;
  const std::uint64_t end = blocks_for(now_.record->size);
  const auto add = [&](const LostNode& lost) {
    const std::uint64_t from = block_at(now_.inode, lost.from, end);
    const std::uint64_t to = lost.to ? block_at(now_.inode, *lost.to, end) : end;
    if (from >= to) return;
    text += (text.empty() ? ", of offsets " : ", ") + std::to_string(from << kBlockShift) + " to " +
            std::to_string(to << kBlockShift);
  };
  std::ranges::for_each(now_.lost, add);
  std::ranges::for_each(facts_.lost, add);
  return text;
}

}  // namespace cowfs
