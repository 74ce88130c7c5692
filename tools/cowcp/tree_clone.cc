#include "tools/cowcp/tree_clone.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <climits>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <thread>

#include "lib/api/ioctl.h"
#include "tools/cowcp/attributes.h"

namespace cowfs {
namespace {

TreeCloneResult not_done(std::string why) {
  TreeCloneResult result;
  result.why = std::move(why);
  return result;
}

/// Why the daemon refused, or gave up: it says so with a number alone.
TreeCloneResult refused(int error_number) {
  std::string why = std::strerror(error_number);
  if (error_number == EACCES)
    why += ": something in it may not be read, or the destination's directory not be written";
  if (error_number == EOPNOTSUPP) {
    why +=
        ": something in it belongs to another user, is a device, or has attributes that the daemon "
        "leaves to cowcp; or the destination's directory hands down an access control list";
  }
  return not_done(std::move(why));
}

/// Why options ask for something that the daemon does not do; empty: they do not.
std::string unsuited(const CopyOptions& options, const TreeCloneRequest& request) {
  if (options.method != Method::kAuto && options.method != Method::kCloneTree)
    return "another method was asked for";
  if (options.verbose && options.method != Method::kCloneTree) return "-v names each file";
  if (options.json && options.method != Method::kCloneTree) return "--json names each file";
  if (options.reflink == When::kNever) return "--reflink=never";
  if (options.sparse != When::kAuto) return "--sparse";
  if (options.dereference == Dereference::kAlways) return "symbolic links are followed";
  if (options.hard_link || options.symbolic_link || options.attributes_only)
    return "not a copy of content";
  if (options.parents) return "--parents";
  if (options.sync) return "--sync";
  if (options.preserve.no_mode) return "--no-preserve=mode";
  if (options.preserve.links && !request.sole_source) return "several sources may share hard links";
  return {};
}

/// The kernel's table writes blanks and the like as \040.
std::string unescape_mount(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 3 < text.size()) {
      out +=
          static_cast<char>(std::strtoul(std::string(text.substr(i + 1, 3)).c_str(), nullptr, 8));
      i += 3;
    } else {
      out += text[i];
    }
  }
  return out;
}

/// Whether another filesystem is mounted somewhere below a directory: the daemon does not see it,
/// cp does.
bool has_mounts_below(int directory) {
  char path[PATH_MAX];
  const std::string link = fmt::format("/proc/self/fd/{}", directory);
  const ssize_t length = ::readlink(link.c_str(), path, sizeof path);
  std::ifstream table("/proc/self/mountinfo");
  if (length <= 0 || !table) return true;
  const std::string prefix = std::string(path, static_cast<std::size_t>(length)) + "/";
  for (std::string line; std::getline(table, line);) {
    std::size_t begin = 0;
    for (int field = 0; field < 4; ++field) begin = line.find(' ', begin) + 1;
    if (unescape_mount(line.substr(begin, line.find(' ', begin) - begin)).starts_with(prefix))
      return true;
  }
  return false;
}

std::uint32_t preserve_flags(const Preserve& preserve) {
  return (preserve.mode ? api::kPreserveMode : 0U) |
         (preserve.ownership ? api::kPreserveOwnership : 0U) |
         (preserve.timestamps ? api::kPreserveTimestamps : 0U) |
         (preserve.links ? api::kPreserveLinks : 0U) |
         (preserve.attributes ? api::kPreserveAttributes : 0U);
}

constexpr std::array kEndingSignals{SIGINT, SIGTERM, SIGHUP};

// A signal handler has nothing else to write to.
volatile std::sig_atomic_t noted_signal = 0;

/// While it lives, the first signal that would end this program is only noted; the second one of
/// its kind ends it.
class HeldSignals {
 public:
  HeldSignals() {
    noted_signal = 0;
    for (std::size_t i = 0; i < before_.size(); ++i) {
      struct sigaction held{};
      held.sa_handler = [](int signal) { noted_signal = signal; };
      held.sa_flags = SA_RESETHAND;
      ::sigaction(kEndingSignals[i], nullptr, &before_[i]);
      if (before_[i].sa_handler != SIG_IGN) ::sigaction(kEndingSignals[i], &held, nullptr);
    }
  }
  ~HeldSignals() {
    for (std::size_t i = 0; i < before_.size(); ++i)
      ::sigaction(kEndingSignals[i], &before_[i], nullptr);
    if (noted_signal != 0) ::raise(noted_signal);
  }
  HeldSignals(const HeldSignals&) = delete;
  HeldSignals& operator=(const HeldSignals&) = delete;

  bool noted() const { return noted_signal != 0; }

 private:
  std::array<struct sigaction, kEndingSignals.size()> before_{};
};

/// Asks until the job has ended.
TreeCloneResult wait_for_end(int directory, const TreeCloneWatch& watch) {
  using std::chrono::milliseconds;
  const HeldSignals signals;
  bool cancelled = false;
  for (milliseconds pause{1};; pause = std::min(pause * 2, milliseconds{20})) {
    if (signals.noted() && !cancelled) {
      api::CancelTreeClone cancel;
      cancelled = true;
      if (::ioctl(directory, api::kIoctlCancelTreeClone, &cancel) != 0)
        return not_done(std::strerror(errno));
    }
    api::PollTreeClone request;
    if (::ioctl(directory, api::kIoctlPollTreeClone, &request) != 0)
      return not_done(std::strerror(errno));
    const TreeCloneProgress progress{.inodes = request.inodes,
                                     .files = request.files,
                                     .directories = request.directories,
                                     .shared_bytes = request.shared_bytes,
                                     .hole_bytes = request.hole_bytes};
    watch(progress);
    if (request.state == api::raw(api::TreeCloneState::kDone))
      return {.done = true, .why = {}, .progress = progress};
    if (request.state != api::raw(api::TreeCloneState::kRunning))
      return refused(static_cast<int>(request.error));
    std::this_thread::sleep_for(pause);
  }
}

}  // namespace

TreeCloneResult clone_tree(const CopyOptions& options, const TreeCloneRequest& request,
                           const TreeCloneWatch& watch) {
  if (!options.recursive) return {};
  const auto status = stat_place(
      request.source, options.dereference == Dereference::kNever ? Follow::kNo : Follow::kYes);
  if (!status || !S_ISDIR(status->st_mode)) return {};
  const auto source = open_place(request.source, O_RDONLY | O_DIRECTORY);
  if (!source) return {};
  api::OfferTree offer;
  if (::ioctl(source->get(), api::kIoctlOfferTree, &offer) != 0)
    return errno == ENOTTY ? TreeCloneResult{} : not_done(std::strerror(errno));
  if (std::string why = unsuited(options, request); !why.empty()) return not_done(std::move(why));
  if (stat_place(request.target, Follow::kNo)) return not_done("the destination is there already");
  const auto directory = open_place(
      {request.target.directory, parent_path(request.target.name), {}}, O_RDONLY | O_DIRECTORY);
  if (!directory) return not_done(std::strerror(directory.error().number));
  const auto directory_status = stat_fd(directory->get());
  if (!directory_status || directory_status->st_dev != status->st_dev)
    return not_done("not the same mount");
  if (has_mounts_below(source->get())) return not_done("something is mounted below it");
  api::StartTreeClone start;
  std::memcpy(start.token, offer.token, sizeof start.token);
  start.preserve = preserve_flags(options.preserve);
  start.umask = current_umask() & 0777;
  if (!api::set_name(start.name, last_component(request.target.name)))
    return not_done("the name is too long");
  if (::ioctl(directory->get(), api::kIoctlStartTreeClone, &start) != 0) return refused(errno);
  return wait_for_end(directory->get(), watch);
}

}  // namespace cowfs
