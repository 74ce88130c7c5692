#include "lib/volume/file_system.h"

#include <vector>

#include "lib/volume/borrowed_storage.h"
#include "lib/volume/inode_table.h"

namespace cowfs {
Result<void> FileSystem::format(Storage& storage, const RequestContext& owner,
                                mode_t root_permissions, const FormatOptions& options) {
  COWFS_TRY(Store::format(storage, options));
  StoreOptions once;
  once.background = false;
  COWFS_ASSIGN(const auto store, Store::open(std::make_unique<BorrowedStorage>(storage), once));
  COWFS_TRY(Volume(*store, kMainVolume).initialize(owner, root_permissions));
  return store->close();
}

Result<std::unique_ptr<FileSystem>> FileSystem::open(std::unique_ptr<Storage> storage,
                                                     const StoreOptions& options) {
  COWFS_ASSIGN(auto store, Store::open(std::move(storage), options));
  std::unique_ptr<FileSystem> out(new FileSystem(std::move(store), options));
  if (!options.read_only) COWFS_TRY(out->clean_up());
  return out;
}

// Not through create_volume's children alone: a crash may come before they are clean.
Result<void> FileSystem::clean_up() {
  for (const VolumeInfo& info : store_->list_volumes()) {
    if (info.read_only && !info.has_orphans) continue;
    COWFS_TRY(clean_up_volume(info));
  }
  return {};
}

Result<void> FileSystem::clean_up_volume(const VolumeInfo& info) {
  COWFS_ASSIGN(auto volume, this->volume(info.id));
  COWFS_ASSIGN(Leftovers leftovers, collect_leftovers(*volume));
  cleaner_.add(std::move(volume), std::move(leftovers), info.has_orphans);
  return {};
}

Result<void> FileSystem::close() {
  end_work();
  return store_->close();
}

FileSystem::~FileSystem() { end_work(); }

void FileSystem::end_work() {
  cleaner_.stop();
  std::map<VolumeId, std::shared_ptr<Volume>> volumes;
  {
    MutexLock lock(mutex_);
    volumes.swap(volumes_);
  }
  for (const auto& [id, volume] : volumes) volume->inodes().release_volume();
}

std::shared_ptr<Volume> FileSystem::known_volume(VolumeId id) {
  MutexLock lock(mutex_);
  const auto found = volumes_.find(id);
  return found == volumes_.end() ? nullptr : found->second;
}

Result<std::shared_ptr<Volume>> FileSystem::volume(VolumeId id) {
  if (auto known = known_volume(id)) return known;
  COWFS_TRY(store_->volume(id));
  MutexLock lock(mutex_);
  auto& slot = volumes_[id];
  if (!slot) slot = std::make_shared<Volume>(*store_, id);
  return slot;
}

Result<std::shared_ptr<Volume>> FileSystem::volume(std::string_view name) {
  COWFS_ASSIGN(const VolumeInfo info, store_->find_volume(name));
  return volume(info.id);
}

void FileSystem::drop_gone_volumes() {
  std::vector<VolumeId> ids;
  {
    MutexLock lock(mutex_);
    for (const auto& [id, volume] : volumes_) ids.push_back(id);
  }
  for (const VolumeId id : ids) {
    if (store_->volume(id)) continue;
    std::shared_ptr<Volume> gone;  // its end may call the store
    MutexLock lock(mutex_);
    const auto found = volumes_.find(id);
    if (found != volumes_.end()) gone = std::move(found->second);
    volumes_.erase(id);
  }
}

Result<VolumeInfo> FileSystem::create_volume(const RequestContext& context, VolumeId parent,
                                             std::string_view name, VolumeKind kind) {
  COWFS_ASSIGN(const auto from, volume(parent));
  // A parent that is itself a fork may have orphans that the cleaner has not come to.
  COWFS_ASSIGN(const VolumeInfo parent_info, store_->volume(parent));
  COWFS_ASSIGN(VolumeInfo child,
               store_->fork_volume(context, parent, name, kind, parent_info.has_orphans,
                                   [&from] { return from->has_orphans(); }));
  if (child.has_orphans) COWFS_TRY(clean_up_volume(child));
  return child;
}

Result<void> FileSystem::delete_volume(const RequestContext& context, VolumeId id) {
  COWFS_TRY(store_->delete_volume(context, id));
  if (const auto known = known_volume(id)) known->inodes().release_volume();
  drop_gone_volumes();
  return {};
}

Result<void> FileSystem::rename_volume(const RequestContext& context, VolumeId id,
                                       std::string_view new_name) {
  return store_->rename_volume(context, id, new_name);
}

}  // namespace cowfs
