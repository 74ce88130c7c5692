#include "lib/storage/memory_array.h"

#include <algorithm>
#include <cstring>

namespace cowfs {

namespace {

using Page = std::array<std::byte, MemoryArray::kPageSize>;

const std::shared_ptr<const Page>& zero_page() {
  static const std::shared_ptr<const Page> page = std::make_shared<const Page>();
  return page;
}

std::uint64_t page_of(std::uint64_t offset) { return offset / MemoryArray::kPageSize; }
std::uint64_t end_page_of(std::uint64_t end) {
  return (end + MemoryArray::kPageSize - 1) / MemoryArray::kPageSize;
}

}  // namespace

std::uint64_t MemoryArray::missing_pages(std::uint64_t offset, std::uint64_t length) const {
  if (length == 0) return 0;
  const std::uint64_t first = page_of(offset);
  const std::uint64_t end = end_page_of(offset + length);
  const auto present = std::distance(pages_.lower_bound(first), pages_.lower_bound(end));
  return end - first - static_cast<std::uint64_t>(present);
}

void MemoryArray::read(std::uint64_t offset, MutableBytes out) const {
  std::memset(out.data(), 0, out.size());
  if (out.empty()) return;
  const std::uint64_t end = offset + out.size();
  for (auto page = pages_.lower_bound(page_of(offset)); page != pages_.end(); ++page) {
    const std::uint64_t begins = page->first * kPageSize;
    if (begins >= end) break;
    const std::uint64_t from = std::max(begins, offset);
    const std::uint64_t to = std::min(begins + kPageSize, end);
    std::memcpy(out.data() + (from - offset), page->second->data() + (from - begins), to - from);
  }
}

void MemoryArray::write(std::uint64_t offset, Bytes in) {
  if (in.empty()) return;
  grow(offset + in.size());
  while (!in.empty()) {
    const std::uint64_t within = offset % kPageSize;
    const std::size_t length = std::min<std::size_t>(in.size(), kPageSize - within);
    std::shared_ptr<const Page>& slot = pages_[page_of(offset)];
    auto page =
        slot && length < kPageSize ? std::make_shared<Page>(*slot) : std::make_shared<Page>();
    std::memcpy(page->data() + within, in.data(), length);
    slot = std::move(page);
    in = in.subspan(length);
    offset += length;
  }
}

void MemoryArray::reserve(std::uint64_t offset, std::uint64_t length) {
  if (length == 0) return;
  for (std::uint64_t page = page_of(offset); page < end_page_of(offset + length); ++page) {
    pages_.emplace(page, zero_page());
  }
  grow(offset + length);
}

void MemoryArray::zero_within_page(std::uint64_t offset, std::uint64_t length) {
  const auto found = pages_.find(page_of(offset));
  if (found == pages_.end() || length == 0) return;
  auto page = std::make_shared<Page>(*found->second);
  std::memset(page->data() + offset % kPageSize, 0, length);
  found->second = std::move(page);
}

void MemoryArray::punch(std::uint64_t offset, std::uint64_t length) {
  const std::uint64_t end = std::min(offset + length, end_page_of(size_) * kPageSize);
  if (end <= offset) return;
  const std::uint64_t first_whole = end_page_of(offset);
  const std::uint64_t end_whole = page_of(end);
  if (first_whole > end_whole) {  // within one page
    zero_within_page(offset, end - offset);
    return;
  }
  zero_within_page(offset, first_whole * kPageSize - offset);
  zero_within_page(end_whole * kPageSize, end - end_whole * kPageSize);
  pages_.erase(pages_.lower_bound(first_whole), pages_.lower_bound(end_whole));
}

void MemoryArray::resize(std::uint64_t size_bytes) {
  if (size_bytes < size_) {
    pages_.erase(pages_.lower_bound(end_page_of(size_bytes)), pages_.end());
    if (size_bytes % kPageSize != 0)
      zero_within_page(size_bytes, kPageSize - size_bytes % kPageSize);
  }
  size_ = size_bytes;
}

void MemoryArray::grow(std::uint64_t size_bytes) { size_ = std::max(size_, size_bytes); }

bool operator==(const MemoryArray& a, const MemoryArray& b) {
  if (a.size_ != b.size_) return false;
  const auto equals = [](const MemoryArray::Pages& all, const MemoryArray::Pages& other) {
    return std::ranges::all_of(all, [&](const auto& entry) {
      const auto found = other.find(entry.first);
      const auto& theirs = found == other.end() ? zero_page() : found->second;
      return theirs == entry.second || *theirs == *entry.second;
    });
  };
  return equals(a.pages_, b.pages_) && equals(b.pages_, a.pages_);
}

MemoryArray& SharableArray::change() {
  if (frozen_) {
    array_ = std::make_shared<MemoryArray>(*array_);
    frozen_ = false;
  }
  return const_cast<MemoryArray&>(*array_);  // made without const by us
}

std::shared_ptr<const MemoryArray> SharableArray::freeze() {
  frozen_ = true;
  return array_;
}

}  // namespace cowfs
