#include "lib/storage/overlay_storage.h"

#include <algorithm>
#include <set>

namespace cowfs {
namespace {

std::unexpected<Error> not_here(ArrayName name, const char* call) {
  return fail(ErrorCode::kNotFound, to_string(name) + ": " + call + ": no such array");
}

}  // namespace

StorageLimits OverlayStorage::limits() const {
  StorageLimits limits = below_.limits();
  limits.can_punch = false;
  limits.has_descriptors = false;
  return limits;
}

Result<bool> OverlayStorage::exists(ArrayName name) {
  if (const auto found = arrays_.find(name); found != arrays_.end())
    return found->second != nullptr;
  const auto size = below_.size(name);
  if (size) return true;
  if (size.error().code == ErrorCode::kNotFound) return false;
  return fail(size.error());
}

Result<OverlayStorage::Changed*> OverlayStorage::changed(ArrayName name) {
  if (const auto found = arrays_.find(name); found != arrays_.end()) {
    if (found->second == nullptr) return not_here(name, "change");
    return found->second.get();
  }
  COWFS_ASSIGN(const std::uint64_t size, below_.size(name));
  auto made = std::make_unique<Changed>();
  made->size = made->below_end = size;
  return (arrays_[name] = std::move(made)).get();
}

Result<void> OverlayStorage::create(ArrayName name) {
  MutexLock lock(mutex_);
  COWFS_ASSIGN(const bool there, exists(name));
  if (there) return fail(ErrorCode::kExists, to_string(name) + ": create: it exists");
  arrays_[name] = std::make_unique<Changed>();
  return {};
}

Result<void> OverlayStorage::remove(ArrayName name) {
  MutexLock lock(mutex_);
  COWFS_ASSIGN(const bool there, exists(name));
  if (!there) return not_here(name, "remove");
  arrays_[name] = nullptr;
  return {};
}

Result<void> OverlayStorage::read_below(ArrayName name, const Changed& array, std::uint64_t offset,
                                        MutableBytes out) {
  const std::uint64_t count =
      offset < array.below_end ? std::min<std::uint64_t>(out.size(), array.below_end - offset) : 0;
  if (count > 0) COWFS_TRY(below_.read(name, offset, out.first(count)));
  std::ranges::fill(out.subspan(count), std::byte{0});
  return {};
}

Result<void> OverlayStorage::read(ArrayName name, std::uint64_t offset, MutableBytes out) {
  MutexLock lock(mutex_);
  const auto found = arrays_.find(name);
  if (found == arrays_.end()) return below_.read(name, offset, out);
  if (found->second == nullptr) return not_here(name, "read");
  const Changed& array = *found->second;
  COWFS_TRY(read_below(name, array, offset, out));
  const std::uint64_t end = offset + out.size();
  auto page = array.pages.lower_bound(offset / kPageSize);
  for (; page != array.pages.end() && page->first * kPageSize < end; ++page) {
    const std::uint64_t begin = page->first * kPageSize;
    const std::uint64_t from = std::max(begin, offset);
    const std::uint64_t to = std::min({begin + kPageSize, end, std::max(array.size, from)});
    std::ranges::copy(Bytes(*page->second).subspan(from - begin, to - from),
                      out.subspan(from - offset).begin());
  }
  return {};
}

Result<OverlayStorage::Page*> OverlayStorage::page_for_change(ArrayName name, Changed& array,
                                                              std::uint64_t number) {
  auto& slot = array.pages[number];
  if (slot != nullptr) return slot.get();
  auto page = std::make_unique<Page>();
  COWFS_TRY(read_below(name, array, number * kPageSize, *page));
  slot = std::move(page);
  return slot.get();
}

Result<void> OverlayStorage::write(ArrayName name, std::uint64_t offset, Bytes in) {
  MutexLock lock(mutex_);
  COWFS_ASSIGN(Changed * array, changed(name));
  while (!in.empty()) {
    const std::uint64_t within = offset % kPageSize;
    const std::size_t count = std::min<std::size_t>(in.size(), kPageSize - within);
    COWFS_ASSIGN(Page * page, page_for_change(name, *array, offset / kPageSize));
    std::ranges::copy(in.first(count), MutableBytes(*page).subspan(within).begin());
    in = in.subspan(count);
    offset += count;
    array->size = std::max(array->size, offset);
  }
  return {};
}

Result<void> OverlayStorage::reserve(ArrayName name, std::uint64_t offset, std::uint64_t length) {
  MutexLock lock(mutex_);
  COWFS_ASSIGN(Changed * array, changed(name));
  array->size = std::max(array->size, offset + length);
  return {};
}

Result<void> OverlayStorage::punch(ArrayName name, std::uint64_t, std::uint64_t) {
  return fail(ErrorCode::kNotSupported, to_string(name) + ": punch: not on an overlay");
}

Result<void> OverlayStorage::resize(ArrayName name, std::uint64_t size_bytes) {
  MutexLock lock(mutex_);
  COWFS_ASSIGN(Changed * array, changed(name));
  if (size_bytes < array->size) {
    const std::uint64_t last = size_bytes / kPageSize;
    if (size_bytes % kPageSize != 0) {
      COWFS_ASSIGN(Page * page, page_for_change(name, *array, last));
      std::ranges::fill(MutableBytes(*page).subspan(size_bytes % kPageSize), std::byte{0});
    }
    const std::uint64_t first_gone = (size_bytes + kPageSize - 1) / kPageSize;
    array->pages.erase(array->pages.lower_bound(first_gone), array->pages.end());
    array->below_end = std::min(array->below_end, size_bytes);
  }
  array->size = size_bytes;
  return {};
}

Result<std::uint64_t> OverlayStorage::size(ArrayName name) {
  MutexLock lock(mutex_);
  const auto found = arrays_.find(name);
  if (found == arrays_.end()) return below_.size(name);
  if (found->second == nullptr) return not_here(name, "size");
  return found->second->size;
}

Result<void> OverlayStorage::sync(ArrayName name) {
  MutexLock lock(mutex_);
  COWFS_ASSIGN(const bool there, exists(name));
  if (!there) return not_here(name, "sync");
  return {};
}

Result<std::vector<std::uint64_t>> OverlayStorage::list(ArrayKind kind) {
  MutexLock lock(mutex_);
  COWFS_ASSIGN(const auto below, below_.list(kind));
  std::set<std::uint64_t> numbers(below.begin(), below.end());
  for (const auto& [name, array] : arrays_) {
    if (name.kind != kind) continue;
    if (array) numbers.insert(name.number);
    else numbers.erase(name.number);
  }
  return std::vector<std::uint64_t>(numbers.begin(), numbers.end());
}

}  // namespace cowfs
