// A store in memory that can record every change, lose power after any of them, and run out of
// space.
//
// For tests of everything above: a test records what the engine does, then asks for the states in
// which a host may come back after a power cut, and opens the engine on each.
//
//     MemoryStorage storage;
//     storage.start_recording();
//     ... work ...
//     for (std::size_t cut = 0; cut <= storage.call_count(); ++cut)
//       for (std::uint64_t seed = 0; seed < 12; ++seed)
//         check(storage.crash_image(cut, CrashChoice::from_seed(seed)));
//
// A failing case is replayed by its cut and its seed alone. Images for ascending cuts cost what
// changed between them, not what was recorded before; an image shares all that it has in common
// with the others.
//
// What a power cut may do is in lib/storage/crash_model.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "lib/base/mutex.h"
#include "lib/storage/crash_model.h"
#include "lib/storage/memory_array.h"
#include "lib/storage/storage.h"
#include "lib/storage/storage_call.h"

namespace cowfs {

class MemoryStorage final : public Storage {
 public:
  struct Options {
    std::optional<std::uint64_t> capacity_bytes;  // kNoSpace beyond, counted in pages of 4 KiB
    bool can_punch = true;
  };

  MemoryStorage() : MemoryStorage(Options{}) {}
  explicit MemoryStorage(Options options) : options_(options) {}
  /// A store that begins with this content.
  MemoryStorage(Options options, const ArraySet& content);

  StorageLimits limits() const override;
  Result<void> create(ArrayName name) override;
  Result<void> remove(ArrayName name) override;
  Result<void> read(ArrayName name, std::uint64_t offset, MutableBytes out) override;
  Result<void> write(ArrayName name, std::uint64_t offset, Bytes in) override;
  Result<void> write_vector(ArrayName name, std::uint64_t offset,
                            const std::vector<Bytes>& in) override;
  Result<void> reserve(ArrayName name, std::uint64_t offset, std::uint64_t length) override;
  Result<void> punch(ArrayName name, std::uint64_t offset, std::uint64_t length) override;
  Result<void> resize(ArrayName name, std::uint64_t size_bytes) override;
  Result<std::uint64_t> size(ArrayName name) override;
  Result<void> sync(ArrayName name) override;
  void start_writeback(ArrayName name) override { (void)name; }
  Result<void> sync_names(ArrayKind kind) override;
  Result<std::vector<std::uint64_t>> list(ArrayKind kind) override;
  Result<StorageSpace> space() override;
  std::string session() const override { return session_; }

  /// Begins a new log. What the store holds now counts as durable.
  void start_recording();
  void stop_recording();

  /// Changes and syncs recorded so far. Calls that failed or changed nothing by nature (reads) are
  /// not.
  std::size_t call_count() const;
  /// The recorded call number `index`, from 0.
  StorageCall call(std::size_t index) const;

  /// The store as a power cut after the first `after_call` recorded calls may leave it (0: before
  /// the first). `after_call` <= call_count(). Not recording, with the same options.
  std::unique_ptr<MemoryStorage> crash_image(std::size_t after_call, CrashChoice choice);

  /// The store as a kill of the process leaves it: all that was written.
  std::unique_ptr<MemoryStorage> kill_image();

  /// All arrays as they are now.
  ArraySet content();
  /// Space taken, in whole pages.
  std::uint64_t used_bytes() const;

 private:
  SharableArray* find(ArrayName name) COWFS_REQUIRES_SHARED(mutex_);
  Result<SharableArray*> find_for(ArrayName name, const char* call) COWFS_REQUIRES_SHARED(mutex_);
  Result<void> check_space(ArrayName name, const char* call, std::uint64_t pages) const
      COWFS_REQUIRES_SHARED(mutex_);
  /// Runs `change` on the array and keeps the count of pages.
  template <typename Change>
  void change_array(SharableArray& array, Change change) COWFS_REQUIRES(mutex_);
  void record(StorageCall call) COWFS_REQUIRES(mutex_);
  ArraySet content_locked() COWFS_REQUIRES(mutex_);

  const Options options_;
  std::string session_ = "1";  // another one in an image of a power cut
  mutable SharedMutex mutex_;  // guards all below; a leaf
  std::map<ArrayName, SharableArray> arrays_ COWFS_GUARDED_BY(mutex_);
  std::uint64_t used_pages_ COWFS_GUARDED_BY(mutex_) = 0;

  bool recording_ COWFS_GUARDED_BY(mutex_) = false;
  ArraySet base_ COWFS_GUARDED_BY(mutex_);  // the content when recording started
  std::vector<StorageCall> calls_ COWFS_GUARDED_BY(mutex_);
  std::optional<CrashModel> model_
      COWFS_GUARDED_BY(mutex_);  // walked to the last cut that was asked for
  std::size_t model_position_ COWFS_GUARDED_BY(mutex_) = 0;
};

}  // namespace cowfs
