#include "fs/session.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/mount.h>
#include <unistd.h>

#include <chrono>
#include <cstring>
#include <thread>
#include <utility>

#include "fs/end_watch.h"
#include "fs/handlers.h"
#include "fs/log.h"
#include "fs/mount_options.h"
#include "fs/mount_table.h"

namespace cowfs {

namespace {

// A worker waits while its request does, for a sync above all: with 10, programs that sync in 16
// threads got little more than half as many syncs. Idle ones stay.
constexpr unsigned kMaxWorkers = 32;
constexpr unsigned kMaxWriteBytes = 1U << 20;
// The kernel's own limit for a FUSE mount is 128 KiB, which root may raise: reading a file from a
// cold cache took half the time with this, and no less with more.
constexpr unsigned kReadAheadKib = 512;
constexpr int kWakeSignal = SIGUSR1;
constexpr int kUnmountGraceMs = 1000;
constexpr int kWaitStepMs = 10;

/// What we ask for where kernel and libfuse have it; see docs/decisions for what is left out, and
/// why.
constexpr std::uint64_t kWanted[] = {
    FUSE_CAP_ASYNC_READ,       FUSE_CAP_PARALLEL_DIROPS, FUSE_CAP_READDIRPLUS,
    FUSE_CAP_READDIRPLUS_AUTO, FUSE_CAP_ASYNC_DIO,       FUSE_CAP_HANDLE_KILLPRIV_V2,
    FUSE_CAP_IOCTL_DIR,        FUSE_CAP_CACHE_SYMLINKS,  FUSE_CAP_POSIX_ACL,
    FUSE_CAP_DONT_MASK,  // a default access control list takes the umask's place
};

/// AUTO_INVAL_DATA would check the size and time of a file before each cached read; nobody else
/// changes our files. ATOMIC_O_TRUNC truncates without the inode's lock: pages of mappings that are
/// written meanwhile would come back (fs/fuse/file.c, fuse_open). The others cost more than they
/// bring, or exclude what we need.
constexpr std::uint64_t kUnwanted[] = {
    FUSE_CAP_AUTO_INVAL_DATA, FUSE_CAP_ATOMIC_O_TRUNC,  FUSE_CAP_WRITEBACK_CACHE,
    FUSE_CAP_SPLICE_READ,     FUSE_CAP_SPLICE_WRITE,    FUSE_CAP_SPLICE_MOVE,
    FUSE_CAP_EXPORT_SUPPORT,  FUSE_CAP_HANDLE_KILLPRIV, FUSE_CAP_OVER_IO_URING,
};

void begin_connection(void* mount, fuse_conn_info* connection) {
  for (const std::uint64_t capability : kUnwanted) {
    fuse_compat::set_capability(*connection, capability, false);
  }
  for (const std::uint64_t capability : kWanted) {
    fuse_compat::set_capability(*connection, capability, true);
  }
  connection->max_write = kMaxWriteBytes;
  // The kernel takes the lesser of this and its own, which was widened after mounting.
  connection->max_readahead = kReadAheadKib << 10;
  connection->time_gran = 1;
  fuse_compat::disable_interrupts(*connection);
  static_cast<Mount*>(mount)->ready();
}

fuse_lowlevel_ops make_table() {
  fuse_lowlevel_ops table{};
  table.init = begin_connection;
  add_name_handlers(table);
  add_attribute_handlers(table);
  add_file_handlers(table);
  add_range_handlers(table);
  add_directory_handlers(table);
  add_extended_attribute_handlers(table);
  add_ioctl_handlers(table);
  return table;
}

/// The arguments of fuse_session_new(), which keeps none of them.
class Arguments {
 public:
  explicit Arguments(const Options& options) {
    add("cowfs");
    option("fsname=" + options.source_name);
    option("subtype=" + options.subtype);
    option("default_permissions");
    if (options.read_only) option("ro");
    if (options.is_mount_helper && ::geteuid() == 0) {  // libfuse begins with nosuid and nodev
      option("suid");
      option("dev");
    }
    for (const std::string& word : options.mount_options) {
      if (word != "default_permissions") option(word);
    }
    if (options.debug) add("-d");
  }
  Arguments(const Arguments&) = delete;
  Arguments& operator=(const Arguments&) = delete;
  ~Arguments() { fuse_opt_free_args(&arguments_); }
  fuse_args* get() { return &arguments_; }

 private:
  void add(const std::string& word) { fuse_opt_add_arg(&arguments_, word.c_str()); }
  void option(const std::string& word) {
    add("-o");
    add(escape_mount_option(word));
  }

  fuse_args arguments_{0, nullptr, 0};
};

void do_nothing(int) {}

void allow_waking() {
  struct sigaction action{};
  action.sa_handler = do_nothing;  // without SA_RESTART: a wait is cut short
  ::sigaction(kWakeSignal, &action, nullptr);
}

}  // namespace

Result<std::unique_ptr<Session>> Session::open(Mount& mount, const Options& options) {
  Arguments arguments(options);
  const fuse_lowlevel_ops table = make_table();
  fuse_session* made = fuse_session_new(arguments.get(), &table, sizeof table, &mount);
  if (made == nullptr) {
    return fail(ErrorCode::kInvalidArgument, "mount options: refused by libfuse");
  }
  std::unique_ptr<Session> session(new Session(mount, made));
  if (fuse_session_mount(made, mount.settings().mountpoint.c_str()) != 0) {
    return fail(ErrorCode::kIo, mount.settings().mountpoint + ": cannot be mounted");
  }
  if (!widen_readahead(mount.settings().mountpoint, kReadAheadKib)) {
    log_debug("the kernel reads ahead as far as it does by itself");
  }
  return session;
}

Session::~Session() { fuse_session_destroy(session_); }

int Session::loop() {
  fuse_loop_config* config = fuse_loop_cfg_create();
  fuse_loop_cfg_set_clone_fd(config, 0);
  fuse_loop_cfg_set_max_threads(config, kMaxWorkers);
  fuse_compat::set_unlimited_idle_threads(config);
  looping_ = true;
  const int result = fuse_session_loop_mt(session_, config);
  looping_ = false;
  fuse_loop_cfg_destroy(config);
  return result;
}

Result<void> Session::serve() {
  serving_thread_ = ::pthread_self();
  allow_waking();
  mount_.begin(session_);
  int result = 0;
  {
    Result<EndWatch> watch = EndWatch::begin([this](int signal) { end_by_signal(signal); });
    if (watch) result = loop();
    disconnect();  // before the watch is waited for: its thread may wait for an answer
    if (!watch) return fail(watch.error());
  }
  mount_.end();
  if (result < 0) {
    return fail(ErrorCode::kIo,
                std::string("the connection to the kernel broke: ") + std::strerror(-result));
  }
  return {};
}

void Session::end_by_signal(int signal) {
  const std::string& mountpoint = mount_.settings().mountpoint;
  log_info(fmt::format("{}: unmounting, on signal {}", mountpoint, signal));
  const Result<void> unmounted = unmount(mountpoint, 0);
  unmounted_ = unmounted_ || unmounted;
  if (unmounted && loop_ends()) return;
  log_warning(mountpoint + (unmounted ? ": still mounted in another mount namespace" : ": in use") +
              "; what programs have mapped is flushed, then they are cut off");
  mount_.page_sweep().sweep_all();
  leave_loop();
}

/// Whether the loop ends by itself, as it does when the mount is gone everywhere.
bool Session::loop_ends() const {
  for (int waited_ms = 0; waited_ms < kUnmountGraceMs; waited_ms += kWaitStepMs) {
    if (!looping_ || !is_connected(kWaitStepMs)) return true;
  }
  return false;
}

void Session::leave_loop() {
  while (looping_) {
    fuse_session_exit(session_);
    // libfuse before 3.17 wakes its loop by a signal alone.
    ::pthread_kill(serving_thread_, kWakeSignal);
    std::this_thread::sleep_for(std::chrono::milliseconds(kWaitStepMs));
  }
}

/// Whether the kernel still has the mount somewhere.
bool Session::is_connected(int wait_ms) const {
  pollfd state{fuse_session_fd(session_), 0, 0};
  return ::poll(&state, 1, wait_ms) != 1 || (state.revents & POLLERR) == 0;
}

/// Nobody serves requests any more. The device is replaced at once, under the same number: threads
/// that wait for an answer are let go, and late answers go nowhere. Only then the mount is taken
/// away, which may itself wait for answers.
void Session::disconnect() {
  const bool was_connected = is_connected(0);
  const UniqueFd null(::open("/dev/null", O_RDWR | O_CLOEXEC));
  if (null) ::dup3(null.get(), fuse_session_fd(session_), O_CLOEXEC);
  if (!was_connected || unmounted_) return;
  if (const Result<void> detached = unmount(mount_.settings().mountpoint, MNT_DETACH); !detached) {
    log_warning(detached.error().text);
  }
}

}  // namespace cowfs
