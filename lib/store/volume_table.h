// The volumes in memory: by number and by name, their roots, who keeps them from being reclaimed.
//
// Locks: the tree lock, shared to look, exclusive to change; pins have a lock of their own (leaf).
#pragma once

#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "lib/base/mutex.h"
#include "lib/store/records.h"
#include "lib/store/store.h"

namespace cowfs {

struct VolumeState {
  VolumeRecord record;     // an empty name: deleted
  bool changed = false;    // the record in the store's tree is older
  std::uint64_t pins = 0;  // guarded by VolumeTable's pin lock

  bool deleted() const { return record.name.empty(); }
  VolumeInfo info() const {
    return {record.id,        record.parent,  record.name,
            record.read_only, record.created, record.has_orphans};
  }
};

class VolumeTable {
 public:
  VolumeState* find(VolumeId id) const {
    const auto found = by_id_.find(id);
    return found == by_id_.end() ? nullptr : found->second.get();
  }
  VolumeState* find(std::string_view name) const {
    const auto found = by_name_.find(name);
    return found == by_name_.end() ? nullptr : find(found->second);
  }
  VolumeState& add(VolumeRecord record);
  void rename(VolumeState& state, std::string name);
  /// The volume has no name any more; it stays until nobody pins it.
  void remove_name(VolumeState& state);
  /// Forgets a deleted volume.
  void erase(VolumeId id) { by_id_.erase(id); }

  std::vector<VolumeInfo> named() const;
  const std::unordered_map<VolumeId, std::unique_ptr<VolumeState>>& all() const { return by_id_; }

  void pin(VolumeState& state);
  void unpin(VolumeState& state);
  bool pinned(const VolumeState& state) const;

 private:
  std::unordered_map<VolumeId, std::unique_ptr<VolumeState>> by_id_;
  std::map<std::string, VolumeId, std::less<>> by_name_;
  mutable Mutex pin_mutex_;
};

/// kInvalidArgument or kNameTooLong for what cannot be a volume's name.
Result<void> check_volume_name(std::string_view name);

}  // namespace cowfs
