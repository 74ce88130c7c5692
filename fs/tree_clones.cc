#include "fs/tree_clones.h"

#include <sys/random.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <optional>
#include <utility>

#include "fs/caller.h"
#include "fs/log.h"
#include "fs/mount.h"
#include "fs/reply.h"
#include "lib/base/thread.h"

namespace cowfs {
namespace {

constexpr std::size_t kMostJobs = 8;

}  // namespace

struct TreeClones::Job {
  Job(std::uint64_t opened, const Caller& caller, TreeCloneEnds what, const TreeClonePolicy& policy)
      : handle(opened),
        from(what.from->id()),
        name(what.name),
        clone(caller.context, caller.privileged, std::move(what), policy) {}

  std::uint64_t handle;  // of the open directory that it belongs to; 0: closed
  VolumeId from;
  std::uint64_t target_node = 0;  // the directory that gets the copy
  std::string name;
  TreeClone clone;
  std::atomic<bool> running = true;
  std::atomic<int> error_number = 0;
  std::jthread thread;  // the last: ends before the rest goes
};

TreeClones::TreeClones(PageSweep& page_sweep) : page_sweep_(page_sweep) {}

TreeClones::~TreeClones() { end(); }

void TreeClones::end() {
  std::list<std::unique_ptr<Job>> jobs;
  {
    const MutexLock lock(mutex_);
    ending_ = true;
    jobs.swap(jobs_);
    offers_.clear();
  }
  for (const auto& job : jobs) job->thread.request_stop();
}

Result<TreeClones::Token> TreeClones::offer(fuse_req_t request, std::uint64_t node) {
  const auto attributes = on_inode(request, node, [](Volume& volume, InodeNumber inode) {
    return volume.get_attributes(inode);
  });
  if (!attributes) return fail(attributes.error());
  if (!S_ISDIR(attributes->mode)) return fail(ErrorCode::kNotDirectory);
  Token token{};
  if (::getrandom(token.data(), token.size(), 0) != static_cast<ssize_t>(token.size()))
    return fail(ErrorCode::kIo);
  const MutexLock lock(mutex_);
  COWFS_TRY(offers_.add(token, node, fuse_req_ctx(request)->uid, std::chrono::steady_clock::now()));
  return token;
}

Result<std::uint64_t> TreeClones::take_offer(const Token& token, uid_t uid) {
  const MutexLock lock(mutex_);
  return offers_.take(token, uid, std::chrono::steady_clock::now());
}

Result<void> TreeClones::start(fuse_req_t request, std::uint64_t node, std::uint64_t handle,
                               const Token& token, const std::string& name,
                               const TreeClonePolicy& policy) {
  Mount& mount = Mount::of(request);
  join_ended();
  COWFS_ASSIGN(const std::uint64_t offered, take_offer(token, fuse_req_ctx(request)->uid));
  if (handle == 0) return fail(ErrorCode::kNotDirectory);
  if (mount.settings().read_only) return fail(ErrorCode::kReadOnly);
  if (mount.settings().snapshot_directories && name == kSnapshotDirectoryName) {
    return fail(ErrorCode::kInvalidArgument);
  }
  if (mount.is_virtual(node)) return fail(ErrorCode::kNotPermitted);
  COWFS_ASSIGN(const Caller caller, caller_of(request));
  const Place source = mount.nodes().place_of(offered);
  const Place target = mount.nodes().place_of(node);
  COWFS_ASSIGN(auto from, mount.volume(source.volume));
  COWFS_ASSIGN(auto to, mount.volume(target.volume));
  auto job = std::make_unique<Job>(
      handle, caller,
      TreeCloneEnds{std::move(from), source.inode, std::move(to), target.inode, name}, policy);
  job->target_node = node;
  // The first step is made here, so that a refusal is told at once.
  COWFS_TRY(job->clone.begin());
  Job* begun = job.get();
  {
    const MutexLock lock(mutex_);
    const bool taken =
        std::ranges::any_of(jobs_, [&](const auto& each) { return each->handle == handle; });
    std::optional<std::jthread> thread;
    if (!taken && !ending_ && jobs_.size() < kMostJobs)
      thread = try_thread([this, begun](const std::stop_token& stop) { run(*begun, stop); });
    if (thread) {
      job->thread = *std::move(thread);
      jobs_.push_back(std::move(job));
      return {};
    }
  }
  if (const Result<void> gone = begun->clone.abandon(); !gone) log_warning(gone.error().text);
  return fail(ErrorCode::kBusy);
}

Result<void> TreeClones::copy(Job& job, const std::stop_token& stop) {
  for (;;) {
    if (stop.stop_requested()) return fail(ErrorCode::kBusy, "cancelled");
    COWFS_ASSIGN(const bool more, job.clone.step());
    if (!more) break;
  }
  return discard(job.clone.publish());
}

void TreeClones::run(Job& job, const std::stop_token& stop) {
  page_sweep_.sweep(job.from);
  const Result<void> copied = copy(job, stop);
  if (copied) {
    const int told = fuse_lowlevel_notify_inval_entry(session_, job.target_node, job.name.data(),
                                                      job.name.size());
    if (told != 0 && told != -ENOENT) log_debug("the kernel was not told of a new tree");
  } else {
    job.error_number = stop.stop_requested() ? ECANCELED : errno_of(copied.error().code);
    if (const Result<void> gone = job.clone.abandon(); !gone) log_warning(gone.error().text);
  }
  job.running = false;
}

void TreeClones::close(std::uint64_t handle) {
  if (handle == 0) return;
  const MutexLock lock(mutex_);
  for (const auto& job : jobs_) {
    if (job->handle != handle) continue;
    job->handle = 0;
    job->thread.request_stop();
  }
}

/// Closed jobs whose thread has ended are done with.
void TreeClones::join_ended() {
  std::list<std::unique_ptr<Job>> ended;
  const MutexLock lock(mutex_);
  for (auto job = jobs_.begin(); job != jobs_.end();) {
    const auto here = job++;
    if ((*here)->handle == 0 && !(*here)->running) ended.splice(ended.end(), jobs_, here);
  }
}

Result<TreeClones::Progress> TreeClones::poll(std::uint64_t handle) {
  const MutexLock lock(mutex_);
  for (const auto& job : jobs_) {
    if (job->handle != handle || handle == 0) continue;
    Progress progress;
    progress.running = job->running;
    progress.error_number = job->error_number;
    progress.failed = !progress.running && progress.error_number != 0;
    const TreeCloneCounts& counts = job->clone.counts();
    progress.inodes = counts.inodes;
    progress.files = counts.files;
    progress.directories = counts.directories;
    progress.shared_bytes = counts.shared_bytes;
    progress.hole_bytes = counts.hole_bytes;
    return progress;
  }
  return fail(ErrorCode::kNotFound);
}

Result<void> TreeClones::cancel(std::uint64_t handle) {
  const MutexLock lock(mutex_);
  for (const auto& job : jobs_) {
    if (job->handle != handle || handle == 0) continue;
    job->thread.request_stop();
    return {};
  }
  return fail(ErrorCode::kNotFound);
}

}  // namespace cowfs
