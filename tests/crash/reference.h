// What a store should hold after each operation of a workload, and what is promised of it after a
// crash.
//
// A log of operations, each with the whole state that it leaves: volumes, names, sizes, links,
// extended attributes, bytes, and the place of each block. States share what they have in common,
// so that hundreds of them are small. Beside it, every version that each file ever had: a sector
// that was written in place and not synced may be that of another version, where that version lay
// at the same place.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "lib/base/ids.h"

namespace cowfs {

inline constexpr std::size_t kSectorSize = 512;

/// Where a block of a file lies; object 0: a hole.
struct Place {
  std::uint64_t object = 0;
  std::uint64_t block = 0;

  friend bool operator==(const Place&, const Place&) = default;
};

struct FileVersion {
  std::shared_ptr<const std::string> bytes;
  std::uint32_t links = 0;
  std::uint64_t attributes = 0;  // hash of the extended attributes
  std::vector<Place> places;     // of each block; not filled in what was read from an image

  std::uint64_t size() const { return bytes->size(); }
};
using FileState = std::shared_ptr<const FileVersion>;

struct ExpectedVolume {
  VolumeId id{};
  bool read_only = false;
  std::map<std::pair<InodeNumber, std::string>, InodeNumber> names;  // by directory and name
  std::map<InodeNumber, FileState> files;                            // those that have a name
  std::uint64_t structure = 0;  // hash of all above but the data
};

/// Volumes by name.
using StoreState = std::map<std::string, std::shared_ptr<const ExpectedVolume>>;

/// The first bytes, for messages.
std::string short_text(std::string_view bytes);
std::uint64_t hash_attributes(const std::map<std::string, std::string>& attributes);
std::uint64_t structure_of(const ExpectedVolume& volume);
std::uint64_t structure_of(const StoreState& state);

using FileId = std::pair<VolumeId, InodeNumber>;

struct LoggedOperation {
  std::string text;
  std::size_t begun_at = 0;         // host calls made before it
  std::size_t acknowledged_at = 0;  // and when it returned
  StoreState state;                 // after it
  std::uint64_t structure = 0;
  std::optional<std::size_t> durable_to;  // operations up to this one are durable when it returned
  bool all_data_durable = false;
  std::optional<FileId> file_durable;  // the data of this file
  std::optional<VolumeId> forked;      // the data of this volume, if this operation is there at all
};

/// What was lost.
enum class Loss {
  kPower,    // what was synced is there; the rest perhaps
  kProcess,  // everything that was acknowledged is there; the last host call was cut short
};

/// What a crash after some host call may show: the state after one operation from `durable` to
/// `begun`.
struct CrashBounds {
  std::size_t durable = 0;
  std::size_t acknowledged = 0;
  std::size_t begun = 0;
};

class Reference {
 public:
  /// Operation 0 is the state in which the recording begins: durable.
  void log(LoggedOperation operation);
  void add_version(FileId file, FileState version);

  std::size_t size() const { return log_.size(); }
  const LoggedOperation& operation(std::size_t index) const { return log_.at(index); }

  CrashBounds bounds(std::size_t cut, Loss loss) const;
  /// The last operation that made a file's data durable, as seen from a crash after which
  /// operations up to `acknowledged` had returned and the state of `shown` is there.
  std::size_t data_durable(FileId file, std::size_t acknowledged, std::size_t shown) const;
  /// The last operation up to `operation` that changed a file's size or places.
  std::size_t last_change_of_shape(FileId file, std::size_t operation) const;

  /// Whether the file may show `bytes` (of one sector) at `offset` when they are found at `place`:
  /// some version had all of them there and then, from the one that was current after `from` to the
  /// last up to `to`.
  bool may_show(FileId file, std::size_t offset, std::string_view bytes, Place place,
                std::size_t from, std::size_t to) const;
  /// The versions of what lies at `offset`, for messages.
  std::string describe(FileId file, std::size_t offset) const;

 private:
  struct Version {
    std::size_t operation;
    FileState file;
  };

  std::vector<LoggedOperation> log_;
  std::map<FileId, std::vector<Version>> versions_;
};

}  // namespace cowfs
