// The numbers of the simulator, each a type of its own.
#pragma once

#include <cstdint>

#include "lib/base/ids.h"

namespace cowfs::sim {

enum class FrameId : std::uint32_t {};     // a page of physical memory
enum class SlotId : std::uint32_t {};      // a page of the swap area
enum class ObjectId : std::uint32_t {};    // a file, or the memory behind a shared anonymous area
enum class SpaceId : std::uint32_t {};     // an address space (mm_struct)
enum class PageNumber : std::uint64_t {};  // virtual address / page size

using cowfs::raw;

/// The one frame of zeros that every page read before its first write is mapped to. Never counted.
inline constexpr FrameId kZeroFrame{0xffffffff};

}  // namespace cowfs::sim
