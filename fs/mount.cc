#include "fs/mount.h"

#include "lib/base/time.h"

namespace cowfs {

namespace {

constexpr std::int64_t kNanoseconds = 1'000'000'000;

}  // namespace

Mount::Mount(FileSystem& file_system, MountSettings settings, std::function<void()> on_ready)
    : file_system_(file_system),
      settings_(std::move(settings)),
      nodes_(settings_.volume),
      on_ready_(std::move(on_ready)),
      page_sweep_(file_system_, nodes_, settings_.mountpoint),
      flusher_(file_system_, page_sweep_),
      tree_clones_(page_sweep_),
      checkpoint_holds_(file_system_.store()),
      snapshot_directory_(*this) {
  touch_volumes();
}

Result<std::shared_ptr<Volume>> Mount::volume(VolumeId id) {
  if (id == settings_.volume && mounted_) return mounted_;  // cannot be deleted while mounted
  return file_system_.volume(id);
}

Result<void> Mount::check_owner(const RequestContext& context) const {
  if (context.uid == 0 || context.uid == settings_.owner_uid) return {};
  return fail(ErrorCode::kNotPermitted);
}

Result<void> Mount::check_change(const RequestContext& context) const {
  COWFS_TRY(check_owner(context));
  if (settings_.read_only) return fail(ErrorCode::kReadOnly);
  return {};
}

void Mount::make_volume(SnapshotRequest request) {
  if (const Result<void> allowed = check_change(request.context); !allowed) {
    return request.answer(fail(allowed.error()));
  }
  auto answer = [this, given = std::move(request.answer)](const Result<VolumeInfo>& made) mutable {
    if (made) touch_volumes();
    given(made);
  };
  request.answer = std::move(answer);
  flusher_.submit(std::move(request));
}

Result<void> Mount::delete_volume(const RequestContext& context, const VolumeInfo& volume) {
  COWFS_TRY(check_change(context));
  if (volume.id == settings_.volume) return fail(ErrorCode::kBusy);
  COWFS_TRY(file_system_.delete_volume(context, volume.id));
  touch_volumes();
  return {};
}

Result<void> Mount::rename_volume(const RequestContext& context, const VolumeInfo& volume,
                                  std::string_view new_name) {
  COWFS_TRY(check_change(context));
  COWFS_TRY(file_system_.rename_volume(context, volume.id, new_name));
  touch_volumes();
  return {};
}

Timestamp Mount::volumes_changed() const {
  const std::int64_t ns = volumes_changed_ns_;
  return {ns / kNanoseconds, static_cast<std::uint32_t>(ns % kNanoseconds)};
}

void Mount::touch_volumes() {
  const Timestamp time = now();
  volumes_changed_ns_ = time.seconds * kNanoseconds + time.nanoseconds;
}

void Mount::begin(fuse_session* session) {
  Result<std::shared_ptr<Volume>> mounted = file_system_.volume(settings_.volume);
  if (mounted) mounted_ = *std::move(mounted);
  page_sweep_.begin(session);
  flusher_.begin();
  notifier_.begin(session);
  tree_clones_.begin(session);
}

void Mount::end() {
  tree_clones_.end();
  flusher_.end();
  page_sweep_.end();
  notifier_.end();
}

}  // namespace cowfs
