// The scan behind check_volume(): item by item, and what is known of the inode under way. Private
// to the check.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "lib/volume/file_data.h"
#include "lib/volume/inode_record.h"
#include "lib/volume/name_item.h"
#include "lib/volume/volume_check.h"

namespace cowfs {

/// What the items of one inode add up to.
struct InodeSummary {
  InodeNumber inode{};
  std::optional<InodeRecord> record;
  bool damaged_record = false;
  std::vector<std::string> stray_keys;  // of items but names and extents, where there is no record
  // As a directory.
  std::uint64_t names = 0;
  std::uint64_t names_size = 0;
  std::uint32_t subdirectories = 0;
  std::vector<std::string> same_hash;  // names that begin with the hash of the last one
  std::uint64_t hash = 0;
  // Its own names.
  std::uint32_t parents = 0;
  ParentItem first_parent;
  // Attributes.
  std::string attribute;
  std::vector<std::string> attribute_keys;  // of the attribute under way
  std::uint64_t attribute_size = 0;
  bool attribute_damaged = false;
  bool has_capability = false;
  // Link target.
  std::vector<std::string> target_keys;
  std::uint64_t target_size = 0;
  // Data.
  std::uint64_t blocks = 0;
  std::uint64_t next_block = 0;  // the end of the last extent
  bool extents_past_end = false;
  // Keys between which something is lost, if any of it is this inode's.
  std::vector<LostNode> lost;
};

class VolumeScan {
 public:
  VolumeScan(VolumeItems& items, const VolumeFacts& facts, std::optional<CheckPhase> phase)
      : items_(items), facts_(facts), phase_(phase) {}

  Result<VolumeFindings> run();

 private:
  struct Directory {
    InodeNumber inode{};
    InodeNumber parent{};
    std::uint64_t cookie = 0;
    bool is_top =
        false;  // the root, an orphan, the root of a copy under way: not reached from above
  };

  void add(std::string_view key, std::string_view value);
  void add_lost(const LostNode& lost);
  void begin_inode(InodeNumber inode);
  void add_orphan(std::string_view key, std::string_view value);
  void add_record(std::string_view key, std::string_view value);
  void add_name(std::string_view key, std::string_view value);
  void add_parent(std::string_view key, std::string_view value);
  void add_attribute(std::string_view key, std::string_view value);
  void end_attribute();
  void add_target(std::string_view key, std::string_view value);
  void add_extent(std::string_view key, std::string_view value);
  void add_own_object(std::string_view key, std::string_view value);

  // When all of an inode was seen (volume_scan_inode.cc).
  void end_inode();
  void make_record_anew();
  void check_directory(InodeRecord& right);
  void check_names();
  void check_file(InodeRecord& right);
  void check_symlink();
  void check_orphan();
  void put_right(const InodeRecord& right);
  std::string what_is_lost() const;

  // When all inodes were seen (volume_scan_end.cc).
  void check_root();
  void check_orphans();
  void check_nameless();
  void check_reachability();
  bool leads_to_top(std::size_t start, std::vector<std::uint8_t>& state);

  bool wants(CheckPhase phase) const { return !phase_ || *phase_ == phase; }
  void report(CheckPhase phase, Problem problem, std::vector<VolumeMend> mends = {});
  Problem problem_of(std::string_view code, Severity severity, std::string text);
  VolumeMend erase(std::string_view key, std::optional<BlockRange> released = std::nullopt) const {
    return {std::string(key), std::nullopt, released};
  }
  /// Whether the mode allows it; an inode whose record is gone may have anything.
  bool may_be(bool (InodeRecord::*type)() const) const {
    return !now_.record || ((*now_.record).*type)();
  }

  VolumeItems& items_;
  const VolumeFacts& facts_;
  const std::optional<CheckPhase> phase_;
  VolumeFindings findings_;
  InodeSummary now_;
  std::optional<LostNode> last_lost_;
  std::map<InodeNumber, OrphanState> orphans_;
  std::set<InodeNumber> orphans_met_;
  std::vector<Directory> directories_;  // ascending
  std::optional<InodeRecord> root_;
  std::vector<InodeNumber> nameless_;
  bool look_at_links_ = false;
  std::uint64_t names_sum_ = 0;    // over the entries as directories tell them
  std::uint64_t parents_sum_ = 0;  // over the entries as inodes tell them
};

/// One entry as a number: the same from both sides.
std::uint64_t link_hash(InodeNumber child, InodeNumber directory, std::uint64_t cookie,
                        std::string_view name, mode_t type);

}  // namespace cowfs
