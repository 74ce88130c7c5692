// The content of one file: open both sides, bring the bytes over, set what is to be kept, give it
// its name.
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "tools/cowcp/copier_item.h"
#include "tools/cowcp/new_file.h"
#include "tools/cowcp/quote.h"

namespace cowfs {
namespace {

// Without -j larger ones are copied one at a time: it is their bytes that take time, and the host
// has them in order.
constexpr off_t kSmallFile = off_t{1} << 20;
// Clones are the host's metadata alone, whose locks more threads wait for: with four, 5,000 files
// took 1.41 times cp's time on btrfs and 1.09 on XFS, with two 1.18 and 1.03.
constexpr std::size_t kJobsOfClones = 2;

}  // namespace

/// Everything that copying one file needs, away from the walk.
struct Copier::FileJob {
  Place source;
  Place target;
  std::shared_ptr<DirectoryCopy> parent;
  std::shared_ptr<UniqueFd> target_directory;
  struct stat seen{};  // of the source, by the walk
  Follow follow = Follow::kNo;
  bool is_new = true;
  bool dangling = false;
  mode_t omitted = 0;

  UniqueFd source_fd;
  struct stat status{};  // of the source, as opened
  DataDone done;
};

bool Copier::copy_regular(Item& item) {
  FileJob job{.source = item.source,
              .target = item.target,
              .parent = item.entry.parent,
              .target_directory = item.entry.target_directory,
              .seen = item.status,
              .follow = item.follow,
              .is_new = item.is_new,
              .dangling = item.dangling,
              .omitted = options_.preserve.ownership ? mode_t{077} : mode_t{0},
              .source_fd = {},
              .status = {},
              .done = {}};
  // Hard links to it, and its backup, need to know at once whether it is there.
  const bool alone = !item.noted && !item.backup && !item.entry.command_line;
  const bool worth_it = options_.jobs != 0 || item.status.st_size <= kSmallFile;
  if (!pool_.is_parallel() || !alone || !worth_it) return run_job(job);
  ++job.parent->under_way;
  // What the first files were: where these are clones, so are the others.
  const Counters& counters = report_.counters();
  if (options_.jobs == 0 && counters.shared > counters.copied) pool_.at_most(kJobsOfClones);
  pool_.submit([this, job = std::move(job)]() mutable {
    if (!run_job(job)) jobs_failed_ = true;
    let_go(std::move(job.parent));
  });
  return true;
}

bool Copier::run_job(FileJob& job) {
  if (!open_source(job)) return false;
  const bool copied = job.is_new ? copy_to_new(job) : copy_to_existing(job);
  if (copied) report_.file_done(job.source.shown, job.target.shown, job.done);
  return copied;
}

bool Copier::open_source(FileJob& job) {
  const bool no_link = job.follow == Follow::kNo && S_ISREG(job.seen.st_mode);
  auto fd = open_place(job.source, O_RDONLY | (no_link ? O_NOFOLLOW : 0));
  if (!fd)
    return fail(fmt::format("cannot open {} for reading", quote(job.source.shown)),
                fd.error().number);
  const auto status = stat_fd(fd->get());
  if (!status)
    return fail(fmt::format("cannot fstat {}", quote(job.source.shown)), status.error().number);
  if (id_of(*status) != id_of(job.seen)) {
    return fail(fmt::format("skipping file {}, as it was replaced while being copied",
                            quote(job.source.shown)));
  }
  job.source_fd = std::move(*fd);
  job.status = *status;
  return true;
}

bool Copier::copy_to_new(FileJob& job) {
  if (job.dangling)
    return fail(fmt::format("not writing through dangling symlink {}", quote(job.target.shown)));
  const auto cannot_create = [&](int why) {
    return fail(fmt::format("cannot create regular file {}", quote(job.target.shown)), why);
  };
  // Extended attributes can be set on what may be written only.
  const mode_t wanted = job.seen.st_mode & 0777 & ~job.omitted;
  const mode_t extra = options_.preserve.attributes ? S_IWUSR & ~wanted : 0;
  auto file = NewFile::create(job.target, wanted | extra,
                              options_.method == Method::kMmap || options_.method == Method::kAuto);
  if (!file) return cannot_create(file.error().number);
  const auto made = stat_fd(file->fd());
  if (!made)
    return fail(fmt::format("cannot fstat {}", quote(job.target.shown)), made.error().number);
  const DataEnds ends{job.source_fd.get(), file->fd(), job.status, *made, true};
  if (!options_.attributes_only && !copy_content(job, ends)) return false;
  if (!finish_file(job, file->fd(), true)) return false;
  if (extra != 0 && !options_.preserve.mode &&
      ::fchmod(file->fd(), made->st_mode & 07777 & ~extra) != 0) {
    return fail(fmt::format("preserving permissions for {}", quote(job.target.shown)), errno);
  }
  if (const auto published = file->publish(); !published)
    return cannot_create(published.error().number);
  if (options_.sync && !file->sync_name())
    return fail(fmt::format("failed to sync {}", quote(job.target.shown)), errno);
  return true;
}

bool Copier::copy_to_existing(FileJob& job) {
  const bool regular = S_ISREG(job.seen.st_mode);
  const bool mapped = options_.method == Method::kMmap && regular;
  auto fd = open_place(job.target, mapped ? O_RDWR : O_WRONLY);
  bool readable = mapped;
  if (!fd && mapped) {
    fd = open_place(job.target, O_WRONLY);
    readable = false;
  }
  if (!fd && options_.force) {
    const auto removed = remove_place(job.target);
    if (!removed)
      return fail(fmt::format("cannot remove {}", quote(job.target.shown)), removed.error().number);
    report_.line(fmt::format("removed {}", quote(job.target.shown)));
    return copy_to_new(job);
  }
  if (!fd)
    return fail(fmt::format("cannot create regular file {}", quote(job.target.shown)),
                fd.error().number);
  const auto before = stat_fd(fd->get());
  if (!before)
    return fail(fmt::format("cannot fstat {}", quote(job.target.shown)), before.error().number);
  const DataEnds ends{job.source_fd.get(), fd->get(), job.status, *before, readable};
  if (!options_.attributes_only && !copy_content(job, ends)) {
    const auto after = stat_fd(fd->get());
    const bool touched = !after || after->st_size != before->st_size ||
                         after->st_mtim.tv_nsec != before->st_mtim.tv_nsec ||
                         after->st_mtim.tv_sec != before->st_mtim.tv_sec;
    if (S_ISREG(before->st_mode) && touched)
      report_.warning(fmt::format("{} is incomplete", quote(job.target.shown)));
    return false;
  }
  return finish_file(job, fd->get(), false);
}

bool Copier::copy_content(FileJob& job, const DataEnds& ends) {
  const bool may_clone = options_.method == Method::kAuto || options_.method == Method::kClone ||
                         options_.method == Method::kCloneTree || options_.reflink == When::kAlways;
  if (may_clone) {
    const auto cloned = data_.clone(ends, job.done);
    if (!cloned) return tell_data_error(job, cloned.error());
    if (*cloned) return true;
  }
  if (ends.to_status.st_size > 0 && S_ISREG(ends.to_status.st_mode) &&
      ::ftruncate(ends.to, 0) != 0) {
    return tell_data_error(job, {DataFailure::kWrite, errno});
  }
  const auto copied = data_.copy(ends, job.done);
  return copied ? true : tell_data_error(job, copied.error());
}

bool Copier::tell_data_error(const FileJob& job, const DataError& error) {
  const std::string source = quote(job.source.shown);
  const std::string target = quote(job.target.shown);
  switch (error.what) {
    case DataFailure::kRead: return fail(fmt::format("error reading {}", source), error.number);
    case DataFailure::kWrite: return fail(fmt::format("error writing {}", target), error.number);
    case DataFailure::kCopy:
      return fail(fmt::format("error copying {} to {}", source, target), error.number);
    case DataFailure::kClone:
      return fail(fmt::format("failed to clone {} from {}", target, source), error.number);
    case DataFailure::kShrunk:
      return fail(fmt::format("error reading {}: it was truncated while it was copied", source));
  }
  return false;
}

bool Copier::finish_file(FileJob& job, int target_fd, bool is_new) {
  const AttributeCopy what{.source = job.source,
                           .source_fd = job.source_fd.get(),
                           .target = job.target,
                           .target_fd = target_fd,
                           .status = job.status,
                           .is_new = is_new};
  if (!attributes_.copy(what, is_new ? job.omitted & job.status.st_mode : 0)) return false;
  if (options_.sync && ::fsync(target_fd) != 0) {
    return fail(fmt::format("failed to sync {}", quote(job.target.shown)), errno);
  }
  return true;
}

}  // namespace cowfs
