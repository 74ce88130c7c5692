// A storage whose changes stay in memory: what is below is read, and never written.
//
// For a look at what recovery would make of a store, without doing it. A page that was written here
// hides the one below; an array that was made, cut or removed here is so here only. Nothing
// survives this object.
//
//  1. The storage below must not change meanwhile.
//  2. punch() is not supported (limits() says so): nothing here wants space back.
//
// Locks: one mutex, a leaf but for the calls to the storage below.
#pragma once

#include <array>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "lib/base/mutex.h"
#include "lib/storage/storage.h"

namespace cowfs {

class OverlayStorage final : public Storage {
 public:
  /// `below` outlives this.
  explicit OverlayStorage(Storage& below) : below_(below) {}

  StorageLimits limits() const override;
  Result<void> create(ArrayName name) override;
  Result<void> remove(ArrayName name) override;
  Result<void> read(ArrayName name, std::uint64_t offset, MutableBytes out) override;
  Result<void> write(ArrayName name, std::uint64_t offset, Bytes in) override;
  Result<void> reserve(ArrayName name, std::uint64_t offset, std::uint64_t length) override;
  Result<void> punch(ArrayName name, std::uint64_t offset, std::uint64_t length) override;
  Result<void> resize(ArrayName name, std::uint64_t size_bytes) override;
  Result<std::uint64_t> size(ArrayName name) override;
  Result<void> sync(ArrayName name) override;
  void start_writeback(ArrayName) override {}
  Result<void> sync_names(ArrayKind) override { return {}; }
  Result<std::vector<std::uint64_t>> list(ArrayKind kind) override;
  Result<StorageSpace> space() override { return below_.space(); }
  std::string session() const override { return below_.session(); }

 private:
  static constexpr std::uint64_t kPageSize = 4096;
  using Page = std::array<std::byte, kPageSize>;

  /// An array that was changed here.
  struct Changed {
    std::uint64_t size = 0;
    std::uint64_t below_end = 0;  // bytes of the array below that still count
    std::map<std::uint64_t, std::unique_ptr<Page>> pages;
  };

  Result<bool> exists(ArrayName name) COWFS_REQUIRES(mutex_);
  /// The entry of an array, made where it is not there yet; kNotFound.
  Result<Changed*> changed(ArrayName name) COWFS_REQUIRES(mutex_);
  Result<void> read_below(ArrayName name, const Changed& array, std::uint64_t offset,
                          MutableBytes out);
  Result<Page*> page_for_change(ArrayName name, Changed& array, std::uint64_t number)
      COWFS_REQUIRES(mutex_);

  Storage& below_;
  Mutex mutex_;
  /// Nothing: removed.
  std::map<ArrayName, std::unique_ptr<Changed>> arrays_ COWFS_GUARDED_BY(mutex_);
};

}  // namespace cowfs
