#include "lib/sim/address_space.h"

#include <algorithm>

namespace cowfs::sim {
namespace {

constexpr std::uint64_t kTextStart = 0x400;
constexpr std::uint64_t kBssStart = 0x600;
constexpr std::uint64_t kHeapStart = 0x800;
constexpr std::uint64_t kMappedStart = 0x10000;
constexpr std::uint64_t kStackEnd = 0x7ff00;
constexpr std::uint64_t kSpacing = 1024;  // pages: 4 MiB

}  // namespace

const Area* AddressSpace::find(std::string_view name) const {
  const auto area = std::ranges::find(areas, name, &Area::name);
  return area == areas.end() ? nullptr : &*area;
}

Area* AddressSpace::find(std::string_view name) {
  return const_cast<Area*>(static_cast<const AddressSpace*>(this)->find(name));
}

const Area* AddressSpace::containing(PageNumber page) const {
  const auto area =
      std::ranges::find_if(areas, [page](const Area& one) { return one.contains(page); });
  return area == areas.end() ? nullptr : &*area;
}

Area* AddressSpace::containing(PageNumber page) {
  return const_cast<Area*>(static_cast<const AddressSpace*>(this)->containing(page));
}

PageNumber AddressSpace::place_for(std::uint32_t pages) const {
  const std::uint64_t room = (pages + kSpacing - 1) / kSpacing * kSpacing;
  std::uint64_t start = kMappedStart;
  const auto overlaps = [&](const Area& area) {
    const std::uint64_t end = raw(area.start) + (area.pages + kSpacing - 1) / kSpacing * kSpacing;
    return area.kind == AreaKind::kMapped && raw(area.start) < start + room && end > start;
  };
  for (auto area = areas.begin(); (area = std::ranges::find_if(areas, overlaps)) != areas.end();) {
    start = raw(area->start) + (area->pages + kSpacing - 1) / kSpacing * kSpacing;
  }
  // Areas that do not fit below the stack go above it: addresses are not what is scarce here.
  if (start < kStackEnd && start + room > kStackEnd - kSpacing) start = kStackEnd + kSpacing;
  return PageNumber{start};
}

std::vector<ProgramArea> program_areas(const ProgramLayout& layout) {
  const std::uint64_t data_start = kTextStart + layout.text;
  std::vector<ProgramArea> areas{
      {"text", AreaKind::kText, PageNumber{kTextStart}, layout.text, Access::kReadExecute, 0},
      {"data", AreaKind::kData, PageNumber{data_start}, layout.data, Access::kReadWrite,
       layout.text},
      {"bss", AreaKind::kBss, PageNumber{kBssStart}, layout.bss, Access::kReadWrite, std::nullopt},
      {"heap", AreaKind::kHeap, PageNumber{kHeapStart}, layout.heap, Access::kReadWrite,
       std::nullopt},
      {"stack", AreaKind::kStack, PageNumber{kStackEnd - layout.stack}, layout.stack,
       Access::kReadWrite, std::nullopt}};
  std::erase_if(areas, [](const ProgramArea& area) { return area.pages == 0; });
  return areas;
}

ProgramLayout default_layout(std::uint32_t pages) {
  return {.text = (pages + 1) / 2, .data = pages / 2, .bss = 1, .heap = 0, .stack = 1};
}

}  // namespace cowfs::sim
