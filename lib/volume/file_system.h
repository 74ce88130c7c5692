// A store with its volumes open: what a daemon, or a test, works on.
//
// Hands out one Volume object a volume, makes snapshots and forks of them with their orphans erased
// from the copy, and cleans up after an unclean end when it is opened: what is to be erased is
// looked up at once, and erased in the background (StoreOptions::background).
//
// Locks: its own table lock is a leaf; the store is never called under it.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "lib/base/mutex.h"
#include "lib/volume/orphan_cleaner.h"
#include "lib/volume/volume.h"

namespace cowfs {

class FileSystem {
 public:
  /// Formats an empty storage: a store, `main`, and its root directory with this owner and
  /// permissions.
  static Result<void> format(Storage& storage, const RequestContext& owner, mode_t root_permissions,
                             const FormatOptions& options = {});

  static Result<std::unique_ptr<FileSystem>> open(std::unique_ptr<Storage> storage,
                                                  const StoreOptions& options = {});
  /// Makes everything durable. Only the destructor may follow.
  Result<void> close();
  ~FileSystem();

  Store& store() { return *store_; }

  /// The volume's object, the same for all callers; kStale where there is no such volume (kNotFound
  /// by name). Pins nothing: a deleted volume's object answers kStale.
  Result<std::shared_ptr<Volume>> volume(VolumeId id);
  Result<std::shared_ptr<Volume>> volume(std::string_view name);

  /// A snapshot (read-only) or a fork of a volume. Dirty pages of mappings are the caller's
  /// business before this.
  Result<VolumeInfo> create_volume(const RequestContext& context, VolumeId parent,
                                   std::string_view name, VolumeKind kind);
  /// Deletes a volume by id; open files of it stay readable until they are closed.
  Result<void> delete_volume(const RequestContext& context, VolumeId id);
  Result<void> rename_volume(const RequestContext& context, VolumeId id, std::string_view new_name);

 private:
  FileSystem(std::unique_ptr<Store> store, const StoreOptions& options)
      : store_(std::move(store)),
        cleaner_(*store_, options.background, options.on_background_error) {}

  /// Looks for what an unclean end left in each volume, and sets the cleaner on it.
  Result<void> clean_up();
  Result<void> clean_up_volume(const VolumeInfo& info);
  /// Ends the cleaner and gives up all volumes; the store is still open.
  void end_work();
  std::shared_ptr<Volume> known_volume(VolumeId id);
  /// Forgets the objects of volumes that the store has no more.
  void drop_gone_volumes();

  std::unique_ptr<Store> store_;
  Mutex mutex_;
  std::map<VolumeId, std::shared_ptr<Volume>> volumes_ COWFS_GUARDED_BY(mutex_);
  OrphanCleaner cleaner_;
};

}  // namespace cowfs
