// IOCTL: what tools ask (lib/api/ioctl.h). Everything else is ENOTTY.
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <optional>

#include "fs/handlers.h"
#include "fs/mount.h"
#include "fs/reply.h"
#include "lib/api/ioctl.h"

namespace cowfs {

namespace {

api::VolumeRecord record_of(const Mount& mount, const VolumeInfo& volume) {
  api::VolumeRecord record;
  record.id = raw(volume.id);
  record.parent = raw(volume.parent);
  if (volume.read_only) record.flags |= api::kVolumeReadOnly;
  if (volume.id == mount.settings().volume) record.flags |= api::kVolumeMounted;
  if (volume.id != kMainVolume) record.flags |= api::kVolumeHasParent;
  record.created_seconds = volume.created.seconds;
  record.created_nanoseconds = volume.created.nanoseconds;
  if (!volume.name.empty()) (void)api::set_name(record.name, volume.name);
  return record;
}

/// Asked for by a caller, about `node`. The call answers with errno, or with the request filled in.
struct Question {
  fuse_req_t request;
  fuse_ino_t node;
  std::uint64_t handle = 0;  // of an open directory

  Mount& mount() const { return Mount::of(request); }
  Store& store() const { return mount().file_system().store(); }
  VolumeId volume() const { return mount().nodes().place_of(node).volume; }
};

template <typename Request>
void reply_filled(fuse_req_t request, const Request& filled) {
  fuse_reply_ioctl(request, 0, &filled, sizeof filled);
}

template <typename Request>
void reply_result(const Question& question, const Request& filled, const Result<void>& result) {
  if (!result) return reply_error(question.request, result.error());
  reply_filled(question.request, filled);
}

void answer(const Question& question, api::DescribeDaemon& request) {
  const MountSettings& settings = question.mount().settings();
  std::strncpy(request.daemon_version, COWFS_VERSION, sizeof request.daemon_version - 1);
  const std::string id = question.store().store_id();
  std::memcpy(request.store_id, id.data(), std::min(id.size(), sizeof request.store_id));
  if (settings.read_only) request.mount_flags |= api::kMountReadOnly;
  if (!settings.snapshot_directories) request.mount_flags |= api::kMountNoSnapDir;
  request.mounted_volume = raw(settings.volume);
  request.owner_uid = settings.owner_uid;
  request.daemon_pid = static_cast<std::uint32_t>(::getpid());
  reply_filled(question.request, request);
}

void answer(const Question& question, api::DescribeVolume& request) {
  const Result<VolumeInfo> volume = question.store().volume(question.volume());
  if (!volume) return reply_error(question.request, volume.error());
  request.volume = record_of(question.mount(), *volume);
  reply_filled(question.request, request);
}

void answer(const Question& question, api::DescribeSpace& request) {
  const StoreSpace space = question.store().space_now();
  const StoreCounters counters = question.store().counters();
  request.total_blocks = space.total_blocks;
  request.free_blocks = space.free_blocks;
  request.live_blocks = space.live_blocks;
  request.live_nodes = counters.live_nodes;
  request.dirty_nodes = counters.dirty_nodes;
  request.pending_reclaim = counters.pending_reclaim;
  request.checkpoints = counters.checkpoints;
  request.volumes = question.store().list_volumes().size();
  reply_filled(question.request, request);
}

void answer(const Question& question, api::ListVolumes& request) {
  const VolumeId from{request.cursor};
  std::vector<VolumeInfo> volumes = question.store().list_volumes();
  std::erase_if(volumes, [&](const VolumeInfo& volume) { return volume.id < from; });
  std::ranges::sort(volumes, {}, &VolumeInfo::id);
  const std::size_t count = std::min(volumes.size(), api::kListPageRecords);
  request.count = static_cast<std::uint32_t>(count);
  request.more = volumes.size() > count ? 1 : 0;
  request.next_cursor = request.more != 0 ? raw(volumes[count].id) : 0;
  for (std::size_t i = 0; i < api::kListPageRecords; ++i) {
    request.volumes[i] = i < count ? record_of(question.mount(), volumes[i]) : api::VolumeRecord{};
  }
  reply_filled(question.request, request);
}

std::optional<VolumeKind> kind_of(std::uint32_t kind) {
  if (kind == api::raw(api::Kind::kSnapshot)) return VolumeKind::kSnapshot;
  if (kind == api::raw(api::Kind::kFork)) return VolumeKind::kFork;
  return std::nullopt;
}

void answer(const Question& question, api::CreateVolume& request) {
  const std::optional<VolumeKind> kind = kind_of(request.kind);
  const std::string_view name = api::get_name(request.name);
  if (!kind || request.reserved != 0 || name.empty()) {
    return reply_error(question.request, ErrorCode::kInvalidArgument);
  }
  auto filled = std::make_unique<api::CreateVolume>(request);
  question.mount().make_volume(
      {context_of(question.request), question.volume(), std::string(name), *kind,
       [question, filled = std::move(filled)](const Result<VolumeInfo>& made) {
         if (!made) return reply_error(question.request, made.error());
         filled->volume = record_of(question.mount(), *made);
         reply_filled(question.request, *filled);
       }});
}

Result<VolumeInfo> find_volume(const Question& question, std::string_view name) {
  if (name.empty()) return fail(ErrorCode::kInvalidArgument);
  return question.store().find_volume(name);
}

void answer(const Question& question, api::DeleteVolume& request) {
  Mount& mount = question.mount();
  const Result<VolumeInfo> volume = find_volume(question, api::get_name(request.name));
  if (!volume) return reply_error(question.request, volume.error());
  const Result<void> deleted = mount.delete_volume(context_of(question.request), *volume);
  reply_result(question, request, deleted);
  if (!deleted) return;
  mount.notifier().entry_changed(
      mount.nodes().of_snapshot_directory(mount.settings().volume, kRootInode), volume->name);
}

void answer(const Question& question, api::RenameVolume& request) {
  const std::string_view new_name = api::get_name(request.new_name);
  const Result<VolumeInfo> volume = find_volume(question, api::get_name(request.name));
  if (!volume) return reply_error(question.request, volume.error());
  if (new_name.empty()) return reply_error(question.request, ErrorCode::kInvalidArgument);
  reply_result(question, request,
               question.mount().rename_volume(context_of(question.request), *volume, new_name));
}

void answer(const Question& question, api::SyncStore& request) {
  reply_result(question, request, question.store().sync());
}

void answer(const Question& question, api::LocateBlock& request) {
  const Result<BlockPlace> place = on_inode(
      question.request, question.node,
      [&](Volume& volume, InodeNumber inode) { return volume.locate(inode, request.file_block); });
  if (!place) return reply_error(question.request, place.error());
  request.object = raw(place->object);
  request.object_block = place->object_block;
  request.count = place->count;
  request.references = place->references;
  reply_filled(question.request, request);
}

void answer(const Question& question, api::OfferTree& request) {
  const Result<TreeClones::Token> token =
      question.mount().tree_clones().offer(question.request, question.node);
  if (!token) return reply_error(question.request, token.error());
  std::ranges::copy(*token, request.token);
  reply_filled(question.request, request);
}

void answer(const Question& question, api::StartTreeClone& request) {
  TreeClones::Token token{};
  std::ranges::copy(request.token, token.begin());
  const std::string_view name = api::get_name(request.name);
  constexpr std::uint32_t kKnown = api::kPreserveMode | api::kPreserveOwnership |
                                   api::kPreserveTimestamps | api::kPreserveLinks |
                                   api::kPreserveAttributes;
  if (name.empty() || (request.preserve & ~kKnown) != 0 || request.umask > 0777) {
    return reply_error(question.request, ErrorCode::kInvalidArgument);
  }
  const TreeClonePolicy policy{.mode = (request.preserve & api::kPreserveMode) != 0,
                               .ownership = (request.preserve & api::kPreserveOwnership) != 0,
                               .timestamps = (request.preserve & api::kPreserveTimestamps) != 0,
                               .links = (request.preserve & api::kPreserveLinks) != 0,
                               .attributes = (request.preserve & api::kPreserveAttributes) != 0,
                               .umask = request.umask};
  reply_result(
      question, request,
      question.mount().tree_clones().start(question.request, question.node, question.handle, token,
                                           std::string(name), policy));
}

void answer(const Question& question, api::PollTreeClone& request) {
  const Result<TreeClones::Progress> progress =
      question.mount().tree_clones().poll(question.handle);
  if (!progress) return reply_error(question.request, progress.error());
  request.state = api::raw(progress->running  ? api::TreeCloneState::kRunning
                           : progress->failed ? api::TreeCloneState::kFailed
                                              : api::TreeCloneState::kDone);
  request.error = static_cast<std::uint32_t>(progress->error_number);
  request.inodes = progress->inodes;
  request.files = progress->files;
  request.directories = progress->directories;
  request.shared_bytes = progress->shared_bytes;
  request.hole_bytes = progress->hole_bytes;
  reply_filled(question.request, request);
}

void answer(const Question& question, api::CancelTreeClone& request) {
  reply_result(question, request, question.mount().tree_clones().cancel(question.handle));
}

void answer(const Question& question, api::HoldCheckpoint& request) {
  const Result<void> allowed = question.mount().check_owner(context_of(question.request));
  if (!allowed) return reply_error(question.request, allowed.error());
  const Result<std::string> held = question.mount().checkpoint_holds().hold(question.handle);
  if (!held) return reply_error(question.request, held.error());
  std::memcpy(request.superblock, held->data(), std::min(held->size(), sizeof request.superblock));
  reply_filled(question.request, request);
}

api::BlockState state_of(BlockState state) {
  switch (state) {
    case BlockState::kWhole: return api::BlockState::kWhole;
    case BlockState::kDamaged: return api::BlockState::kDamaged;
    case BlockState::kElsewhere: return api::BlockState::kElsewhere;
  }
  return api::BlockState::kElsewhere;
}

/// The file is named by number: hence for the owner alone, who may read the store anyway.
void answer(const Question& question, api::VerifyBlock& request) {
  const Result<void> allowed = question.mount().check_owner(context_of(question.request));
  if (!allowed) return reply_error(question.request, allowed.error());
  if (request.volume >= api::kVolumeIdLimit || request.inode >= kInodeLimit)
    return reply_error(question.request, ErrorCode::kInvalidArgument);
  auto state = [&]() -> Result<BlockState> {
    COWFS_ASSIGN(const auto volume, question.mount().volume(VolumeId{request.volume}));
    return volume->verify_block(InodeNumber{request.inode}, request.file_block,
                                ObjectNumber{request.object}, request.object_block);
  }();
  const bool gone = !state && (state.error().code == ErrorCode::kNotFound ||
                               state.error().code == ErrorCode::kStale ||
                               state.error().code == ErrorCode::kIsDirectory ||
                               state.error().code == ErrorCode::kInvalidArgument);
  if (!state && !gone) return reply_error(question.request, state.error());
  request.state = api::raw(state_of(state.value_or(BlockState::kElsewhere)));
  reply_filled(question.request, request);
}

template <typename Request>
void decode(const Question& question, const void* in, std::size_t in_size, std::size_t out_size) {
  auto request = std::make_unique<Request>();
  if (in_size != sizeof(Request) || out_size != sizeof(Request)) {
    return reply_error(question.request, ErrorCode::kInvalidArgument);
  }
  std::memcpy(request.get(), in, sizeof(Request));
  if (request->header.version != api::kProtocolVersion || request->header.size != sizeof(Request)) {
    fuse_reply_err(question.request, EPROTO);
    return;
  }
  answer(question, *request);
}

void ioctl(fuse_req_t request, fuse_ino_t node, unsigned command, void*, fuse_file_info* info,
           unsigned flags, const void* in, std::size_t in_size, std::size_t out_size) {
  const bool is_directory = (flags & FUSE_IOCTL_DIR) != 0;
  const Question question{request, node, is_directory && info != nullptr ? info->fh : 0};
  switch (command) {
    case api::kIoctlDescribeDaemon:
      return decode<api::DescribeDaemon>(question, in, in_size, out_size);
    case api::kIoctlDescribeVolume:
      return decode<api::DescribeVolume>(question, in, in_size, out_size);
    case api::kIoctlDescribeSpace:
      return decode<api::DescribeSpace>(question, in, in_size, out_size);
    case api::kIoctlListVolumes: return decode<api::ListVolumes>(question, in, in_size, out_size);
    case api::kIoctlCreateVolume: return decode<api::CreateVolume>(question, in, in_size, out_size);
    case api::kIoctlDeleteVolume: return decode<api::DeleteVolume>(question, in, in_size, out_size);
    case api::kIoctlRenameVolume: return decode<api::RenameVolume>(question, in, in_size, out_size);
    case api::kIoctlSyncStore: return decode<api::SyncStore>(question, in, in_size, out_size);
    case api::kIoctlLocateBlock: return decode<api::LocateBlock>(question, in, in_size, out_size);
    case api::kIoctlOfferTree: return decode<api::OfferTree>(question, in, in_size, out_size);
    case api::kIoctlStartTreeClone:
      return decode<api::StartTreeClone>(question, in, in_size, out_size);
    case api::kIoctlPollTreeClone:
      return decode<api::PollTreeClone>(question, in, in_size, out_size);
    case api::kIoctlCancelTreeClone:
      return decode<api::CancelTreeClone>(question, in, in_size, out_size);
    case api::kIoctlHoldCheckpoint:
      return decode<api::HoldCheckpoint>(question, in, in_size, out_size);
    case api::kIoctlVerifyBlock: return decode<api::VerifyBlock>(question, in, in_size, out_size);
    default: fuse_reply_err(request, ENOTTY);
  }
}

}  // namespace

void add_ioctl_handlers(fuse_lowlevel_ops& table) { table.ioctl = ioctl; }

}  // namespace cowfs
