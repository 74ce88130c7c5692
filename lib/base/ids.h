// The numbers of the filesystem, each a type of its own: a block number cannot stand for an inode
// number.
//
// `raw(x)` gives the integer, `Type{n}` makes one. They are scoped enums, so they compare, hash and
// are passed like integers, and mix with nothing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace cowfs {

enum class InodeNumber : std::uint64_t {};   // 40 bits are used; below 16 reserved; 2 is every root
enum class VolumeId : std::uint32_t {};      // 23 bits are used; 0 is `main`
enum class ObjectNumber : std::uint64_t {};  // 0 is "none"
enum class NodeId : std::uint64_t {};        // 0 is "none"
enum class Generation : std::uint64_t {};    // grows with each fork and each checkpoint; 0 is "old"

template <typename Id>
  requires std::is_enum_v<Id>
constexpr auto raw(Id id) {
  return static_cast<std::underlying_type_t<Id>>(id);
}

template <typename Id>
  requires std::is_enum_v<Id>
constexpr Id next(Id id) {
  return static_cast<Id>(raw(id) + 1);
}

inline constexpr InodeNumber kRootInode{2};
inline constexpr InodeNumber kFirstFreeInode{16};
inline constexpr std::uint64_t kInodeLimit = std::uint64_t{1} << 40;   // inode numbers are below
inline constexpr std::uint32_t kVolumeLimit = std::uint32_t{1} << 23;  // volume ids are below
inline constexpr VolumeId kMainVolume{0};
inline constexpr ObjectNumber kNoObject{0};
inline constexpr NodeId kNoNode{0};

inline constexpr std::size_t kBlockSize = 4096;  // bytes
inline constexpr std::size_t kBlockShift = 12;
inline constexpr std::size_t kNodeSize = 4096;  // bytes
inline constexpr std::size_t kNameLimit = 255;  // bytes

}  // namespace cowfs
