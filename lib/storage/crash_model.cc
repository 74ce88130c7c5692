#include "lib/storage/crash_model.h"

#include <algorithm>
#include <memory>
#include <set>
#include <utility>

namespace cowfs {

CrashModel::CrashModel(const ArraySet& base) {
  for (const auto& [name, array] : base) {
    const Inode inode = next_inode_++;
    contents_.emplace(inode, Content{SharableArray(array), {}});
    current_names_.emplace(name, inode);
  }
  durable_names_ = current_names_;
}

void CrashModel::apply(const StorageCall& call) {
  const std::uint64_t sequence = sequence_++;
  switch (call.kind) {
    case StorageCallKind::kCreate:
      contents_.emplace(next_inode_, Content{});
      current_names_[call.name] = next_inode_;
      pending_names_.push_back(NameChange{sequence, call.name, next_inode_++});
      return;
    case StorageCallKind::kRemove:
      current_names_.erase(call.name);
      pending_names_.push_back(NameChange{sequence, call.name, std::nullopt});
      return;
    case StorageCallKind::kWrite:
    case StorageCallKind::kReserve:
    case StorageCallKind::kPunch:
    case StorageCallKind::kResize:
      contents_.at(current_names_.at(call.name)).pending.push_back(CrashChange{sequence, call});
      return;
    case StorageCallKind::kSync: return sync_content(call.name);
    case StorageCallKind::kSyncNames: return sync_names(call.name.kind);
    default: return;  // changes nothing
  }
}

void CrashModel::sync_content(ArrayName name) {
  Content& content = contents_.at(current_names_.at(name));
  if (content.pending.empty()) return;
  MemoryArray& durable = content.durable.change();
  for (const CrashChange& change : content.pending) apply_whole(change.call, durable);
  content.pending.clear();
}

void CrashModel::sync_names(ArrayKind kind) {
  for (const NameChange& change : pending_names_) {
    if (change.name.kind != kind) continue;
    if (change.inode) durable_names_[change.name] = *change.inode;
    else durable_names_.erase(change.name);
  }
  std::erase_if(pending_names_,
                [kind](const NameChange& change) { return change.name.kind == kind; });
  forget_unreachable();
}

void CrashModel::forget_unreachable() {
  std::set<Inode> reachable;
  for (const auto& entry : current_names_) reachable.insert(entry.second);
  for (const auto& entry : durable_names_) reachable.insert(entry.second);
  for (const NameChange& change : pending_names_) {
    if (change.inode) reachable.insert(*change.inode);
  }
  std::erase_if(contents_, [&](const auto& entry) { return !reachable.contains(entry.first); });
}

std::vector<std::uint64_t> CrashModel::pending_sequences() const {
  std::vector<std::uint64_t> sequences;
  sequences.reserve(pending_names_.size());
  for (const NameChange& change : pending_names_) sequences.push_back(change.sequence);
  for (const auto& entry : contents_) {
    for (const CrashChange& change : entry.second.pending) sequences.push_back(change.sequence);
  }
  std::ranges::sort(sequences);
  return sequences;
}

CrashModel::Names CrashModel::choose_names(CrashChooser& chooser) const {
  Names names = durable_names_;
  for (const NameChange& change : pending_names_) {
    if (!chooser.keeps_name(change.sequence)) continue;
    if (change.inode) names[change.name] = *change.inode;
    else names.erase(change.name);
  }
  return names;
}

ArraySet CrashModel::image(CrashChoice choice) {
  CrashChooser chooser(choice, pending_sequences(), sequence_);
  ArraySet image;
  for (const auto& [name, inode] : choose_names(chooser)) {
    Content& content = contents_.at(inode);
    if (content.pending.empty()) {
      image.emplace(name, content.durable.freeze());
      continue;
    }
    auto array = std::make_shared<MemoryArray>(content.durable.get());
    chooser.apply_some(content.pending, *array);
    image.emplace(name, std::move(array));
  }
  return image;
}

}  // namespace cowfs
