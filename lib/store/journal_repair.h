// Applies a journal to trees from which damages were taken out: names and values, not counts.
//
// Normal recovery (replay.h) keeps counts as it goes and takes a record that does not fit for
// damage. Here counts are made anew afterwards, so that a record can always be applied as far as
// what it names is still there.
#pragma once

#include <set>

#include "lib/journal/record.h"
#include "lib/store/block_checksums.h"
#include "lib/store/problem.h"
#include "lib/store/repair_space.h"
#include "lib/store/store_items.h"

namespace cowfs {

class JournalRepair {
 public:
  /// Volumes and objects are changed in `items`; the trees of volumes in `space`.
  JournalRepair(RepairSpace& space, StoreItems& items, bool data_checksums)
      : space_(space), items_(items) {
    if (data_checksums) checksums_.enable();
  }

  Result<void> apply(const JournalRecord& record);
  /// After all records: checksums of blocks in ranges that were declared as overwritten in place
  /// are computed anew, and all new ones put.
  Result<void> put_checksums(Storage& storage, const std::vector<std::string>& overwrites,
                             Tree& store_tree);

  const ProblemList& problems() const { return problems_; }
  const std::set<VolumeId>& changed_volumes() const { return changed_volumes_; }
  const std::set<ObjectNumber>& changed_objects() const { return changed_objects_; }
  /// Objects whose data the records refer to: it must be durable before the trees are.
  const std::set<ObjectNumber>& data() const { return data_; }
  std::uint64_t highest_inode() const { return highest_inode_; }

 private:
  Result<void> apply_transaction(const JournalRecord& record);
  void apply_volume(const JournalRecord& record);
  void apply_object(const JournalRecord& record);
  void fork(const VolumeRecord& parent_before, const struct LoggedVolume& entry);
  void take(const BlockRange& range);
  void senseless(const JournalRecord& record);
  Result<void> compute_anew(Storage& storage, const Tree& store_tree, const BlockRange& range);

  RepairSpace& space_;
  StoreItems& items_;
  ProblemList problems_;
  std::set<VolumeId> changed_volumes_;
  std::set<ObjectNumber> changed_objects_;
  std::set<ObjectNumber> data_;
  std::uint64_t highest_inode_ = 0;
  BlockChecksums checksums_;
};

}  // namespace cowfs
