// A sparse byte array in memory: pages of 4 KiB where something was written, nothing elsewhere.
//
//  1. A page is never changed once made: a write puts a new one in its place. Copies of an array
//  therefore share pages
//     without a lock, and copying costs a pointer a page.
//  2. No page lies wholly past the end, and the last page is zero past the end.
//
// Not thread-safe.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>

#include "lib/base/bytes.h"
#include "lib/storage/storage.h"

namespace cowfs {

class MemoryArray {
 public:
  static constexpr std::uint64_t kPageSize = 4096;

  std::uint64_t size() const { return size_; }
  /// Pages that take space, reserved ones included.
  std::uint64_t page_count() const { return pages_.size(); }
  /// How many pages a write or a reservation of this range would add.
  std::uint64_t missing_pages(std::uint64_t offset, std::uint64_t length) const;

  void read(std::uint64_t offset, MutableBytes out) const;
  void write(std::uint64_t offset, Bytes in);
  /// Gives every page of the range space, and grows the array to its end.
  void reserve(std::uint64_t offset, std::uint64_t length);
  void punch(std::uint64_t offset, std::uint64_t length);
  void resize(std::uint64_t size_bytes);
  /// resize, when that makes the array larger.
  void grow(std::uint64_t size_bytes);

  /// Same size and same bytes; reserved pages count as the zeros they are.
  friend bool operator==(const MemoryArray& a, const MemoryArray& b);

 private:
  using Page = std::array<std::byte, kPageSize>;
  using Pages = std::map<std::uint64_t, std::shared_ptr<const Page>>;  // by offset / kPageSize

  void zero_within_page(std::uint64_t offset, std::uint64_t length);

  Pages pages_;
  std::uint64_t size_ = 0;
};

/// An array with one owner who changes it, of which frozen copies can be had for nothing: the
/// owner's next change copies the array first.
class SharableArray {
 public:
  SharableArray() : array_(std::make_shared<MemoryArray>()) {}
  explicit SharableArray(std::shared_ptr<const MemoryArray> frozen)
      : array_(std::move(frozen)), frozen_(true) {}

  const MemoryArray& get() const { return *array_; }
  MemoryArray& change();
  /// The array as it is now; it never changes again.
  std::shared_ptr<const MemoryArray> freeze();

 private:
  std::shared_ptr<const MemoryArray> array_;  // made by us, and not const, where !frozen_
  bool frozen_ = false;
};

/// The content of a store at one moment.
using ArraySet = std::map<ArrayName, std::shared_ptr<const MemoryArray>>;

}  // namespace cowfs
