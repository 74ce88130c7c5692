// The reference while a workload runs: bytes of every file, names, volumes; changed beside the
// store, and turned into a logged state after each operation.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "lib/volume/file_system.h"
#include "tests/crash/reference.h"

namespace cowfs {

struct LiveFile {
  std::shared_ptr<const std::string> bytes = std::make_shared<const std::string>();
  std::map<std::string, std::string> attributes;
  std::uint32_t links = 1;
  FileState logged;  // as it was last logged
};

struct LiveVolume {
  VolumeId id{};
  bool read_only = false;
  std::map<std::pair<InodeNumber, std::string>, InodeNumber> names;
  std::map<InodeNumber, LiveFile> files;  // those without a name, too
  std::set<InodeNumber> directories{kRootInode};
  std::shared_ptr<const ExpectedVolume> logged;
};

class LiveModel {
 public:
  LiveModel() { volumes_["main"].id = kMainVolume; }

  std::map<std::string, LiveVolume>& volumes() { return volumes_; }
  LiveVolume& volume(const std::string& name) { return volumes_.at(name); }

  void write(LiveVolume& volume, InodeNumber file, std::uint64_t offset, std::string_view bytes);
  void resize(LiveVolume& volume, InodeNumber file, std::uint64_t size);
  void zero(LiveVolume& volume, InodeNumber file, std::uint64_t offset, std::uint64_t length,
            bool grows);
  void add_name(LiveVolume& volume, InodeNumber directory, const std::string& name,
                InodeNumber inode);
  /// Takes a name away; the file stays until forget().
  void drop_name(LiveVolume& volume, InodeNumber directory, const std::string& name);
  void forget(LiveVolume& volume, InodeNumber file) { volume.files.erase(file); }

  /// Marks what the next log entry must look at anew.
  void touch(LiveVolume& volume, InodeNumber file) { touched_.insert({volume.id, file}); }
  void touch(LiveVolume& volume) { volume.logged = nullptr; }

  /// Adds the state as it is now to the log; places come from the store.
  Result<void> log(FileSystem& file_system, Reference& reference, LoggedOperation operation);

 private:
  Result<FileState> version_of(Store& store, const LiveVolume& volume, InodeNumber inode);
  static std::shared_ptr<const ExpectedVolume> state_of(const LiveVolume& volume);

  std::map<std::string, LiveVolume> volumes_;
  std::set<FileId> touched_;
};

/// Where the blocks of a file lie.
Result<std::vector<Place>> places_of(Store& store, VolumeId volume, InodeNumber inode,
                                     std::uint64_t size);

}  // namespace cowfs
