// One volume: the POSIX meaning of its tree. Inodes, names, attributes, file data, clones.
//
// Every method is one operation: a request comes in, is checked against the tree, and is one
// transaction (larger work is finished in steps; see docs/architecture.md). Permissions are the
// caller's business (the kernel checks them); what depends on the structure is checked here.
//
// Locks: names and attributes are changed under the tree lock alone; file data under the inode's
// own lock (inode_table.h), reads shared, changes exclusive, with the tree lock only for the
// moments in which extents are looked up or changed. Two inodes are locked in the order of (volume,
// inode).
//
// Errors are the codes that POSIX names: kNotFound, kExists, kNotDirectory, kIsDirectory,
// kNotEmpty, kNameTooLong, kInvalidArgument, kTooManyLinks, kNoSpace, kFileTooLarge, kReadOnly
// (every change of a read-only volume), kStale (a volume or an inode that is gone; changes of a
// deleted volume), kNotPermitted, kIo, kCorrupted.
//
// Not here: virtual directories (.cowfs), node ids of the kernel, caches of the kernel (fs/).
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "lib/base/request_context.h"
#include "lib/store/store.h"
#include "lib/volume/attributes.h"

namespace cowfs {

class InodeTable;  // lib/volume/inode_table.h

inline constexpr std::uint32_t kLinkLimit = 65000;
inline constexpr std::uint64_t kFileSizeLimit = (std::uint64_t{1} << 63) - 1;  // bytes
inline constexpr std::size_t kSymlinkLimit = 4095;                             // bytes
inline constexpr std::size_t kAttributeNameLimit = 255;                        // bytes
inline constexpr std::size_t kAttributeValueLimit = 65536;                     // bytes

enum class RenameMode { kReplace, kNoReplace, kExchange };
/// Whether a rename leaves a whiteout, a character device 0:0, under the old name (RENAME_WHITEOUT:
/// overlayfs). Not with kExchange.
enum class Whiteout { kNone, kLeave };
enum class AttributeMode { kAny, kCreate, kReplace };
enum class SeekTarget { kData, kHole };
/// Where blocks of a file lie.
struct BlockPlace {
  ObjectNumber object = kNoObject;  // kNoObject: a hole
  std::uint64_t object_block = 0;
  // blocks that lie there in a row, or that the hole still has; up to kFileBlockLimit
  std::uint64_t count = 0;
  std::uint64_t references = 0;  // to the first of them, as the store counts them; 0 for a hole
};

/// Of a block that was somewhere once.
enum class BlockState {
  kWhole,
  kDamaged,    // it cannot be read
  kElsewhere,  // the file has something else in its place
};

enum class AllocateMode {
  kAllocate,
  kAllocateKeepSize,
  kPunchHole,
  kZeroRange,
  kZeroRangeKeepSize
};

class Volume {
 public:
  Volume(Store& store, VolumeId id);
  ~Volume();
  Volume(const Volume&) = delete;
  Volume& operator=(const Volume&) = delete;

  VolumeId id() const { return id_; }
  Store& store() const { return store_; }

  /// Gives a volume whose tree is empty its root directory (mkfs).
  Result<void> initialize(const RequestContext& context, mode_t permissions);

  // Names (namespace.cc, rename.cc).

  Result<Attributes> lookup(InodeNumber directory, std::string_view name);
  /// A regular file, FIFO, socket or device node: `mode` has the type; owner from the context,
  /// group from a setgid directory. Of the permissions stays what the context's umask leaves, or,
  /// in a directory with a default access control list, what that grants; so for all new inodes
  /// (acl.h). The result counts as opened for writing where `open` is set (see open_file).
  Result<Attributes> make_node(const RequestContext& context, InodeNumber directory,
                               std::string_view name, mode_t mode, std::uint64_t device,
                               bool open = false);
  /// A regular file without a name (O_TMPFILE), opened for writing; link() can name it.
  Result<Attributes> make_unnamed(const RequestContext& context, InodeNumber directory,
                                  mode_t mode);
  Result<Attributes> make_directory(const RequestContext& context, InodeNumber directory,
                                    std::string_view name, mode_t mode);
  Result<Attributes> make_symlink(const RequestContext& context, InodeNumber directory,
                                  std::string_view name, std::string_view target);
  Result<std::string> read_link(InodeNumber inode);
  Result<Attributes> link(const RequestContext& context, InodeNumber inode, InodeNumber directory,
                          std::string_view name);
  /// Both return the inode that lost the name.
  Result<InodeNumber> unlink(const RequestContext& context, InodeNumber directory,
                             std::string_view name);
  Result<InodeNumber> remove_directory(const RequestContext& context, InodeNumber directory,
                                       std::string_view name);
  Result<void> rename(const RequestContext& context, InodeNumber from_directory,
                      std::string_view from_name, InodeNumber to_directory,
                      std::string_view to_name, RenameMode mode,
                      Whiteout whiteout = Whiteout::kNone);
  /// Entries after `cookie` (0: from the start), "." (cookie 1) and ".." (cookie 2) included, until
  /// `visit` returns false. Cookies are below 2^63 and stay valid for the life of an entry, in all
  /// forks. With `attributes`, the visitor gets each entry's too (null else).
  using VisitEntry = std::function<bool(const DirectoryEntry& entry, const Attributes* attributes)>;
  Result<void> read_directory(InodeNumber directory, std::uint64_t cookie, bool attributes,
                              const VisitEntry& visit);
  /// The directory that a directory lies in (the root's is itself).
  Result<InodeNumber> parent_of(InodeNumber directory);
  /// The path of a directory from the volume's root: "" for the root, "a/b". kStale where it was
  /// removed.
  Result<std::string> path_of(InodeNumber directory);

  // Attributes (attributes.cc, extended_attributes.cc).

  Result<Attributes> get_attributes(InodeNumber inode);
  /// A change of size is a truncate: data past it is gone, the rest of its block zero.
  Result<Attributes> set_attributes(const RequestContext& context, InodeNumber inode,
                                    const AttributeChange& change);
  // Access control lists are extended attributes too, under the names of acl.h.
  Result<std::string> get_extended_attribute(InodeNumber inode, std::string_view name);  // kNoData
  Result<std::vector<std::string>> list_extended_attributes(InodeNumber inode);
  /// kExists, kNoData by mode; kTooBig; kRange for a name that is too long or empty. An access list
  /// changes the mode too, and takes setgid from a file whose group the caller is not in; one that
  /// a mode can say as well is none. kInvalidArgument for bytes that are no list, kAccessDenied for
  /// a default list of anything but a directory, kNotSupported for one of a symbolic link.
  Result<void> set_extended_attribute(const RequestContext& context, InodeNumber inode,
                                      std::string_view name, std::string_view value,
                                      AttributeMode mode);
  /// kNoData; lists that are not there are removed all the same, as other filesystems do.
  Result<void> remove_extended_attribute(const RequestContext& context, InodeNumber inode,
                                         std::string_view name);

  // Life of an inode in the kernel (inode_table.h). An inode without names is erased, in the
  // background of the call, when nobody has it open and the kernel has forgotten it.

  /// One more lookup of an inode was told to the kernel; forget() takes `count` back.
  void remember(InodeNumber inode);
  void forget(InodeNumber inode, std::uint64_t count);
  /// `writable`: the file is counted among those whose mappings may hold unwritten pages. kReadOnly
  /// for that in a read-only volume.
  Result<void> open_file(InodeNumber inode, bool writable);
  void close_file(InodeNumber inode, bool writable);
  /// Inodes with an open writer.
  std::vector<InodeNumber> open_writers();

  // Data (file_read.cc, file_write.cc, file_allocate.cc, file_locate.cc,
  // file_verify.cc, clone.cc).

  /// Reads up to `out.size()` bytes from `offset`; returns how many there were before the end of
  /// the file.
  Result<std::size_t> read(InodeNumber inode, std::uint64_t offset, MutableBytes out);
  /// Writes all of `in`, extending the file as needed. `drop_privileges`: clear setuid, setgid (of
  /// group-executable files) and security.capability.
  Result<std::size_t> write(const RequestContext& context, InodeNumber inode, std::uint64_t offset,
                            Bytes in, bool drop_privileges);
  Result<void> allocate(const RequestContext& context, InodeNumber inode, AllocateMode mode,
                        std::uint64_t offset, std::uint64_t length, bool drop_privileges);
  /// kNoSuchOffset at or past the end of the file, or where no data follows.
  Result<std::uint64_t> seek(InodeNumber inode, std::uint64_t offset, SeekTarget target);
  /// Where one block of a regular file lies: for reports and tests. kInvalidArgument for a block
  /// that no file can have.
  Result<BlockPlace> locate(InodeNumber inode, std::uint64_t file_block);
  /// For a check beside the mount that saw this block of this file there: kWhole where it still
  /// lies there and can be read, with its checksum of now.
  Result<BlockState> verify_block(InodeNumber inode, std::uint64_t file_block, ObjectNumber object,
                                  std::uint64_t object_block);
  /// Data and attributes are durable on return.
  Result<void> sync(InodeNumber inode, bool data_only);

  /// As copy_file_range(2): makes [to_offset, +length) of `to` equal to [from_offset, +length) of
  /// `from`, sharing whole blocks and copying unaligned edges; clipped to the source's end. At most
  /// 1 GiB and at most 16 MiB of real copying a call; returns how many bytes are done, 0 at the
  /// source's end. kInvalidArgument for overlapping ranges of one file.
  static Result<std::uint64_t> clone_range(const RequestContext& context, Volume& from,
                                           InodeNumber from_inode, std::uint64_t from_offset,
                                           Volume& to, InodeNumber to_inode,
                                           std::uint64_t to_offset, std::uint64_t length,
                                           bool drop_privileges);

  // Orphans (orphans.cc).

  /// Whether any inode of this volume has no name but is still held.
  bool has_orphans();
  /// Erases all orphans that nobody holds: at a fresh mount of every writable volume, and for new
  /// forks that were made with orphans (`fork_orphans`: in a fork nobody holds them, and a
  /// read-only volume allows this one change).
  Result<void> erase_orphans(bool fork_orphans);

  InodeTable& inodes() { return *inodes_; }

 private:
  friend struct VolumeInternals;

  Store& store_;
  const VolumeId id_;
  std::unique_ptr<InodeTable> inodes_;
};

}  // namespace cowfs
