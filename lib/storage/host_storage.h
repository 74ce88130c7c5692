// A store as a directory on the host: one file an array.
//
// Every access goes through a descriptor of the directory (HostFolders: layout, names) and a
// bounded cache of open files (DescriptorCache). An exclusive flock on the directory says who owns
// the store; it leaves no trace on the host and ends with the process.
//
//  1. All files are 0600 and all folders 0700, whatever the umask.
//  2. No symbolic link inside a store is followed, and what is no regular file there is kCorrupted.
//  3. Opened read-only, nothing is written: every change is kReadOnly, syncs do nothing.
//  4. sync is fdatasync, which covers size and holes; a failed one stays failed
//  (descriptor_cache.h).
//
// Removing an array is one host call. On a host that discards freed blocks it takes long (0.3 ms a
// 4 KiB file on ext4 with `discard`): callers do it in the background.
//
// Not here: what the bytes mean. An empty superblock file makes a store as far as this layer sees.
#pragma once

#include <atomic>
#include <memory>
#include <string>

#include "lib/storage/descriptor_cache.h"
#include "lib/storage/host_folders.h"
#include "lib/storage/storage.h"

namespace cowfs {

class HostStorage final : public Storage {
 public:
  /// Prepares a directory for a store: makes it (0700) when it is missing, sets 0700 on it when it
  /// is empty, and makes the folders in it. kNotDirectory; kExists when it holds anything, be it
  /// `lost+found`: it is left untouched then.
  static Result<void> format_directory(const std::string& path);

  /// format_directory, then opens it for writing although there is no superblock yet: the first
  /// half of mkfs.
  static Result<std::unique_ptr<HostStorage>> create(const std::string& path);

  /// Opens a store and locks it. kNotFound, kNotDirectory, kNotAStore (a directory without the
  /// folders and the superblock), kLocked (another process, or another HostStorage of this one, has
  /// it open).
  static Result<std::unique_ptr<HostStorage>> open(const std::string& path, StorageMode mode);

  /// Opens a store for reading although another process owns it, which keeps what is read as it is.
  static Result<std::unique_ptr<HostStorage>> open_beside(const std::string& path);

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
  void start_writeback(ArrayName name) override;
  Result<void> sync_names(ArrayKind kind) override;
  Result<std::vector<std::uint64_t>> list(ArrayKind kind) override;
  Result<StorageSpace> space() override;
  /// The host's boot id. (A device that is pulled and comes back within one boot goes unnoticed.)
  std::string session() const override;

  /// A descriptor of an array for reading, the caller's own (for the kernel's passthrough).
  Result<UniqueFd> open_descriptor(ArrayName name);

  /// Array files that are open now.
  std::size_t open_count() { return cache_.open_count(); }

 private:
  HostStorage(UniqueFd store, StorageMode mode);
  static Result<std::unique_ptr<HostStorage>> open_locked(const std::string& path,
                                                          StorageMode mode);
  Result<void> check_is_store(const std::string& path) const;

  Result<UniqueFd> open_file(ArrayName name, int flags) const;
  Result<DescriptorCache::Lease> acquire_for_change(ArrayName name, const char* call);
  Result<void> check_change(ArrayName name, const char* call) const;

  const StorageMode mode_;
  HostFolders folders_;
  DescriptorCache cache_;
  std::atomic<bool> can_punch_{
      true};  // until a punch says otherwise: a store that is opened is not touched
};

}  // namespace cowfs
