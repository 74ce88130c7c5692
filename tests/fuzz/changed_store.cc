#include "tests/fuzz/changed_store.h"

#include <set>
#include <utility>
#include <vector>

#include "lib/base/xxh3.h"
#include "lib/journal/record.h"
#include "lib/store/superblock.h"
#include "lib/tree/node.h"
#include "tests/fuzz/sample_store.h"

namespace cowfs::fuzz {
namespace {

constexpr int kMostImageChanges = 16;
constexpr std::uint64_t kSlotDistance = 4096;

class Image {
 public:
  explicit Image(const ArraySet& content)
      : storage_(std::make_unique<MemoryStorage>(MemoryStorage::Options{}, content)) {
    for (const auto& [name, array] : content) names_.push_back(name);
  }

  void change(Source& source) {
    const auto what = source.below(8, 1);
    if (what < 3) return patch_node(source);
    if (what == 3)
      return patch({ArrayKind::kSuperblock, 0},
                   source.below(2, 1) * kSlotDistance + source.below(512), source);
    if (what == 4) return patch_item(source);
    const ArrayName name = names_[source.below(names_.size(), 1)];
    const std::uint64_t size = storage_->size(name).value_or(0);
    if (what == 5) patch(name, size == 0 ? 0 : source.below(size, 3), source);
    else if (what == 6) (void)storage_->remove(name);
    else (void)storage_->resize(name, size == 0 ? 0 : source.below(size, 3));
  }

  void seal_nodes() {
    for (const auto& [name, at] : touched_) {
      Node node;
      if (!storage_->read(name, at, node.mutable_page())) continue;
      node.seal();
      (void)storage_->write(name, at, node.mutable_page());
    }
  }
  void seal_superblock() {
    for (const std::uint64_t at : {std::uint64_t{0}, kSlotDistance}) {
      std::string slot = read({ArrayKind::kSuperblock, 0}, at, kSuperblockSize);
      set_checksum(slot, kSuperblockSize - 8, 0);
      write({ArrayKind::kSuperblock, 0}, at, slot);
    }
  }
  void seal_journal() {
    const auto segments = storage_->list(ArrayKind::kJournal);
    for (const std::uint64_t segment : segments.value_or(std::vector<std::uint64_t>{})) {
      const ArrayName name{ArrayKind::kJournal, segment};
      std::string bytes =
          read(name, 0, std::min<std::uint64_t>(storage_->size(name).value_or(0), 1 << 16));
      if (bytes.size() < kSegmentHeadSize) continue;
      set_checksum(bytes, kSegmentHeadSize - 8, 0);
      seal_records(bytes);
      write(name, 0, bytes);
    }
  }
  std::unique_ptr<MemoryStorage> take() { return std::move(storage_); }

 private:
  static constexpr std::size_t kLengthAt = 12;  // in a record

  std::string read(ArrayName name, std::uint64_t at, std::size_t size) {
    std::string bytes(size, '\0');
    (void)storage_->read(name, at, std::as_writable_bytes(std::span(bytes)));
    return bytes;
  }
  void write(ArrayName name, std::uint64_t at, const std::string& bytes) {
    (void)storage_->write(name, at, std::as_bytes(std::span(bytes)));
  }
  /// The checksum of `bytes[from, ...)` up to `end`, at `end` or, where that is before `from`, at
  /// 0.
  static void set_checksum(std::string& bytes, std::size_t end, std::size_t from) {
    const std::uint64_t sum = XXH3_64bits(bytes.data() + from, end - from);
    std::memcpy(bytes.data() + (from == 0 ? end : 0), &sum, sizeof sum);
  }
  static void seal_records(std::string& bytes) {
    for (std::size_t at = kSegmentHeadSize; at + kRecordHeadSize <= bytes.size();) {
      std::uint32_t length = 0;
      std::memcpy(&length, bytes.data() + at + kLengthAt, sizeof length);
      if (length < kRecordHeadSize || length > bytes.size() - at) return;
      std::string record = bytes.substr(at, length);
      set_checksum(record, length, 8);
      bytes.replace(at, length, record);
      at += length;
    }
  }
  void patch(ArrayName name, std::uint64_t at, Source& source) {
    write(name, at, std::string(source.take(1 + source.below(16, 1))));
    if (name.kind == ArrayKind::kNodes) touched_.insert({name, at - at % kNodeSize});
  }
  /// A node that is in use, of the first segment.
  std::uint64_t choose_node(Source& source) {
    const std::uint64_t first = source.below(kSampleNodes);
    for (std::uint64_t i = 0; i < kSampleNodes; ++i) {
      const std::uint64_t at = (first + i) % kSampleNodes * kNodeSize;
      if (read({ArrayKind::kNodes, 0}, at + 8, 4) == "COWN") return at;
    }
    return 0;
  }
  void patch_node(Source& source) {
    const std::uint64_t at = choose_node(source);
    patch({ArrayKind::kNodes, 0}, at + source.below(kNodeSize), source);
  }
  /// The key or the value of an item.
  void patch_item(Source& source) {
    const std::uint64_t at = choose_node(source);
    Node node;
    (void)storage_->read({ArrayKind::kNodes, 0}, at, node.mutable_page());
    if (!node.validate(node.pointer()) || node.count() == 0) return;
    const std::size_t slot = source.below(node.count());
    const bool key = source.below(4, 1) == 0;
    const std::string_view part = key ? node.key(slot) : node.value(slot);
    if (part.empty()) return;
    const auto page = reinterpret_cast<const char*>(node.mutable_page().data());
    patch({ArrayKind::kNodes, 0},
          at + static_cast<std::uint64_t>(part.data() - page) + source.below(part.size()), source);
  }

  static constexpr std::uint64_t kSampleNodes = 256;

  std::unique_ptr<MemoryStorage> storage_;
  std::vector<ArrayName> names_;
  std::set<std::pair<ArrayName, std::uint64_t>> touched_;
};

}  // namespace

std::unique_ptr<MemoryStorage> changed_store(std::uint64_t flags, Source& source) {
  Image image((flags & 1) != 0 ? killed_store() : closed_store());
  for (int i = 0; i < kMostImageChanges && !source.done(); ++i) image.change(source);
  if ((flags & 2) == 0) image.seal_nodes();
  if ((flags & 4) == 0) image.seal_superblock();
  if ((flags & 8) == 0) image.seal_journal();
  return image.take();
}

}  // namespace cowfs::fuzz
