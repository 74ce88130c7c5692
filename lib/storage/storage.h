// Named byte arrays on the host: the one door to a store.
//
// Everything that cowfs keeps is an array: the superblock, segments of tree nodes, objects with
// file data, segments of the journal. A tenant of this interface keeps them in a host directory
// (HostStorage), or in memory with every call recorded and power cuts at will (MemoryStorage).
//
// What a tenant promises, and no more:
//  1. A write is seen by every later read at once. It survives a power cut only after sync() of
//  that array.
//  2. An array's creation, removal and name survive a power cut only after sync_names().
//  3. Unsynced writes may survive in any subset and order, torn at sector size.
//  4. Bytes that were never written, or were punched, read as zero.
//  5. All calls may be made by any number of threads at once.
//
// Errors: kNotFound, kExists, kNoSpace, kQuotaExceeded, kReadOnly, kAccessDenied, kIo, each with a
// text that names the array and the call. EINTR and short transfers never come out of here: they
// are retried.
#pragma once

#include <compare>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "lib/base/bytes.h"
#include "lib/base/error.h"

namespace cowfs {

enum class ArrayKind : std::uint8_t {
  kSuperblock = 0,  // number 0 only
  kNodes = 1,       // a segment of tree nodes
  kObject = 2,      // file data
  kJournal = 3,     // a segment of the journal
};

struct ArrayName {
  ArrayKind kind = ArrayKind::kSuperblock;
  std::uint64_t number = 0;

  friend auto operator<=>(const ArrayName&, const ArrayName&) = default;
};

/// "objects/00000000000000ff": the name in messages, and the path in a host directory (below two
/// hex digits' folder for objects: "objects/ff/00000000000000ff", by the number's lowest byte).
std::string to_string(ArrayName name);

struct StorageLimits {
  std::uint64_t max_array_bytes = std::uint64_t{1} << 40;
  bool can_punch = true;                   // punch() gives space back
  bool has_descriptors = false;            // descriptor() works
  std::uint32_t atomic_write_bytes = 512;  // an aligned write of this size is whole or not at all
};

struct StorageSpace {
  std::uint64_t total_bytes = 0;
  std::uint64_t free_bytes = 0;  // free to this process
};

enum class StorageMode { kReadWrite, kReadOnly };

class Storage {
 public:
  virtual ~Storage() = default;

  virtual StorageLimits limits() const = 0;

  /// Makes an empty array. kExists where there is one: numbers are never used twice.
  virtual Result<void> create(ArrayName name) = 0;

  /// Removes an array and gives its space back. Reads under way of it still finish.
  virtual Result<void> remove(ArrayName name) = 0;

  /// Reads exactly `out.size()` bytes from `offset`; what lies past the end of the array reads as
  /// zero.
  virtual Result<void> read(ArrayName name, std::uint64_t offset, MutableBytes out) = 0;

  /// Writes all of `in` at `offset`, growing the array as needed.
  virtual Result<void> write(ArrayName name, std::uint64_t offset, Bytes in) = 0;

  /// As write, from several buffers one after another (one host call where the tenant can).
  virtual Result<void> write_vector(ArrayName name, std::uint64_t offset,
                                    const std::vector<Bytes>& in);

  /// Makes the host set space aside for [offset, offset+length), so that writes there do not fail
  /// for want of it; grows the array. Where the host cannot, does nothing and succeeds.
  virtual Result<void> reserve(ArrayName name, std::uint64_t offset, std::uint64_t length) = 0;

  /// Gives the space of [offset, offset+length) back; the range reads as zero. The array's size
  /// stays. Where the host cannot punch (limits), kNotSupported.
  virtual Result<void> punch(ArrayName name, std::uint64_t offset, std::uint64_t length) = 0;

  /// Cuts or extends (with zeros) an array.
  virtual Result<void> resize(ArrayName name, std::uint64_t size_bytes) = 0;

  virtual Result<std::uint64_t> size(ArrayName name) = 0;

  /// Makes all writes, punches and sizes of this array durable that returned before this call
  /// began.
  virtual Result<void> sync(ArrayName name) = 0;

  /// Starts writing an array's unsynced bytes to the device, without waiting and without a promise.
  virtual void start_writeback(ArrayName name) = 0;

  /// Makes all creations and removals of arrays of this kind durable that returned before this call
  /// began.
  virtual Result<void> sync_names(ArrayKind kind) = 0;

  /// The numbers of all arrays of a kind, in ascending order.
  virtual Result<std::vector<std::uint64_t>> list(ArrayKind kind) = 0;

  virtual Result<StorageSpace> space() = 0;

  /// Names the time in which unsynced writes stay readable: the same when a process opens the
  /// arrays that a killed one wrote, another one when the host may have lost power in between.
  virtual std::string session() const = 0;
};

}  // namespace cowfs
