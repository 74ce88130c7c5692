// Requests of a hostile caller, as the kernel hands them on, through libfuse to the daemon's own
// handlers.
//
// The input is a row of requests, at most kMostRequests: who asks (root or a stranger), of which
// node, with which number and sizes, and bytes. Half of the requests have the size and the header
// that their number asks for; a copy of a tree can have the token that was offered last. Nothing is
// mounted: the session talks to a socket.
#include <linux/fuse.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cstring>

#include "fs/handlers.h"
#include "fs/mount.h"
#include "lib/api/ioctl.h"
#include "lib/base/check.h"
#include "lib/base/unique_fd.h"
#include "lib/volume/file_system.h"
#include "tests/fuzz/sample_store.h"
#include "tests/fuzz/target.h"

namespace cowfs::fuzz {
namespace {

constexpr int kMostRequests = 24;
constexpr uid_t kStranger = 61002;
constexpr std::array<std::size_t, 16> kSizes = {0,
                                                sizeof(api::DescribeDaemon),
                                                sizeof(api::DescribeVolume),
                                                sizeof(api::DescribeSpace),
                                                sizeof(api::ListVolumes),
                                                sizeof(api::CreateVolume),
                                                sizeof(api::DeleteVolume),
                                                sizeof(api::RenameVolume),
                                                sizeof(api::SyncStore),
                                                sizeof(api::LocateBlock),
                                                sizeof(api::OfferTree),
                                                sizeof(api::StartTreeClone),
                                                sizeof(api::PollTreeClone),
                                                sizeof(api::CancelTreeClone),
                                                sizeof(api::HoldCheckpoint),
                                                sizeof(api::VerifyBlock)};
constexpr unsigned kOfferNumber = 10;
constexpr unsigned kStartNumber = 11;

template <typename T>
std::string bytes_of(const T& value) {
  return std::string(reinterpret_cast<const char*>(&value), sizeof value);
}

fuse_session* open_session(Mount& mount) {
  fuse_lowlevel_ops table{};
  add_name_handlers(table);
  add_directory_handlers(table);
  add_ioctl_handlers(table);
  fuse_args arguments{0, nullptr, 0};
  fuse_opt_add_arg(&arguments, "fuzz");
  fuse_session* session = fuse_session_new(&arguments, &table, sizeof table, &mount);
  fuse_opt_free_args(&arguments);
  COWFS_CHECK(session != nullptr);
  return session;
}

/// The ends of a connection: the session's, which it closes, and ours.
std::array<int, 2> connect() {
  std::array<int, 2> ends{};
  COWFS_CHECK(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()) == 0);
  return ends;
}

class Kernel {
 public:
  explicit Kernel(Mount& mount) : session_(open_session(mount)) {
    const std::array<int, 2> ends = connect();
    end_.reset(ends[1]);
    COWFS_CHECK(fuse_session_mount(session_, ("/dev/fd/" + std::to_string(ends[0])).c_str()) == 0);
    fuse_init_in init{};
    init.major = FUSE_KERNEL_VERSION;
    init.minor = 36;
    init.max_readahead = 131072;
    init.flags = FUSE_IOCTL_DIR;
    send(FUSE_INIT, 0, 0, bytes_of(init));
    mount.begin(session_);
  }
  ~Kernel() { fuse_session_destroy(session_); }
  Kernel(const Kernel&) = delete;
  Kernel& operator=(const Kernel&) = delete;

  void send(std::uint32_t opcode, std::uint64_t node, uid_t uid, const std::string& payload) {
    fuse_in_header header{};
    header.len = static_cast<std::uint32_t>(sizeof header + payload.size());
    header.opcode = opcode;
    header.unique = ++unique_;
    header.nodeid = node;
    header.uid = header.gid = uid;
    header.pid = static_cast<std::uint32_t>(::getpid());
    std::string message = bytes_of(header) + payload;
    fuse_buf buffer{};
    buffer.size = message.size();
    buffer.mem = message.data();
    fuse_session_process_buf(session_, &buffer);
    take_answers();
  }
  std::uint64_t open_directory(std::uint64_t node) {
    send(FUSE_OPENDIR, node, 0, bytes_of(fuse_open_in{}));
    return answered<fuse_open_out>().fh;
  }
  void close_directory(std::uint64_t node, std::uint64_t handle) {
    fuse_release_in release{};
    release.fh = handle;
    send(FUSE_RELEASEDIR, node, 0, bytes_of(release));
  }
  /// The last answer, zeros where it is shorter.
  template <typename T>
  T answered(std::size_t skip = 0) {
    T value{};
    const std::size_t from = sizeof(fuse_out_header) + skip;
    if (last_.size() >= from + sizeof value) std::memcpy(&value, last_.data() + from, sizeof value);
    return value;
  }

 private:
  /// Some come later, from the daemon's own threads.
  void take_answers() {
    std::string answer(32768, '\0');
    for (;;) {
      const ssize_t size = ::recv(end_.get(), answer.data(), answer.size(), MSG_DONTWAIT);
      if (size <= 0) return;
      last_ = answer.substr(0, static_cast<std::size_t>(size));
    }
  }

  UniqueFd end_;
  std::string last_;
  fuse_session* session_;
  std::uint64_t unique_ = 0;
};

struct Caller {
  Kernel& kernel;
  const NodeIds& nodes;
  std::uint64_t directory = 0;  // the one that is open
  std::uint64_t handle = 0;
  api::OfferTree offered{};

  std::uint64_t choose_node(Source& source) const {
    switch (source.below(6, 1)) {
      case 0: return FUSE_ROOT_ID;
      case 1: return nodes.of_snapshot_directory(kMainVolume, kRootInode);
      case 2:
        return nodes.of_inode(VolumeId{static_cast<std::uint32_t>(source.below(6, 1))}, kRootInode);
      case 3: return nodes.of_inode(kMainVolume, InodeNumber{source.below(64, 1)});
      case 4: return source.number(8);
      default: return directory;
    }
  }
  std::string choose_bytes(unsigned number, bool sound, Source& source) const {
    if (!sound) return std::string(source.take(source.below(16384)));
    const std::size_t size = kSizes[number];
    std::string bytes =
        bytes_of(api::Header{api::kProtocolVersion, static_cast<std::uint32_t>(size)});
    bytes.resize(size);
    std::size_t at = sizeof(api::Header);
    if (number == kStartNumber && source.flag()) {
      std::memcpy(bytes.data() + at, offered.token, sizeof offered.token);
      at += sizeof offered.token;
    }
    if (source.flag() && size > at) at += source.below(size - at);
    const std::string_view fields = source.take(source.below(80, 1));
    bytes.replace(at, std::min(fields.size(), size - at), fields.substr(0, size - at));
    return bytes;
  }
  void ask(Source& source) {
    const auto number = static_cast<unsigned>(source.below(kSizes.size() + 1, 1));
    const uid_t uid = source.flag() ? kStranger : 0;
    const bool sound = source.flag() && number > 0 && number < kSizes.size();
    const std::uint64_t node = choose_node(source);
    const std::string bytes = choose_bytes(number, sound, source);
    fuse_ioctl_in in{};
    in.fh = node == directory ? handle : source.number(1);
    in.flags = node == directory ? FUSE_IOCTL_DIR : static_cast<std::uint32_t>(source.number(1));
    in.cmd = sound ? static_cast<std::uint32_t>(
                         _IOC(_IOC_READ | _IOC_WRITE, api::kIoctlGroup, number, bytes.size()))
                   : static_cast<std::uint32_t>(source.number(4));
    in.in_size = static_cast<std::uint32_t>(bytes.size());
    in.out_size = sound ? in.in_size : static_cast<std::uint32_t>(source.number(2));
    kernel.send(FUSE_IOCTL, node, uid, bytes_of(in) + bytes);
    if (number == kOfferNumber) offered = kernel.answered<api::OfferTree>(sizeof(fuse_ioctl_out));
  }
};

}  // namespace

COWFS_FUZZ_TARGET(ioctl) {
  Source source(input);
  auto opened = FileSystem::open(
      std::make_unique<MemoryStorage>(MemoryStorage::Options{}, closed_store()), quiet_options());
  COWFS_CHECK(opened.has_value());
  MountSettings settings;
  settings.volume = kMainVolume;
  settings.mountpoint = "/";
  settings.owner_uid = 1000;
  Mount mount(**opened, settings, [] {});
  {
    Kernel kernel(mount);
    const auto directory = (*(*opened)->volume(kMainVolume))->lookup(kRootInode, "directory");
    Caller caller{kernel, mount.nodes(), mount.nodes().of_inode(kMainVolume, directory->inode)};
    caller.handle = kernel.open_directory(caller.directory);
    for (int i = 0; i < kMostRequests && !source.done(); ++i) caller.ask(source);
    kernel.close_directory(caller.directory, caller.handle);
    mount.end();
  }
  COWFS_CHECK((*opened)->close().has_value());
}

}  // namespace cowfs::fuzz
