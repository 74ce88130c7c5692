#include "lib/sim/checker.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

namespace cowfs::sim {
namespace {

using Found = std::optional<Violation>;

template <typename... Args>
Found broken(std::string_view invariant, fmt::format_string<Args...> format, Args&&... args) {
  return Violation{std::string(invariant), fmt::format(format, std::forward<Args>(args)...)};
}

/// What all page tables together say of one frame.
struct Mapping {
  std::uint32_t entries = 0;
  bool writable = false;
  bool dirty = false;
};

class Check {
 public:
  explicit Check(const Machine& machine) : machine_(machine) {}

  Found run() {
    if (Found found = scan_tables()) return found;
    for (const auto step : {&Check::frames, &Check::free_list, &Check::sharing, &Check::slots,
                            &Check::backing, &Check::processes}) {
      if (Found found = (this->*step)()) return found;
    }
    return std::nullopt;
  }

 private:
  Found scan_tables() {
    Found found;
    for (const auto& [id, space] : machine_.spaces()) {
      if (!found) found = areas_of(space);
      space.table.for_each([&](PageNumber page, const Entry& entry) {
        if (!found) found = scan_entry(space, page, entry);
      });
    }
    return found;
  }

  static Found areas_of(const AddressSpace& space) {
    std::vector<std::pair<std::uint64_t, std::uint64_t>> places;
    places.reserve(space.areas.size());
    for (const Area& area : space.areas)
      places.emplace_back(raw(area.start), raw(area.start) + area.pages);
    std::ranges::sort(places);
    for (std::size_t i = 1; i < places.size(); ++i) {
      if (places[i].first < places[i - 1].second) return broken("I4", "two areas overlap");
    }
    return std::nullopt;
  }

  Found scan_entry(const AddressSpace& space, PageNumber page, const Entry& entry) {
    const Area* area = space.containing(page);
    if (area == nullptr) return broken("I4", "an entry lies in no area: page {:#x}", raw(page));
    if (entry.swapped()) {
      ++slot_names_[entry.slot];
      return std::nullopt;
    }
    if (entry.frame == kZeroFrame) {
      return entry.writable ? broken("I3", "{} could write the zero frame", area->name)
                            : std::nullopt;
    }
    Mapping& mapping = mappings_[entry.frame];
    ++mapping.entries;
    mapping.writable |= entry.writable;
    mapping.dirty |= entry.dirty;
    if (entry.writable && !area->writable()) {
      return broken("I3", "{}.{} is writable, its area is not", area->name, area->index_of(page));
    }
    if (entry.writable && !area->shared && machine_.frames()[entry.frame].use == FrameUse::kCache) {
      return broken("I3", "{}.{} could write the page of a file", area->name, area->index_of(page));
    }
    return std::nullopt;
  }

  Found frames() {
    std::map<FrameId, std::uint32_t> cached;
    for (const auto& [id, object] : machine_.objects()) {
      for (const CachePage& page : object.pages) {
        if (page.frame) ++cached[*page.frame];
      }
    }
    for (std::uint32_t i = 0; i < machine_.frames().total(); ++i) {
      const FrameId id{i};
      const Frame& frame = machine_.frames()[id];
      const auto mapping = mappings_.find(id);
      const std::uint32_t entries = mapping == mappings_.end() ? 0 : mapping->second.entries;
      const std::uint32_t named = entries + (cached.contains(id) ? cached.at(id) : 0) + frame.pins;
      if (frame.use == FrameUse::kFree && named > 0)
        return broken("I1", "f{} is free and in use", i);
      if (frame.use != FrameUse::kFree && (named != frame.references || named == 0)) {
        return broken("I1", "f{} counts {} references and has {}", i, frame.references, named);
      }
    }
    return std::nullopt;
  }

  Found free_list() {
    std::set<FrameId> free;
    for (const FrameId id : machine_.frames().free_list()) {
      if (!free.insert(id).second) return broken("I2", "f{} is in the free list twice", raw(id));
      if (machine_.frames()[id].use != FrameUse::kFree)
        return broken("I2", "f{} is free and used", raw(id));
    }
    for (std::uint32_t i = 0; i < machine_.frames().total(); ++i) {
      if (machine_.frames()[FrameId{i}].use == FrameUse::kFree && !free.contains(FrameId{i})) {
        return broken("I2", "f{} is neither used nor in the free list", i);
      }
    }
    return std::nullopt;
  }

  Found sharing() {
    for (const auto& [id, mapping] : mappings_) {
      const Frame& frame = machine_.frames()[id];
      // (A page of a file may be writable in shared areas and read-only in private ones.)
      if (mapping.writable && mapping.entries > 1 && frame.use == FrameUse::kAnonymous) {
        return broken("I3", "f{} has {} entries, and one of them is writable", raw(id),
                      mapping.entries);
      }
      const bool slot_is_named = frame.slot && slot_names_.contains(*frame.slot);
      if (frame.exclusive && (mapping.entries > 1 || slot_is_named)) {
        return broken("I8", "f{} is exclusive and has {} entries", raw(id), mapping.entries);
      }
    }
    return std::nullopt;
  }

  Found slots() {
    for (const auto& [id, object] : machine_.objects()) {
      for (const CachePage& page : object.pages) {
        if (page.slot) ++slot_names_[*page.slot];
        if (page.slot && page.frame) return broken("I5", "a page is in memory and in a slot");
      }
    }
    const SwapArea& swap = machine_.swap();
    std::set<SlotId> free(swap.free_list().begin(), swap.free_list().end());
    if (free.size() != swap.free_list().size()) return broken("I5", "a slot is free twice");
    for (std::uint32_t i = 0; i < swap.total(); ++i) {
      const SlotId id{i};
      const Slot& slot = swap[id];
      if (slot.used == free.contains(id))
        return broken("I5", "s{} is neither used nor free, or both", i);
      const std::uint32_t names = slot_names_.contains(id) ? slot_names_.at(id) : 0;
      if ((slot.used ? slot.references : 0) != names) {
        return broken("I5", "s{} counts {} references and has {}", i, slot.references, names);
      }
      if (slot.used && slot.resident && machine_.frames()[*slot.resident].slot != id) {
        return broken("I5", "s{} and its frame disagree", i);
      }
    }
    return std::nullopt;
  }

  bool dirty(FrameId id, bool noticed) const {
    const auto mapping = mappings_.find(id);
    return machine_.frames()[id].dirty ||
           (!noticed && mapping != mappings_.end() && mapping->second.dirty);
  }

  Found backing() {
    for (const auto& [id, object] : machine_.objects()) {
      const bool noticed = machine_.settings().write_notify && object.kind == FileKind::kDisk;
      for (std::size_t i = 0; object.kind == FileKind::kDisk && i < object.pages.size(); ++i) {
        const CachePage& page = object.pages[i];
        if (page.frame && !dirty(*page.frame, noticed) &&
            machine_.frames()[*page.frame].bytes != page.disk) {
          return broken("I6", "{}.{} counts as clean and differs from the disk", object.name, i);
        }
      }
    }
    for (std::uint32_t i = 0; i < machine_.frames().total(); ++i) {
      const Frame& frame = machine_.frames()[FrameId{i}];
      if (frame.use == FrameUse::kFree || !frame.slot || dirty(FrameId{i}, false)) continue;
      if (machine_.swap()[*frame.slot].bytes != frame.bytes) {
        return broken("I6", "f{} counts as clean and differs from its slot", i);
      }
    }
    return std::nullopt;
  }

  Found processes() {
    std::map<SpaceId, std::uint32_t> users;
    std::map<std::string, std::uint32_t> waited_for;
    for (const auto& [name, process] : machine_.processes()) {
      if (process.state == ProcessState::kZombie) continue;
      ++users[process.space];
      if (process.vfork_parent.empty()) continue;
      ++waited_for[process.vfork_parent];
      const Process* parent = machine_.process(process.vfork_parent);
      if (parent == nullptr || parent->state != ProcessState::kVforkWait ||
          parent->space != process.space) {
        return broken("I7", "{} does not wait for its vfork child {}", process.vfork_parent, name);
      }
    }
    for (const auto& [name, process] : machine_.processes()) {
      if (process.state == ProcessState::kVforkWait && waited_for[name] != 1) {
        return broken("I7", "{} waits for a vfork child that it has not", name);
      }
    }
    for (const auto& [id, space] : machine_.spaces()) {
      if (space.users != users[id]) {
        return broken("I7", "an address space counts {} users and has {}", space.users, users[id]);
      }
    }
    return std::nullopt;
  }

  const Machine& machine_;
  std::map<FrameId, Mapping> mappings_;
  std::map<SlotId, std::uint32_t> slot_names_;
};

}  // namespace

std::optional<Violation> check_invariants(const Machine& machine) { return Check(machine).run(); }

std::optional<Violation> check_nothing_is_left(Machine& machine) {
  machine.forget_files();
  if (machine.frames().used() != 0) {
    return broken("I10", "{} frames are still used", machine.frames().used());
  }
  if (machine.swap().used() != 0)
    return broken("I10", "{} swap slots are still used", machine.swap().used());
  return std::nullopt;
}

}  // namespace cowfs::sim
