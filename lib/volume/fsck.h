// Checks a whole store, and mends it: what fsck.cowfs does.
//
// How a check works. The newest checkpoint is looked at as it lies on the host
// (lib/store/store_check.h). Where the store was not closed and nothing in it is damaged, recovery
// runs over an overlay in memory (storage/overlay_storage.h) and its result is checked, so that a
// check sees what a mount would see, and changes nothing. Then each volume's items
// (volume_check.h); a volume with the root of one that was checked is skipped.
//
// How a repair works. Where structures are damaged, a new checkpoint is written beside the old ones
// (lib/store/store_repair.h): the old state stays what it is until the superblock switches. Then
// the store is opened as always, and what volumes' items mean is mended by transactions
// (volume_repair.h). Both can be cut off anywhere and begun again.
//
// Not here: options, questions, exit codes (tools/fsck.cowfs).
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "lib/base/ids.h"
#include "lib/storage/storage.h"
#include "lib/store/problem.h"

namespace cowfs {

/// A block that a scrub suspects, as a file has it.
struct SuspectBlock {
  VolumeId volume{};
  InodeNumber inode{};
  std::uint64_t file_block = 0;
  ObjectNumber object{};
  std::uint64_t object_block = 0;
};

struct FsckOptions {
  bool scrub = false;  // read all data and hold it against its checksums
  /// For a scrub beside a daemon: whether a block that does not match the checksum of the held
  /// checkpoint is damaged. The daemon may have overwritten it in place since.
  std::function<Result<bool>(const SuspectBlock&)> is_damaged{};
  /// Told now and then: what is done, how far it is, of how much (0: not known; of a volume, the
  /// inodes of the store, until at its end both are its own).
  std::function<void(std::string_view stage, std::uint64_t done, std::uint64_t total)> progress{};
};

struct FsckReport {
  ProblemList problems;
  bool was_clean = false;  // closed, and both slots of the superblock whole
  std::uint64_t volumes = 0;
  std::uint64_t inodes = 0;  // looked at; those of a tree that volumes share count once
  std::uint64_t nodes = 0;   // tree nodes in use
  std::uint64_t live_blocks = 0;
  std::uint64_t journal_records = 0;  // beyond the checkpoint
  std::uint64_t scrubbed_blocks = 0;
  ProblemList damaged_data;  // that scrubbing found, or the end of an object's file: by
                             // file and offset; nothing mends it
};

/// Changes nothing. kNotAStore, kCorrupted: there is no superblock that could be used. kIo where
/// the host fails.
Result<FsckReport> check_store(Storage& storage, const FsckOptions& options = {});

/// The same of one checkpoint whose superblock is given, while a daemon that owns the store holds
/// it: the journal is not looked at. Data is scrubbed only with FsckOptions::is_damaged, which is
/// asked of each block that does not match for each file that has it.
Result<FsckReport> check_held_checkpoint(Storage& storage, std::string_view superblock,
                                         const FsckOptions& options = {});

/// Mends all that check_store() finds and that can be mended, and what that uncovers. Returns what
/// it mended. The store is closed afterwards; look again with check_store(). Scrubbing mends
/// nothing.
Result<ProblemList> repair_store(Storage& storage, const FsckOptions& options = {});

/// What the superblock says, without looking further: for a store that was closed.
struct FsckGlance {
  bool clean = false;
  std::uint64_t live_blocks = 0;
  std::uint64_t nodes_at_most = 0;
  std::uint64_t checkpoint = 0;
};
Result<FsckGlance> glance_at_store(Storage& storage);

}  // namespace cowfs
