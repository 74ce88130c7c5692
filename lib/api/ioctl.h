// What tools say to the daemon: ioctls on any open file or directory of a mount (the virtual
// `.cowfs` directories included).
//
// Every request is one structure of a fixed size that travels both ways: the caller fills the
// fields marked [in], the daemon those marked [out]. It begins with a Header that says the version
// of this protocol and the structure's size. How a tool asks:
//
//   api::CreateVolume request{};                       // all zero, header right
//   request.kind = raw(api::Kind::kSnapshot);
//   api::set_name(request.name, "monday");             // false: too long
//   if (::ioctl(fd, api::kIoctlCreateVolume, &request) != 0) ... errno
//
// Invariants
//   1. No structure is larger than 16383 bytes, the most that the kernel passes to a FUSE daemon
//   (14 bits of the request number).
//   2. All fields have explicit widths and lie without hidden padding; reserved fields are zero
//   both ways. The host's byte order (little-endian).
//   3. A name is 1 to 255 bytes and a NUL, the rest of its field zero.
//   4. Numbers, once given, keep their meaning. A change of a structure is a new structure with a
//   new number.
//
// Errors of every request (errno): ENOTTY: the file is not on cowfs, or the daemon does not know
// this request. EPROTO: the header's version or size is not the daemon's. EINVAL: a field outside
// its range, a reserved one not zero, a name not valid (empty, with '/', ".", "..",
// ".cowfs", no NUL). ENOTCONN: the daemon is gone. EIO: the host failed, or the store is damaged.
// Those of one request stand there.
//
// Not here: what the requests do (fs/ops_ioctl.cc), copying of single files (copy_file_range(2)
// does that).
#pragma once

#include <sys/ioctl.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <type_traits>

namespace cowfs::api {

inline constexpr std::uint32_t kProtocolVersion = 1;
inline constexpr unsigned kIoctlGroup = 0xC3;
inline constexpr std::size_t kNameField = 256;       // bytes of a name's field, the NUL included
inline constexpr std::size_t kPayloadLimit = 16383;  // bytes of a structure
inline constexpr std::uint32_t kMainVolumeId = 0;    // the volume `main` that a store is made with
inline constexpr std::uint32_t kVolumeIdLimit = 1U << 23;  // volume ids are below

struct Header {
  std::uint32_t version = kProtocolVersion;
  std::uint32_t size = 0;  // bytes of the whole structure, this header included
};

enum class Kind : std::uint32_t {
  kSnapshot = 1,  // read-only for ever
  kFork = 2,      // writable
};

constexpr std::uint32_t raw(Kind kind) { return static_cast<std::uint32_t>(kind); }

enum VolumeFlag : std::uint32_t {
  kVolumeReadOnly = 1U << 0,   // a snapshot
  kVolumeMounted = 1U << 1,    // the one that is the mount's root
  kVolumeHasParent = 1U << 2,  // made from `parent`; not set for `main`
};

/// One volume. The parent may be deleted by now; its id is still told.
struct VolumeRecord {
  std::uint32_t id = 0;                   // below kVolumeIdLimit
  std::uint32_t parent = 0;               // meaningful with kVolumeHasParent
  std::uint32_t flags = 0;                // of VolumeFlag
  std::uint32_t created_nanoseconds = 0;  // 0 to 999,999,999
  std::int64_t created_seconds = 0;       // since 1970 UTC
  char name[kNameField] =
      {};  // empty: the volume was deleted while the asking descriptor was open in it
};
static_assert(sizeof(VolumeRecord) == 280);

/// Makes a snapshot or a fork of the volume that the descriptor lies in. All that was written
/// before the call is in it, dirty pages of mappings included. EPERM: the caller is neither the
/// mount's owner nor root. EEXIST: the name is taken. EROFS: the mount is read-only. ENOSPC.
/// ESTALE: the descriptor's volume was deleted. EINTR does not happen: the call is not cut short by
/// signals.
struct CreateVolume {
  Header header{kProtocolVersion, sizeof(CreateVolume)};
  std::uint32_t kind = 0;  // [in] of Kind
  std::uint32_t reserved = 0;
  char name[kNameField] = {};  // [in]
  VolumeRecord volume;         // [out] what was made
};
static_assert(sizeof(CreateVolume) == 552);

/// Deletes a volume by name, a fork that is not empty included. Its space comes back in the
/// background. ENOENT: no such volume. EPERM as above. EBUSY: it is the mount's root. EROFS: the
/// mount is read-only.
struct DeleteVolume {
  Header header{kProtocolVersion, sizeof(DeleteVolume)};
  char name[kNameField] = {};  // [in]
};
static_assert(sizeof(DeleteVolume) == 264);

/// Gives a volume another name. ENOENT; EEXIST: the new name is taken; EPERM, EROFS as above.
struct RenameVolume {
  Header header{kProtocolVersion, sizeof(RenameVolume)};
  char name[kNameField] = {};      // [in]
  char new_name[kNameField] = {};  // [in]
};
static_assert(sizeof(RenameVolume) == 520);

inline constexpr std::size_t kListPageRecords = 56;

/// One page of the volumes of the store, in the order of their ids. Begin with cursor 0 and go on
/// with `next_cursor` while `more` is 1. A volume that exists all the while is told exactly once.
struct ListVolumes {
  Header header{kProtocolVersion, sizeof(ListVolumes)};
  std::uint32_t cursor = 0;                // [in] the lowest id to tell
  std::uint32_t next_cursor = 0;           // [out]
  std::uint32_t more = 0;                  // [out] 1: there are volumes from next_cursor on
  std::uint32_t count = 0;                 // [out] records that follow, 0 to kListPageRecords
  VolumeRecord volumes[kListPageRecords];  // [out]
};
static_assert(sizeof(ListVolumes) == 24 + kListPageRecords * sizeof(VolumeRecord));

/// The volume that the descriptor lies in (of a directory `.cowfs`: the volume of the directory
/// that it is in).
struct DescribeVolume {
  Header header{kProtocolVersion, sizeof(DescribeVolume)};
  VolumeRecord volume;  // [out]
};
static_assert(sizeof(DescribeVolume) == 288);

/// Makes everything that was done before the call durable, in all volumes. (Pages dirtied through
/// mappings are the business of msync(2).)
struct SyncStore {
  Header header{kProtocolVersion, sizeof(SyncStore)};
};
static_assert(sizeof(SyncStore) == 8);

/// Space and work waiting, of the whole store. Blocks of 4 KiB.
struct DescribeSpace {
  Header header{kProtocolVersion, sizeof(DescribeSpace)};
  std::uint64_t total_blocks = 0;  // [out] of the host filesystem
  std::uint64_t free_blocks = 0;   // [out] the host's free ones less our reserve
  std::uint64_t live_blocks = 0;   // [out] distinct blocks of file data that any volume refers to
  std::uint64_t live_nodes = 0;    // [out] tree nodes of 4 KiB
  std::uint64_t dirty_nodes = 0;   // [out] not yet in a checkpoint
  // [out] pieces of work that the background reclaim has ahead of it; 0: all space is back
  std::uint64_t pending_reclaim = 0;
  std::uint64_t checkpoints = 0;  // [out] since the mount
  std::uint64_t volumes = 0;      // [out] that have a name
};
static_assert(sizeof(DescribeSpace) == 72);

enum MountFlag : std::uint32_t {
  kMountReadOnly = 1U << 0,
  kMountNoSnapDir = 1U << 1,  // -o nosnapdir: there is no `.cowfs`
};

/// Who answers, and for which store.
struct DescribeDaemon {
  Header header{kProtocolVersion, sizeof(DescribeDaemon)};
  char daemon_version[32] = {};      // [out] as `cowfs --version` says, NUL-terminated
  std::uint8_t store_id[16] = {};    // [out]
  std::uint32_t mount_flags = 0;     // [out] of MountFlag
  std::uint32_t mounted_volume = 0;  // [out] its id
  // [out] the mount's owner: may create and delete volumes, as root may
  std::uint32_t owner_uid = 0;
  std::uint32_t daemon_pid = 0;  // [out] in the daemon's own pid namespace
};
static_assert(sizeof(DescribeDaemon) == 72);

/// Where a block of the descriptor's file lies. A pair of object and object block names one place
/// for good: files that share a block answer the same pair. EISDIR, EINVAL: no regular file. EPERM:
/// a virtual directory.
struct LocateBlock {
  Header header{kProtocolVersion, sizeof(LocateBlock)};
  std::uint64_t file_block = 0;    // [in] of 4 KiB
  std::uint64_t object = 0;        // [out] 0: a hole
  std::uint64_t object_block = 0;  // [out]
  std::uint64_t count = 0;       // [out] blocks that lie there in a row, or that the hole still has
  std::uint64_t references = 0;  // [out] to this block as the store counts them: extents in
                                 // distinct tree leaves; 0: a hole
};
static_assert(sizeof(LocateBlock) == 48);

inline constexpr std::size_t kTokenBytes = 16;

/// Gives a token for the directory that the descriptor is open on: proof, for StartTreeClone, that
/// the caller has opened it for reading. Good for one use, by the same user, within half a minute.
/// ENOTDIR; EBUSY: too many are out.
struct OfferTree {
  Header header{kProtocolVersion, sizeof(OfferTree)};
  std::uint8_t token[kTokenBytes] = {};  // [out]
};
static_assert(sizeof(OfferTree) == 24);

/// What cp's --preserve names.
enum PreserveFlag : std::uint32_t {
  kPreserveMode = 1U << 0,
  kPreserveOwnership = 1U << 1,
  kPreserveTimestamps = 1U << 2,
  kPreserveLinks = 1U << 3,       // hard links inside of the tree
  kPreserveAttributes = 1U << 4,  // extended ones
};

/// Begins to copy the tree of a token, data shared, as `name` into the directory that the
/// descriptor is open on. Symbolic links are copied as they are. The copy appears whole, when the
/// job ends, or not at all. The job belongs to the descriptor: with its last close it is cancelled.
/// EACCES: the token is not good, or a permission is missing that copying file by file would need;
/// EEXIST: the name is taken; EINVAL: the copy would lie in itself; EBUSY: enough jobs are running;
/// EOPNOTSUPP: the daemon cannot tell whether the caller may, or cannot make what cp would. EROFS,
/// ENOSPC.
struct StartTreeClone {
  Header header{kProtocolVersion, sizeof(StartTreeClone)};
  std::uint8_t token[kTokenBytes] = {};  // [in]
  char name[kNameField] = {};            // [in]
  std::uint32_t preserve = 0;            // [in] of PreserveFlag
  std::uint32_t umask = 0;               // [in] of the caller
};
static_assert(sizeof(StartTreeClone) == 288);

enum class TreeCloneState : std::uint32_t { kRunning = 1, kDone = 2, kFailed = 3 };

constexpr std::uint32_t raw(TreeCloneState state) { return static_cast<std::uint32_t>(state); }

/// How far the job of this descriptor is. ENOENT: it has none.
struct PollTreeClone {
  Header header{kProtocolVersion, sizeof(PollTreeClone)};
  std::uint32_t state = 0;         // [out] of TreeCloneState
  std::uint32_t error = 0;         // [out] errno of kFailed; ECANCELED after a CancelTreeClone
  std::uint64_t inodes = 0;        // [out] copied so far, of all kinds
  std::uint64_t files = 0;         // [out] of these: regular files
  std::uint64_t directories = 0;   // [out] and directories
  std::uint64_t shared_bytes = 0;  // [out] of the files: what lies in shared blocks
  std::uint64_t hole_bytes = 0;    // [out] and what does not
};
static_assert(sizeof(PollTreeClone) == 56);

/// Ends the job of this descriptor, soon; what it has made goes, and PollTreeClone then says
/// kFailed with ECANCELED. A job that is done stays done. ENOENT: it has none.
struct CancelTreeClone {
  Header header{kProtocolVersion, sizeof(CancelTreeClone)};
};
static_assert(sizeof(CancelTreeClone) == 8);

/// Makes a checkpoint and has the daemon keep everything on the host that it refers to, until the
/// last close of the descriptor, which is open on a directory: for a check of the store beside the
/// mount. Space is not given back meanwhile. EPERM: the caller is neither the mount's owner nor
/// root. EBUSY: the descriptor holds one, or others hold too many. EINVAL: no directory. EROFS: the
/// mount is read-only, and changes nothing anyway.
struct HoldCheckpoint {
  Header header{kProtocolVersion, sizeof(HoldCheckpoint)};
  std::uint8_t superblock[512] = {};  // [out] its slot's bytes (docs/format.md)
};
static_assert(sizeof(HoldCheckpoint) == 520);

enum class BlockState : std::uint32_t { kWhole = 1, kDamaged = 2, kElsewhere = 3 };

constexpr std::uint32_t raw(BlockState state) { return static_cast<std::uint32_t>(state); }

/// Whether a block of a file, which somebody who reads beside the mount saw at a place, can be read
/// with its checksum of now, while no write of the file is under way. A file, volume or block that
/// is not there any more is kElsewhere. EPERM: the caller is neither the mount's owner nor root.
struct VerifyBlock {
  Header header{kProtocolVersion, sizeof(VerifyBlock)};
  std::uint64_t inode = 0;         // [in] without the volume
  std::uint64_t file_block = 0;    // [in] of 4 KiB
  std::uint64_t object = 0;        // [in]
  std::uint64_t object_block = 0;  // [in]
  std::uint32_t volume = 0;        // [in] its id
  std::uint32_t state = 0;         // [out] of BlockState
};
static_assert(sizeof(VerifyBlock) == 48);

/// The request number of a structure: both directions, its size, our group.
template <typename Request>
constexpr unsigned ioctl_number(unsigned number) {
  static_assert(std::is_trivially_copyable_v<Request> && sizeof(Request) <= kPayloadLimit);
  return _IOC(_IOC_READ | _IOC_WRITE, kIoctlGroup, number, sizeof(Request));
}

inline constexpr unsigned kIoctlDescribeDaemon = ioctl_number<DescribeDaemon>(1);
inline constexpr unsigned kIoctlDescribeVolume = ioctl_number<DescribeVolume>(2);
inline constexpr unsigned kIoctlDescribeSpace = ioctl_number<DescribeSpace>(3);
inline constexpr unsigned kIoctlListVolumes = ioctl_number<ListVolumes>(4);
inline constexpr unsigned kIoctlCreateVolume = ioctl_number<CreateVolume>(5);
inline constexpr unsigned kIoctlDeleteVolume = ioctl_number<DeleteVolume>(6);
inline constexpr unsigned kIoctlRenameVolume = ioctl_number<RenameVolume>(7);
inline constexpr unsigned kIoctlSyncStore = ioctl_number<SyncStore>(8);
inline constexpr unsigned kIoctlLocateBlock = ioctl_number<LocateBlock>(9);
inline constexpr unsigned kIoctlOfferTree = ioctl_number<OfferTree>(10);
inline constexpr unsigned kIoctlStartTreeClone = ioctl_number<StartTreeClone>(11);
inline constexpr unsigned kIoctlPollTreeClone = ioctl_number<PollTreeClone>(12);
inline constexpr unsigned kIoctlCancelTreeClone = ioctl_number<CancelTreeClone>(13);
inline constexpr unsigned kIoctlHoldCheckpoint = ioctl_number<HoldCheckpoint>(14);
inline constexpr unsigned kIoctlVerifyBlock = ioctl_number<VerifyBlock>(15);

/// Puts a name into its field; false where it is empty, too long or has a NUL in it.
inline bool set_name(char (&field)[kNameField], std::string_view name) {
  if (name.empty() || name.size() >= kNameField || name.find('\0') != std::string_view::npos)
    return false;
  std::memset(field, 0, kNameField);
  std::memcpy(field, name.data(), name.size());
  return true;
}

/// The name in a field; empty where the field is empty or has no NUL.
inline std::string_view get_name(const char (&field)[kNameField]) {
  const void* end = std::memchr(field, 0, kNameField);
  return end == nullptr ? std::string_view() : std::string_view(field);
}

}  // namespace cowfs::api
