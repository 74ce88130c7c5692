// A Storage that belongs to somebody else, for a store that is open for a moment only.
#pragma once

#include <string>
#include <vector>

#include "lib/storage/storage.h"

namespace cowfs {

class BorrowedStorage final : public Storage {
 public:
  /// `storage` outlives this.
  explicit BorrowedStorage(Storage& storage) : storage_(storage) {}

  StorageLimits limits() const override { return storage_.limits(); }
  Result<void> create(ArrayName name) override { return storage_.create(name); }
  Result<void> remove(ArrayName name) override { return storage_.remove(name); }
  Result<void> read(ArrayName name, std::uint64_t offset, MutableBytes out) override {
    return storage_.read(name, offset, out);
  }
  Result<void> write(ArrayName name, std::uint64_t offset, Bytes in) override {
    return storage_.write(name, offset, in);
  }
  Result<void> write_vector(ArrayName name, std::uint64_t offset,
                            const std::vector<Bytes>& in) override {
    return storage_.write_vector(name, offset, in);
  }
  Result<void> reserve(ArrayName name, std::uint64_t offset, std::uint64_t length) override {
    return storage_.reserve(name, offset, length);
  }
  Result<void> punch(ArrayName name, std::uint64_t offset, std::uint64_t length) override {
    return storage_.punch(name, offset, length);
  }
  Result<void> resize(ArrayName name, std::uint64_t size_bytes) override {
    return storage_.resize(name, size_bytes);
  }
  Result<std::uint64_t> size(ArrayName name) override { return storage_.size(name); }
  Result<void> sync(ArrayName name) override { return storage_.sync(name); }
  void start_writeback(ArrayName name) override { storage_.start_writeback(name); }
  Result<void> sync_names(ArrayKind kind) override { return storage_.sync_names(kind); }
  Result<std::vector<std::uint64_t>> list(ArrayKind kind) override { return storage_.list(kind); }
  Result<StorageSpace> space() override { return storage_.space(); }
  std::string session() const override { return storage_.session(); }

 private:
  Storage& storage_;
};

}  // namespace cowfs
