// Files: their pages in memory, what is on disk, and when the one becomes the other.
#include <algorithm>

#include "lib/sim/machine.h"

namespace cowfs::sim {

Outcome Machine::add_file(const Operation& op) {
  if (files_.contains(op.name)) return Outcome::kInvalid;
  const ObjectId id{next_object_};
  MemoryObject object;
  object.name = op.name;
  object.kind = op.kind;
  object.is_program = op.verb == Verb::kProgram;
  const std::uint32_t count = object.is_program ? op.layout.text + op.layout.data : op.count;
  object.layout = object.is_program ? op.layout : default_layout(count);
  if (object.kind == FileKind::kMemory && count > frames_.free_list().size())
    return Outcome::kOutOfMemory;
  for (std::uint32_t i = 0; i < count; ++i) {
    CachePage page;
    std::string bytes = filled_page(op.fill, i, settings_.page_size);
    if (object.kind == FileKind::kMemory) {
      page.frame = frames_.allocate(FrameUse::kCache);
      frames_[*page.frame].bytes = std::move(bytes);
      frames_[*page.frame].owner = {id, i};
      frames_[*page.frame].dirty = true;
    } else {
      page.disk = std::move(bytes);
    }
    object.pages.push_back(std::move(page));
  }
  ++next_object_;
  objects_.emplace(id, std::move(object));
  files_.emplace(op.name, id);
  return Outcome::kOk;
}

Outcome Machine::file_operation(Process& process, const Operation& op, StepResult& result) {
  const auto object = file(op.name);
  if (!object) return Outcome::kInvalid;
  ++counters_.syscalls;
  counters_.nanoseconds += cost::kSyscall;
  switch (op.verb) {
    case Verb::kOpen: return Outcome::kOk;
    case Verb::kStat:
      result.number = objects_.at(*object).pages.size() * std::uint64_t{settings_.page_size};
      return Outcome::kOk;
    case Verb::kClose: return close(process, *object);
    case Verb::kTruncate: return truncate(*object, op.count);
    case Verb::kPread: return read_file(*object, op, result);
    case Verb::kPwrite: return write_file(*object, op);
    default: return Outcome::kInvalid;
  }
}

Outcome Machine::read_file(ObjectId object, const Operation& op, StepResult& result) {
  if (op.pages.whole || op.pages.last >= objects_.at(object).pages.size() ||
      op.pages.first > op.pages.last || op.offset >= settings_.page_size) {
    return Outcome::kInvalid;
  }
  for (std::uint32_t i = op.pages.first; i <= op.pages.last; ++i) {
    guarded_.clear();
    const auto frame = cache_frame(object, i);
    if (!frame) return Outcome::kOutOfMemory;
    frames_.touch(*frame);
    result.value += frames_[*frame].bytes.substr(op.offset, 1);
  }
  return Outcome::kOk;
}

Outcome Machine::write_file(ObjectId object, const Operation& op) {
  if (op.pages.whole || op.pages.last >= objects_.at(object).pages.size() ||
      op.pages.first > op.pages.last || op.offset + op.bytes.size() > settings_.page_size) {
    return Outcome::kInvalid;
  }
  if (is_executing(object)) return Outcome::kBusy;
  for (std::uint32_t i = op.pages.first; i <= op.pages.last; ++i) {
    guarded_.clear();
    const auto frame = cache_frame(object, i);
    if (!frame) return Outcome::kOutOfMemory;
    frames_.touch(*frame);
    frames_[*frame].bytes.replace(op.offset, op.bytes.size(), op.bytes);
    frames_[*frame].dirty = true;
  }
  return Outcome::kOk;
}

Outcome Machine::truncate(ObjectId id, std::uint32_t count) {
  if (is_executing(id)) return Outcome::kBusy;
  if (count > kMostAreaPages) return Outcome::kInvalid;
  MemoryObject& object = objects_.at(id);
  for (auto& [space_id, space] : spaces_) {
    for (Area& area : space.areas) {
      if (area.object != id) continue;
      for (std::uint32_t i = 0; i < area.pages; ++i) {
        Entry* entry = space.table.find(area.page_at(i));
        if (entry != nullptr && area.object_page + i >= count) zap(space, area.page_at(i), *entry);
      }
    }
  }
  while (object.pages.size() > count) {
    drop_cache_page(object.pages.back());
    object.pages.pop_back();
  }
  while (object.pages.size() < count) {
    object.pages.emplace_back();
    if (object.kind == FileKind::kDisk) object.pages.back().disk.assign(settings_.page_size, '\0');
  }
  return Outcome::kOk;
}

Outcome Machine::close(Process& process, ObjectId object) {
  if (!settings_.close_writes_back) return Outcome::kOk;
  for (std::uint32_t i = 0; i < objects_.at(object).pages.size(); ++i) write_back(object, i);
  AddressSpace& space = spaces_.at(process.space);
  std::vector<std::string> names;
  for (const Area& area : space.areas) {
    if (area.object == object && !area.from_program) names.push_back(area.name);
  }
  for (const std::string& name : names) remove_area(space, name);
  return Outcome::kOk;
}

Outcome Machine::msync(Process& process, const Operation& op) {
  const Area* area = spaces_.at(process.space).find(op.name);
  if (area == nullptr) return Outcome::kInvalid;
  ++counters_.syscalls;
  counters_.nanoseconds += cost::kSyscall;
  if (!area->shared || !area->object) return Outcome::kOk;
  const auto pages = static_cast<std::uint32_t>(objects_.at(*area->object).pages.size());
  for (std::uint32_t i = area->object_page; i < std::min(area->object_page + area->pages, pages);
       ++i) {
    write_back(*area->object, i);
  }
  return Outcome::kOk;
}

void Machine::write_back_all() {
  for (const auto& [id, object] : objects_) {
    for (std::uint32_t i = 0; i < object.pages.size(); ++i) write_back(id, i);
  }
}

/// Writes the page to disk where it is modified. Where first writes are noticed, every entry of it
/// loses its write permission, so that the next one is (Linux: folio_mkclean()).
void Machine::write_back(ObjectId id, std::uint32_t number) {
  MemoryObject& object = objects_.at(id);
  CachePage& page = object.pages[number];
  if (object.kind != FileKind::kDisk || !page.frame || !is_dirty(*page.frame)) return;
  const FrameId frame = *page.frame;
  page.disk = frames_[frame].bytes;
  frames_[frame].dirty = false;
  const bool protect = notices_writes(id) && !has_bug(SeededBug::kNoReprotectAtMsync);
  for (auto& [space_id, space] : spaces_) {
    space.table.for_each([&](PageNumber, Entry& entry) {
      if (!entry.present() || entry.frame != frame) return;
      entry.dirty = false;
      if (protect) entry.writable = false;
    });
  }
  ++counters_.file_out;
  counters_.nanoseconds += cost::kDisk;
  emit_frame(EventKind::kFileWrite, frame);
}

/// The page in memory; loaded where it is not. Nothing: no frame could be had.
std::optional<FrameId> Machine::cache_frame(ObjectId id, std::uint32_t number) {
  if (const auto& cached = objects_.at(id).pages[number].frame) return cached;
  const auto frame = take_frame(FrameUse::kCache);
  if (!frame) return std::nullopt;
  if (load_page(id, number, *frame)) read_ahead(id, number);
  return frame;
}

/// Fills a frame with a page and enters it in the page cache. True: it came from a disk file.
bool Machine::load_page(ObjectId id, std::uint32_t number, FrameId frame) {
  MemoryObject& object = objects_.at(id);
  CachePage& page = object.pages[number];
  frames_[frame].owner = {id, number};
  page.frame = frame;
  Event event{};
  event.area = object.name;
  event.page = number;
  event.frame = frame;
  if (object.kind == FileKind::kMemory && !page.slot) {
    frames_[frame].bytes.assign(settings_.page_size, '\0');
    frames_[frame].dirty = true;
    ++counters_.zero_fills;
    emit(EventKind::kZeroFill, event);
    return false;
  }
  read_from_disk_ = true;
  counters_.nanoseconds += cost::kDisk;
  if (object.kind == FileKind::kDisk) {
    frames_[frame].bytes = page.disk;
    ++counters_.file_in;
    emit(EventKind::kFileRead, event);
    return true;
  }
  frames_[frame].bytes = swap_[*page.slot].bytes;
  frames_[frame].slot = page.slot;
  swap_[*page.slot].resident = frame;
  --swap_[*page.slot].references;
  event.slot = page.slot;
  page.slot.reset();
  ++counters_.swap_in;
  emit(EventKind::kSwapIn, event);
  return false;
}

/// Further pages of the file into free frames; nothing is replaced for them.
void Machine::read_ahead(ObjectId id, std::uint32_t number) {
  const auto pages = static_cast<std::uint32_t>(objects_.at(id).pages.size());
  Event event{};
  for (std::uint32_t i = number + 1; i < std::min(number + settings_.readahead, pages); ++i) {
    if (objects_.at(id).pages[i].frame) continue;
    const auto frame = frames_.allocate(FrameUse::kCache);
    if (!frame) break;
    frames_[*frame].bytes = objects_.at(id).pages[i].disk;
    frames_[*frame].owner = {id, i};
    objects_.at(id).pages[i].frame = frame;
    ++counters_.file_in;
    ++event.count;
  }
  if (event.count > 0) emit(EventKind::kReadAhead, event);
}

Outcome Machine::warm(std::string_view name) {
  const auto object = file(name);
  if (!object) return Outcome::kInvalid;
  for (std::uint32_t i = 0; i < objects_.at(*object).pages.size(); ++i) {
    guarded_.clear();
    if (!cache_frame(*object, i)) return Outcome::kOutOfMemory;
  }
  return Outcome::kOk;
}

void Machine::drop_cache_page(CachePage& page) {
  if (page.frame) put_frame(*page.frame);
  if (page.slot) {
    --swap_[*page.slot].references;
    put_slot(*page.slot);
  }
  page = CachePage{};
}

void Machine::drop_object(ObjectId id) {
  for (CachePage& page : objects_.at(id).pages) drop_cache_page(page);
  objects_.erase(id);
}

void Machine::drop_object_if_unused(ObjectId id) {
  if (!objects_.at(id).name.empty()) return;
  const bool used = std::ranges::any_of(spaces_, [id](const auto& item) {
    return std::ranges::any_of(item.second.areas,
                               [id](const Area& area) { return area.object == id; });
  });
  if (!used) drop_object(id);
}

void Machine::forget_files() {
  files_.clear();
  while (!objects_.empty()) drop_object(objects_.begin()->first);
}

bool Machine::notices_writes(ObjectId object) const {
  return settings_.write_notify && objects_.at(object).kind == FileKind::kDisk;
}

// Linux: ETXTBSY. A program that runs is not written; it is not mapped shared here either.
bool Machine::is_executing(ObjectId id) const {
  return std::ranges::any_of(spaces_, [id](const auto& item) {
    return std::ranges::any_of(item.second.areas, [id](const Area& area) {
      return area.from_program && area.object == id;
    });
  });
}

bool Machine::is_mapped_shared(ObjectId id) const {
  return std::ranges::any_of(spaces_, [id](const auto& item) {
    return std::ranges::any_of(item.second.areas,
                               [id](const Area& area) { return area.shared && area.object == id; });
  });
}

std::string Machine::page_of_object(const MemoryObject& object, std::uint32_t number) const {
  const CachePage& page = object.pages[number];
  if (page.frame) return frames_[*page.frame].bytes;
  if (page.slot) return swap_[*page.slot].bytes;
  return object.kind == FileKind::kDisk ? page.disk : std::string(settings_.page_size, '\0');
}

std::optional<std::string> Machine::file_page(std::string_view name, std::uint32_t page) const {
  const auto object = file(name);
  if (!object || page >= objects_.at(*object).pages.size()) return std::nullopt;
  return page_of_object(objects_.at(*object), page);
}

std::optional<std::string> Machine::disk_page(std::string_view name, std::uint32_t page) const {
  const auto object = file(name);
  if (!object || page >= objects_.at(*object).pages.size()) return std::nullopt;
  if (objects_.at(*object).kind != FileKind::kDisk) return std::nullopt;
  return objects_.at(*object).pages[page].disk;
}

}  // namespace cowfs::sim
