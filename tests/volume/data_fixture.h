// What tests of file data share: bytes that differ everywhere, whole files, extents, references of
// blocks.
#pragma once

#include <string>
#include <vector>

#include "lib/volume/extent_map.h"
#include "lib/volume/own_object.h"
#include "tests/volume/volume_fixture.h"

namespace cowfs {

/// `size` bytes that depend on their place and on `seed`; none is zero.
inline std::string pattern(std::size_t size, unsigned seed = 1) {
  std::string bytes(size, '\0');
  std::uint32_t state = seed * 2654435761u + 1;
  for (char& byte : bytes) {
    state = state * 1664525u + 1013904223u;
    byte = static_cast<char>(1 + (state >> 24) % 255);
  }
  return bytes;
}

class DataTest : public VolumeTest {
 protected:
  static constexpr std::uint64_t kBlock = kBlockSize;
  static constexpr std::uint64_t kMegabyte = std::uint64_t{1} << 20;

  Result<std::size_t> try_write(Volume& to, InodeNumber inode, std::uint64_t offset,
                                std::string_view bytes) {
    return to.write(owner(), inode, offset, std::as_bytes(std::span(bytes)), false);
  }
  void write(InodeNumber inode, std::uint64_t offset, std::string_view bytes) {
    write_in(main(), inode, offset, bytes);
  }
  void write_in(Volume& to, InodeNumber inode, std::uint64_t offset, std::string_view bytes) {
    EXPECT_THAT(try_write(to, inode, offset, bytes), HoldsValue(bytes.size()));
  }
  std::string read(InodeNumber inode, std::uint64_t offset, std::size_t size) {
    return read_in(main(), inode, offset, size);
  }
  static std::string read_in(Volume& from, InodeNumber inode, std::uint64_t offset,
                             std::size_t size) {
    std::string bytes(size, '?');
    const auto count = from.read(inode, offset, std::as_writable_bytes(std::span(bytes)));
    EXPECT_THAT(count, IsOk());
    bytes.resize(count.value_or(0));
    return bytes;
  }
  /// The whole file must be these bytes. (Not EXPECT_EQ: a failure would print megabytes.)
  static void expect_file(Volume& from, InodeNumber inode, std::string_view bytes) {
    const std::string found = read_in(from, inode, 0, bytes.size() + 1);
    ASSERT_EQ(found.size(), bytes.size());
    if (found == bytes) return;
    const auto different = std::ranges::mismatch(found, bytes).in1 - found.begin();
    ASSERT_EQ(static_cast<std::size_t>(different), bytes.size()) << "first difference";
  }
  void expect_file(InodeNumber inode, std::string_view bytes) { expect_file(main(), inode, bytes); }

  Result<void> truncate(InodeNumber inode, std::uint64_t size) {
    AttributeChange change;
    change.size = size;
    const auto changed = main().set_attributes(owner(), inode, change);
    if (!changed) return fail(changed.error());
    return {};
  }
  Result<void> allocate(InodeNumber inode, AllocateMode mode, std::uint64_t offset,
                        std::uint64_t length) {
    return main().allocate(owner(), inode, mode, offset, length, false);
  }
  Result<std::uint64_t> clone(InodeNumber from, std::uint64_t from_offset, InodeNumber to,
                              std::uint64_t to_offset, std::uint64_t length) {
    return Volume::clone_range(owner(), main(), from, from_offset, main(), to, to_offset, length,
                               false);
  }

  std::vector<Extent> extents_of(const Volume& from, InodeNumber inode) {
    const ReadView view(store());
    auto found = find_extents(view, from.id(), inode, {0, kFileBlockLimit}, std::size_t{1} << 20);
    EXPECT_THAT(found, IsOk());
    return found.value_or(std::vector<Extent>{});
  }
  std::vector<Extent> extents_of(InodeNumber inode) { return extents_of(main(), inode); }
  /// Where a block of the file lies now.
  BlockRange place_of(InodeNumber inode, std::uint64_t block) {
    const auto parts = clip_extents(extents_of(inode), {block, block + 1});
    return parts.empty() ? BlockRange{} : parts.front().blocks;
  }
  bool is_hole(InodeNumber inode, std::uint64_t block) { return place_of(inode, block).count == 0; }
  std::uint64_t references(InodeNumber inode, std::uint64_t block) {
    const BlockRange place = place_of(inode, block);
    return store().block_references(place.object, place.first).value_or(0);
  }
  std::optional<OwnObject> own_object(InodeNumber inode, std::uint32_t window = 0) {
    const ReadView view(store());
    return find_own_object(view, kMainVolume, inode, window).value_or(std::nullopt);
  }
  /// The record counts exactly what the extents hold.
  void expect_exact_blocks(Volume& of, InodeNumber inode) {
    std::uint64_t sum = 0;
    for (const Extent& extent : extents_of(of, inode)) sum += extent.blocks.count;
    const auto attributes = of.get_attributes(inode);
    ASSERT_THAT(attributes, IsOk());
    EXPECT_EQ(attributes->blocks, sum);
  }
  void expect_exact_blocks(InodeNumber inode) { expect_exact_blocks(main(), inode); }

  /// After all that can be given back was.
  std::uint64_t live_blocks() {
    EXPECT_THAT(store().reclaim_now(), IsOk());
    return store().space().live_blocks;
  }
};

}  // namespace cowfs
