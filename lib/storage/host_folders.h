// The folders of a store on the host: where an array's file lies, and which folders hold unsynced
// names.
//
//     STORE/superblock
//     STORE/nodes/0000000000000003
//     STORE/objects/ff/00000000000001ff      by the number's lowest byte; made when first needed
//     STORE/journal/0000000000000001         made when first needed
//
//  1. Every folder is opened from the store's own descriptor, and no symbolic link is followed
//  below it: nothing that
//     lies in a store leads out of it.
//  2. A folder is unsynced from the moment a name in it changed until an fsync of it that began
//  later has succeeded.
//     At opening all are: names may be left over from a process that died.
//
// Locks: one mutex, a leaf; never held over a call to the host.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "lib/base/error.h"
#include "lib/base/mutex.h"
#include "lib/base/unique_fd.h"
#include "lib/storage/storage.h"

namespace cowfs {

class HostFolders {
 public:
  /// Which folder: the store itself, one of its three, or one of the 256 of objects.
  enum class Folder : std::uint16_t {
    kStore = 0,
    kNodes = 1,
    kObjects = 2,
    kJournal = 3,
    kFirstOfObjects = 4
  };

  explicit HostFolders(UniqueFd store) : store_(std::move(store)) {
    unsynced_.fill(Unsynced{1, 0});
  }

  int store_fd() const { return store_.get(); }

  /// The folder that an array's file lies in, and the file's name there.
  static Folder folder_of(ArrayName name);
  static std::string file_of(ArrayName name);

  /// Opens a folder. kNotFound when it was not made yet.
  Result<UniqueFd> open(Folder folder) const;
  /// As open, making the folder (and nothing above it but objects') when it is missing.
  Result<UniqueFd> open_or_make(Folder folder);

  /// Says that a name in a folder came or went. Called after the host call.
  void note_change(Folder folder) COWFS_EXCLUDES(mutex_);
  /// fsync of all folders that hold unsynced names of a kind, and of those above them.
  Result<void> sync(ArrayKind kind);

  /// The numbers of all arrays of a kind, in ascending order. Files with other names are passed
  /// over.
  Result<std::vector<std::uint64_t>> list(ArrayKind kind) const;

 private:
  static constexpr std::size_t kFolders = 4 + 256;
  struct Unsynced {
    std::uint64_t changes;
    std::uint64_t synced;  // the value of `changes` that is known durable
  };

  static Folder parent_of(Folder folder);
  static std::string name_of(Folder folder);
  Result<void> sync_folder(Folder folder) COWFS_EXCLUDES(mutex_);
  Result<void> list_folder(Folder folder, std::vector<std::uint64_t>* numbers) const;

  UniqueFd store_;
  Mutex mutex_;
  std::array<Unsynced, kFolders> unsynced_ COWFS_GUARDED_BY(mutex_);
};

}  // namespace cowfs
