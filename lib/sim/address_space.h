// An address space (mm_struct): its areas, where they lie, and its page table.
//
//   page number   0x400      0x600      0x800   0x10000 ...            0x7ff00
//                 text data  bss        heap    mapped areas, 4 MiB      stack (grows down)
//
// Pages of an area are named by their index from 0; those of the stack count downward from its
// first page.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lib/sim/operation.h"
#include "lib/sim/page_table.h"

namespace cowfs::sim {

enum class AreaKind : std::uint8_t { kText, kData, kBss, kHeap, kStack, kMapped };

inline constexpr std::uint32_t kStackLimit = 8;  // pages to which a stack grows by itself
inline constexpr std::uint32_t kMostAreaPages = 1U << 22;

struct Area {
  std::string name;
  AreaKind kind = AreaKind::kMapped;
  PageNumber start{};  // lowest page
  std::uint32_t pages = 0;
  Access access = Access::kReadWrite;
  bool shared = false;  // else private: copy-on-write
  bool grows_down = false;
  bool anonymous_memory = false;  // it ever had a private page of its own (anon_vma)
  bool from_program = false;      // made by exec of a file
  std::optional<ObjectId> object;
  std::uint32_t object_page = 0;  // that the first page of the area maps

  bool writable() const { return access == Access::kReadWrite; }
  bool executable() const { return access == Access::kReadExecute; }
  bool private_cow() const { return !shared; }

  PageNumber page_at(std::uint32_t index) const {
    return grows_down ? PageNumber{raw(start) + pages - 1 - index} : PageNumber{raw(start) + index};
  }
  std::uint32_t index_of(PageNumber page) const {
    const auto offset = static_cast<std::uint32_t>(raw(page) - raw(start));
    return grows_down ? pages - 1 - offset : offset;
  }
  bool contains(PageNumber page) const {
    return raw(page) >= raw(start) && raw(page) < raw(start) + pages;
  }
};

struct AddressSpace {
  std::vector<Area> areas;
  PageTable table;
  std::uint32_t users = 0;  // processes that run in it

  Area* find(std::string_view name);
  const Area* find(std::string_view name) const;
  Area* containing(PageNumber page);
  const Area* containing(PageNumber page) const;

  /// The lowest 4 MiB place above all mapped areas with room for `pages`.
  PageNumber place_for(std::uint32_t pages) const;
};

/// One area of a program that exec loads: text and data from the file, the rest zero-filled.
struct ProgramArea {
  std::string_view name;
  AreaKind kind;
  PageNumber start;
  std::uint32_t pages;
  Access access;
  std::optional<std::uint32_t> file_page;
};

/// Those with at least one page.
std::vector<ProgramArea> program_areas(const ProgramLayout& layout);

/// How a plain file of `pages` pages is laid out when it is executed.
ProgramLayout default_layout(std::uint32_t pages);

}  // namespace cowfs::sim
