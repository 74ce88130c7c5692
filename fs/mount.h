// What the handlers of requests work on: a file system, seen through one mount.
//
//   fuse request -> handler (ops_*.cc) -> Mount -> Volume
//                        '-> SnapshotDirectory for virtual nodes
//                        '-> Flusher for snapshots, TreeClones for copies of directories, Notifier for what the
//                            kernel must be told
//
// Threads: the workers of libfuse's loop run the handlers. A handler never waits for another
// request, makes no notification and opens nothing on this mount: that is for the flusher's and the
// notifier's threads.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "fs/checkpoint_holds.h"
#include "fs/flusher.h"
#include "fs/fuse_compat.h"
#include "fs/node_id.h"
#include "fs/notifier.h"
#include "fs/page_sweep.h"
#include "fs/snapshot_directory.h"
#include "fs/tree_clones.h"
#include "lib/base/error.h"
#include "lib/volume/file_system.h"

namespace cowfs {

inline constexpr std::string_view kSnapshotDirectoryName = ".cowfs";

struct MountSettings {
  VolumeId volume{};       // that is the root
  std::string mountpoint;  // absolute
  uid_t owner_uid = 0;     // may make and delete volumes, as root may
  gid_t owner_gid = 0;
  bool snapshot_directories = true;  // there are `.cowfs` directories
  bool read_only = false;
};

class Mount {
 public:
  /// `on_ready` runs when the kernel begins to be served.
  Mount(FileSystem& file_system, MountSettings settings, std::function<void()> on_ready);
  Mount(const Mount&) = delete;
  Mount& operator=(const Mount&) = delete;

  static Mount& of(fuse_req_t request) { return *static_cast<Mount*>(fuse_req_userdata(request)); }

  FileSystem& file_system() { return file_system_; }
  const MountSettings& settings() const { return settings_; }
  const NodeIds& nodes() const { return nodes_; }
  PageSweep& page_sweep() { return page_sweep_; }
  Flusher& flusher() { return flusher_; }
  Notifier& notifier() { return notifier_; }
  TreeClones& tree_clones() { return tree_clones_; }
  CheckpointHolds& checkpoint_holds() { return checkpoint_holds_; }
  SnapshotDirectory& snapshot_directory() { return snapshot_directory_; }

  bool is_virtual(std::uint64_t node) const { return nodes_.place_of(node).is_virtual(); }
  Result<std::shared_ptr<Volume>> volume(VolumeId id);
  Result<std::shared_ptr<Volume>> volume_of(std::uint64_t node) {
    return volume(nodes_.place_of(node).volume);
  }

  /// kNotPermitted for callers who are neither root nor the mount's owner.
  Result<void> check_owner(const RequestContext& context) const;

  /// Parks a request for a snapshot or fork; its answer may be given at once, if it is an error.
  void make_volume(SnapshotRequest request);
  /// kNotPermitted as check_owner(), kBusy for the mounted one, kReadOnly on a read-only mount.
  Result<void> delete_volume(const RequestContext& context, const VolumeInfo& volume);
  Result<void> rename_volume(const RequestContext& context, const VolumeInfo& volume,
                             std::string_view new_name);
  /// When a volume was last made, deleted or renamed here.
  Timestamp volumes_changed() const;

  void ready() { on_ready_(); }

  /// Before the loop, with the session made and mounted; and after it. Threads run in between.
  void begin(fuse_session* session);
  void end();

 private:
  Result<void> check_change(const RequestContext& context) const;
  void touch_volumes();

  FileSystem& file_system_;
  const MountSettings settings_;
  const NodeIds nodes_;
  const std::function<void()> on_ready_;
  std::shared_ptr<Volume> mounted_;  // found by each request for it; set by begin()
  std::atomic<std::int64_t> volumes_changed_ns_;
  PageSweep page_sweep_;
  Flusher flusher_;
  Notifier notifier_;
  TreeClones tree_clones_;
  CheckpointHolds checkpoint_holds_;
  SnapshotDirectory snapshot_directory_;
};

/// Calls `function()`, and again where it found no space while freed space was still on its way back:
/// whoever has just removed a file may write as much at once. Holding nothing.
template <typename Function>
auto with_room(Store& store, Function&& function) -> std::invoke_result_t<Function> {
  constexpr int kMostTries = 64;  // each has seen some space come back
  for (int tries = 1;; ++tries) {
    const std::uint64_t before = store.space_given_back();
    auto result = function();
    const bool again = !result && is_out_of_space(result.error()) && tries < kMostTries &&
                       (store.space_given_back() != before || store.make_room());
    if (!again) return result;
  }
}

/// Runs `function(volume, inode)` for a node that is an inode; kNotPermitted for a virtual one,
/// kStale for one whose volume is gone.
template <typename Function>
auto on_inode(fuse_req_t request, fuse_ino_t node, Function&& function)
    -> std::invoke_result_t<Function, Volume&, InodeNumber> {
  Mount& mount = Mount::of(request);
  const Place place = mount.nodes().place_of(node);
  if (place.is_virtual()) return fail(ErrorCode::kNotPermitted);
  Result<std::shared_ptr<Volume>> volume = mount.volume(place.volume);
  if (!volume) return fail(std::move(volume).error());
  return with_room(mount.file_system().store(), [&] { return function(**volume, place.inode); });
}

}  // namespace cowfs
