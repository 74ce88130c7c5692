#include "lib/store/volume_table.h"

#include "lib/base/check.h"

namespace cowfs {

VolumeState& VolumeTable::add(VolumeRecord record) {
  if (!record.name.empty()) by_name_[record.name] = record.id;
  auto& slot = by_id_[record.id];
  slot = std::make_unique<VolumeState>();
  slot->record = std::move(record);
  return *slot;
}

void VolumeTable::rename(VolumeState& state, std::string name) {
  by_name_.erase(state.record.name);
  by_name_[name] = state.record.id;
  state.record.name = std::move(name);
  state.changed = true;
}

void VolumeTable::remove_name(VolumeState& state) {
  by_name_.erase(state.record.name);
  state.record.name.clear();
  state.changed = true;
}

std::vector<VolumeInfo> VolumeTable::named() const {
  std::vector<VolumeInfo> infos;
  infos.reserve(by_name_.size());
  for (const auto& [name, id] : by_name_) infos.push_back(find(id)->info());
  return infos;
}

void VolumeTable::pin(VolumeState& state) {
  MutexLock lock(pin_mutex_);
  ++state.pins;
}

void VolumeTable::unpin(VolumeState& state) {
  MutexLock lock(pin_mutex_);
  COWFS_CHECK(state.pins > 0);
  --state.pins;
}

bool VolumeTable::pinned(const VolumeState& state) const {
  MutexLock lock(pin_mutex_);
  return state.pins > 0;
}

Result<void> check_volume_name(std::string_view name) {
  if (name.size() > kNameLimit)
    return fail(ErrorCode::kNameTooLong, "a volume's name has at most 255 bytes");
  const bool reserved = name.empty() || name == "." || name == ".." || name == ".cowfs";
  if (reserved || name.find_first_of(std::string_view("/\0", 2)) != std::string_view::npos) {
    return fail(ErrorCode::kInvalidArgument, "this cannot be a volume's name");
  }
  return {};
}

}  // namespace cowfs
