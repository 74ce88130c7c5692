#include "lib/volume/volume_scan.h"

#include <sys/stat.h>
#include <algorithm>

#include "lib/base/xxh3.h"
#include "lib/store/key_text.h"
#include "lib/volume/extent_map.h"
#include "lib/volume/orphans.h"
#include "lib/volume/volume.h"
#include "lib/volume/volume_links.h"

namespace cowfs {

std::uint64_t link_hash(InodeNumber child, InodeNumber directory, std::uint64_t cookie,
                        std::string_view name, mode_t type) {
  const std::uint64_t fields[] = {raw(child), raw(directory), cookie, type,
                                  XXH3_64bits(name.data(), name.size())};
  return XXH3_64bits(fields, sizeof fields);
}

Result<VolumeFindings> check_volume(VolumeItems& items, const VolumeFacts& facts,
                                    std::optional<CheckPhase> phase) {
  return VolumeScan(items, facts, phase).run();
}

Result<VolumeFindings> VolumeScan::run() {
  COWFS_TRY(items_.scan([this](std::string_view key, std::string_view value) { add(key, value); },
                        [this](const LostNode& lost) { add_lost(lost); }));
  begin_inode(InodeNumber{~std::uint64_t{0}});
  check_root();
  check_orphans();
  if ((look_at_links_ || names_sum_ != parents_sum_) && wants(CheckPhase::kLinks))
    COWFS_TRY(check_links(items_, facts_, findings_));
  check_nameless();
  if (wants(CheckPhase::kNames)) check_reachability();
  return std::move(findings_);
}

void VolumeScan::report(CheckPhase phase, Problem problem, std::vector<VolumeMend> mends) {
  if (!wants(phase)) return;
  problem.volume = facts_.name;
  findings_.problems.add(std::move(problem));
  if (!phase_) return;
  for (VolumeMend& mend : mends) findings_.mends.push_back(std::move(mend));
}

Problem VolumeScan::problem_of(std::string_view code, Severity severity, std::string text) {
  Problem problem{code, severity, std::move(text)};
  problem.inode = raw(now_.inode);
  const bool told = findings_.problems.kept().size() < ProblemList::kKept;
  if (told) problem.path = path_in(items_, now_.inode);
  return problem;
}

void VolumeScan::add_lost(const LostNode& lost) {
  Problem problem{"node-lost", Severity::kLoss,
                  "what a damaged node held is lost: " + describe_range(lost.from, lost.to)};
  report(CheckPhase::kItems, std::move(problem));
  now_.lost.push_back(lost);
  last_lost_ = lost;
}

void VolumeScan::begin_inode(InodeNumber inode) {
  if (now_.inode == inode) return;
  if (now_.inode != InodeNumber{} || now_.record) end_inode();
  now_ = {};
  now_.inode = inode;
  // What is lost can reach from one inode into the next.
  const bool reaches = last_lost_ && (!last_lost_->to || *last_lost_->to > inode_key(inode));
  if (reaches) now_.lost.push_back(*last_lost_);
  else last_lost_.reset();
}

void VolumeScan::add(std::string_view key, std::string_view value) {
  const InodeNumber inode{ByteReader(key).be<std::uint64_t>()};
  begin_inode(inode);
  const bool possible = key.size() >= kKeyPrefixSize && raw(inode) < kInodeLimit &&
                        (inode == kRootInode || raw(inode) >= raw(kFirstFreeInode) ||
                         (raw(inode) == kOrphanKeyInode && kind_of(key) == KeyKind::kOrphan));
  if (!possible) {
    return report(
        CheckPhase::kItems,
        {"item", Severity::kSafe, "an item of an inode that cannot exist: " + describe_key(key)},
        {erase(key)});
  }
  if (kind_of(key) != KeyKind::kAttribute) end_attribute();
  const bool stray =
      !now_.record && kind_of(key) >= KeyKind::kParent && kind_of(key) != KeyKind::kExtent;
  if (stray && kind_of(key) < KeyKind::kOrphan) now_.stray_keys.emplace_back(key);
  switch (kind_of(key)) {
    case KeyKind::kOrphan: return add_orphan(key, value);
    case KeyKind::kInode: return add_record(key, value);
    case KeyKind::kName: return add_name(key, value);
    case KeyKind::kParent: return add_parent(key, value);
    case KeyKind::kAttribute: return add_attribute(key, value);
    case KeyKind::kSymlink: return add_target(key, value);
    case KeyKind::kExtent: return add_extent(key, value);
    case KeyKind::kOwnObject: return add_own_object(key, value);
    default: break;
  }
  report(CheckPhase::kItems, {"item-unknown", Severity::kNote,
                              "an item of a kind that is not known: " + describe_key(key)});
}

void VolumeScan::add_orphan(std::string_view key, std::string_view value) {
  ByteReader rest(rest_of(key));
  const InodeNumber inode{rest.be<std::uint64_t>()};
  const auto state = decode_orphan(value);
  const bool sound = raw(now_.inode) == kOrphanKeyInode && rest.done() &&
                     raw(inode) >= raw(kFirstFreeInode) && raw(inode) < kInodeLimit && state;
  if (sound) orphans_[inode] = *state;
  else
    report(CheckPhase::kItems, {"orphan", Severity::kSafe, "the item of an orphan makes no sense"},
           {erase(key)});
}

void VolumeScan::add_record(std::string_view key, std::string_view value) {
  constexpr std::uint64_t kTellEvery = 4096;
  if (++findings_.inodes % kTellEvery == 0 && facts_.on_inodes) facts_.on_inodes(findings_.inodes);
  auto record = decode_inode(value);
  now_.damaged_record = !record || !rest_of(key).empty();
  if (!now_.damaged_record) now_.record = *record;
}

void VolumeScan::add_name(std::string_view key, std::string_view value) {
  const auto item = decode_name(key, value);
  if (!item)
    return report(CheckPhase::kItems,
                  problem_of("name", Severity::kSafe, "an entry of the directory makes no sense"),
                  {erase(key)});
  const std::uint64_t hash = item->cookie - item->cookie % kNamesOfOneHash;
  if (hash != now_.hash) now_.same_hash.clear();
  now_.hash = hash;
  const bool twice = std::ranges::find(now_.same_hash, item->name) != now_.same_hash.end();
  const bool misplaced = hash != first_cookie(facts_.name_seed, item->name);
  if (twice || misplaced || !may_be(&InodeRecord::is_directory)) {
    const char* why = twice       ? "the directory has a name twice"
                      : misplaced ? "an entry of the directory lies where its name cannot be found"
                                  : "there are entries below something that is no directory";
    Problem problem = problem_of("name", Severity::kSafe, std::string(why) + ": " + item->name);
    return report(CheckPhase::kItems, std::move(problem), {erase(key)});
  }
  now_.same_hash.push_back(item->name);
  ++now_.names;
  now_.names_size += entry_size(item->name);
  if (S_ISDIR(item->type)) ++now_.subdirectories;
  names_sum_ += link_hash(item->child, now_.inode, item->cookie, item->name, item->type);
}

void VolumeScan::add_parent(std::string_view key, std::string_view value) {
  ByteReader rest(rest_of(key));
  const InodeNumber directory{rest.be<std::uint64_t>()};
  const auto cookie = rest.be<std::uint64_t>();
  if (!rest.done() || !check_new_name(value) || now_.inode == kRootInode) {
    return report(
        CheckPhase::kItems,
        problem_of("parent", Severity::kSafe, "what says where its name is makes no sense"),
        {erase(key)});
  }
  if (now_.parents++ == 0) now_.first_parent = {directory, cookie, std::string(value)};
  // Without a record there is no type, and the sums will differ.
  const mode_t type = now_.record ? now_.record->type() : 0;
  parents_sum_ += link_hash(now_.inode, directory, cookie, value, type);
}

void VolumeScan::add_attribute(std::string_view key, std::string_view value) {
  const std::string_view rest = rest_of(key);
  const std::size_t end = rest.find('\0');
  const bool named = end != 0 && end != rest.npos && end <= kAttributeNameLimit &&
                     rest.size() == end + 1 + sizeof(std::uint16_t);
  const std::string_view name = named ? rest.substr(0, end) : rest;
  if (name != now_.attribute || now_.attribute_keys.empty()) {
    end_attribute();
    now_.attribute = name;
  }
  const auto chunk =
      named ? ByteReader(rest.substr(end + 1)).be<std::uint16_t>() : std::uint16_t{0};
  const std::size_t before = now_.attribute_keys.size();
  const bool follows = named && chunk == before && now_.attribute_size == before * kMaxValueSize;
  now_.attribute_damaged = now_.attribute_damaged || !follows;
  now_.attribute_size += value.size();
  now_.attribute_keys.emplace_back(key);
}

void VolumeScan::end_attribute() {
  if (now_.attribute_keys.empty()) return;
  if (now_.attribute_damaged || now_.attribute_size > kAttributeValueLimit) {
    std::vector<VolumeMend> mends;
    mends.reserve(now_.attribute_keys.size());
    for (const std::string& key : now_.attribute_keys) mends.push_back(erase(key));
    report(CheckPhase::kItems,
           problem_of("attribute", Severity::kLoss,
                      "an extended attribute is damaged: " + now_.attribute),
           std::move(mends));
  } else if (now_.attribute == "security.capability") {
    now_.has_capability = true;
  }
  now_.attribute_keys.clear();
  now_.attribute_size = 0;
  now_.attribute_damaged = false;
}

void VolumeScan::add_target(std::string_view key, std::string_view value) {
  ByteReader rest(rest_of(key));
  const auto chunk = rest.be<std::uint16_t>();
  const std::size_t before = now_.target_keys.size();
  const bool follows = rest.done() && chunk == before && now_.target_size == before * kMaxValueSize;
  now_.target_keys.emplace_back(key);
  // A gap makes the length wrong for good.
  now_.target_size = follows ? now_.target_size + value.size() : kSymlinkLimit + 1;
}

void VolumeScan::add_extent(std::string_view key, std::string_view value) {
  const auto extent = decode_extent(key, value);
  if (!extent)
    return report(
        CheckPhase::kItems,
        problem_of("extent", Severity::kLoss, "where some of its data lies makes no sense"),
        {erase(key)});
  const std::uint64_t size = now_.record ? blocks_for(now_.record->size) : kFileBlockLimit;
  const bool past_end = extent->file_block >= size;
  const bool crosses = extent->file_block / kWindowBlocks != (extent->end() - 1) / kWindowBlocks;
  const char* why =
      !may_be(&InodeRecord::is_regular)      ? "something that is no file has data"
      : extent->file_block < now_.next_block ? "two pieces of data lie in one place of the file"
      : crosses || extent->end() > kFileBlockLimit ? "where some of its data lies makes no sense"
      : !facts_.is_there(extent->blocks)           ? "data is missing from the store"
                                                   : nullptr;
  const bool truncating = now_.record && (now_.record->flags & kInodeTruncating) != 0;
  if (why == nullptr && past_end && !truncating) why = "there is data past the end";
  if (why != nullptr) {
    const Severity severity = past_end ? Severity::kSafe : Severity::kLoss;
    const std::string where = ": " + std::to_string(extent->blocks.count * kBlockSize) +
                              " bytes from offset " +
                              std::to_string(extent->file_block << kBlockShift);
    return report(CheckPhase::kItems, problem_of("extent", severity, why + where),
                  {erase(key, extent->blocks)});
  }
  if (extent->birth > facts_.shared_at && facts_.is_shared(extent->blocks)) {
    Extent mended = *extent;
    mended.birth = kBirthShared;
    report(CheckPhase::kItems,
           problem_of("extent", Severity::kSafe, "data counts as this file's alone and is not"),
           {{std::string(key), encode_extent(mended), std::nullopt}});
  }
  now_.next_block = extent->end();
  now_.blocks += extent->blocks.count;
  now_.extents_past_end = now_.extents_past_end || past_end;
}

void VolumeScan::add_own_object(std::string_view key, std::string_view value) {
  ByteReader rest(rest_of(key));
  ByteReader reader(value);
  const auto window = rest.be<std::uint32_t>();
  const ObjectNumber object{reader.le<std::uint64_t>()};
  reader.le<std::uint64_t>();
  const bool sound = rest.done() && reader.done() && may_be(&InodeRecord::is_regular) &&
                     facts_.is_own_object(object, window);
  if (!sound)
    report(CheckPhase::kItems,
           problem_of("own-object", Severity::kSafe, "the object that it grows in makes no sense"),
           {erase(key)});
}

std::string path_in(VolumeItems& items, InodeNumber inode) {
  constexpr int kMaxDepth = 4096;
  std::string path;
  for (int depth = 0; inode != kRootInode && depth < kMaxDepth; ++depth) {
    const std::string prefix = key_of(inode, KeyKind::kParent).take();
    const auto item = items.first_from(prefix);
    ByteReader rest(item && has_prefix(item->key, prefix) ? rest_of(item->key)
                                                          : std::string_view{});
    const InodeNumber directory{rest.be<std::uint64_t>()};
    rest.be<std::uint64_t>();
    if (!rest.done()) return "#" + std::to_string(raw(inode)) + (path.empty() ? "" : "/" + path);
    if (!path.empty()) path.insert(0, 1, '/');
    path.insert(0, item->value);
    inode = directory;
  }
  return path.empty() ? "/" : path;
}

}  // namespace cowfs
