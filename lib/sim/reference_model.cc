#include "lib/sim/reference_model.h"

#include <algorithm>

namespace cowfs::sim {

ReferenceModel::ReferenceModel(const MachineSettings& settings) : settings_(settings) {}

ReferenceModel::Answer ReferenceModel::apply(const Operation& op) {
  if (op.verb <= Verb::kKill) return of_machine(op);
  const auto task = tasks_.find(op.process);
  if (task == tasks_.end() || task->second.zombie) return {Outcome::kInvalid, {}};
  if (task->second.waits) return {Outcome::kSuspended, {}};
  return of_process(op, task->second);
}

ReferenceModel::Answer ReferenceModel::of_machine(const Operation& op) {
  if (op.verb == Verb::kFile || op.verb == Verb::kProgram) {
    if (files_.contains(op.name)) return {Outcome::kInvalid, {}};
    auto object = std::make_shared<Object>();
    const bool program = op.verb == Verb::kProgram;
    const std::uint32_t count = program ? op.layout.text + op.layout.data : op.count;
    object->layout = program ? op.layout : default_layout(count);
    for (std::uint32_t i = 0; i < count; ++i) {
      object->pages.push_back(filled_page(op.fill, i, settings_.page_size));
    }
    files_.emplace(op.name, std::move(object));
  } else if (op.verb == Verb::kProcess) {
    const auto program = file(op.other);
    if (tasks_.contains(op.process) || (!op.other.empty() && !program))
      return {Outcome::kInvalid, {}};
    if (program && is_mapped_shared(program.get())) return {Outcome::kBusy, {}};
    Task& task = tasks_[op.process];
    task.space = std::make_shared<Space>();
    if (program) load(*task.space, program);
  } else if (op.verb == Verb::kWarm && !file(op.name)) {
    return {Outcome::kInvalid, {}};
  }
  return {};  // what is in memory and what on disk is none of this model's business
}

ReferenceModel::Answer ReferenceModel::of_process(const Operation& op, Task& task) {
  Region* region = find(task, op.name);
  switch (op.verb) {
    case Verb::kRead:
    case Verb::kWrite:
    case Verb::kFetch:
    case Verb::kPin: return access(op, task);
    case Verb::kCopy: return {copy(op, task), {}};
    case Verb::kMap: return {map(op, task), {}};
    case Verb::kFork:
    case Verb::kVfork: return {fork(op, task), {}};
    case Verb::kExec: return {exec(op, task), {}};
    case Verb::kExit: return {exit(op.process, task), {}};
    case Verb::kWait: {
      const auto child = tasks_.find(op.other);
      if (child == tasks_.end() || child->second.parent != op.process)
        return {Outcome::kInvalid, {}};
      if (!child->second.zombie) return {Outcome::kBusy, {}};
      tasks_.erase(child);
      return {};
    }
    case Verb::kLock: {
      const auto [holder, taken] = locks_.try_emplace(op.name, op.process);
      return {taken || holder->second == op.process ? Outcome::kOk : Outcome::kBusy, {}};
    }
    case Verb::kUnlock: {
      const auto lock = locks_.find(op.name);
      if (lock == locks_.end() || lock->second != op.process) return {Outcome::kInvalid, {}};
      locks_.erase(lock);
      return {};
    }
    case Verb::kUnpin: return {};  // whether it is pinned is the machine's business
    case Verb::kUnmap:
    case Verb::kProtect:
    case Verb::kDontneed:
    case Verb::kMsync: break;
    default: return of_file(op, task);
  }
  if (region == nullptr) return {Outcome::kInvalid, {}};
  if (op.verb == Verb::kProtect) region->access = op.access;
  if (op.verb == Verb::kUnmap) {
    std::erase_if(task.space->regions, [&](const Region& one) { return one.name == op.name; });
  } else if (op.verb == Verb::kDontneed) {
    const std::uint32_t last = op.pages.whole ? region->pages - 1 : op.pages.last;
    const std::uint32_t first = op.pages.whole ? 0 : op.pages.first;
    if (first > last || last >= region->pages) return {Outcome::kInvalid, {}};
    std::erase_if(region->own,
                  [&](const auto& page) { return page.first >= first && page.first <= last; });
  }
  return {};
}

ReferenceModel::Answer ReferenceModel::access(const Operation& op, Task& task) {
  const Region* region = find(task, op.name);
  const bool pin = op.verb == Verb::kPin;
  const bool write = op.verb == Verb::kWrite || pin;
  if (pin &&
      (region == nullptr || region->shared || op.pages.whole || op.pages.first != op.pages.last)) {
    return {Outcome::kInvalid, {}};
  }
  const std::uint32_t last =
      op.pages.whole && region != nullptr ? region->pages - 1 : op.pages.last;
  if (op.pages.first > last || op.offset + op.bytes.size() > settings_.page_size ||
      op.offset >= settings_.page_size) {
    return {Outcome::kInvalid, {}};
  }
  Answer answer;
  for (std::uint32_t i = op.pages.first; i <= last; ++i) {
    answer.outcome = touch(task, op.name, i, write, op.verb == Verb::kFetch);
    if (answer.outcome != Outcome::kOk) return {answer.outcome, {}};
    if (op.verb == Verb::kWrite) put(*find(task, op.name), i, op.offset, op.bytes);
    // From a write on, a private page is the process's own, whatever becomes of the file.
    if (pin) put(*find(task, op.name), i, 0, {});
    if (!write) answer.value += content(*find(task, op.name), i)[op.offset];
  }
  return answer;
}

Outcome ReferenceModel::touch(Task& task, std::string_view area, std::uint32_t page, bool write,
                              bool fetch) {
  Region* region = find(task, area);
  if (region == nullptr) return Outcome::kSegv;
  if (page >= region->pages && region->grows_down && page < kStackLimit) region->pages = page + 1;
  if (page >= region->pages) return Outcome::kSegv;
  if (write && region->access != Access::kReadWrite) return Outcome::kSegv;
  if (fetch && region->access != Access::kReadExecute) return Outcome::kSegv;
  const bool beyond = region->object && region->from + page >= region->object->pages.size();
  return beyond ? Outcome::kBus : Outcome::kOk;
}

std::string ReferenceModel::content(const Region& region, std::uint32_t page) const {
  const auto own = region.own.find(page);
  if (own != region.own.end()) return own->second;
  return region.object ? region.object->pages[region.from + page]
                       : std::string(settings_.page_size, '\0');
}

void ReferenceModel::put(Region& region, std::uint32_t page, std::uint32_t offset,
                         std::string_view bytes) {
  if (region.shared) {
    region.object->pages[region.from + page].replace(offset, bytes.size(), bytes);
    return;
  }
  std::string changed = content(region, page);
  changed.replace(offset, bytes.size(), bytes);
  region.own[page] = std::move(changed);
}

Outcome ReferenceModel::copy(const Operation& op, Task& task) {
  const std::uint32_t count = op.pages.last - op.pages.first + 1;
  if (op.pages.whole || op.source.whole || op.pages.first > op.pages.last ||
      op.source.last - op.source.first + 1 != count) {
    return Outcome::kInvalid;
  }
  for (std::uint32_t i = 0; i < count; ++i) {
    const Outcome read = touch(task, op.other, op.source.first + i, false, false);
    if (read != Outcome::kOk) return read;
    const std::string bytes = content(*find(task, op.other), op.source.first + i);
    const Outcome written = touch(task, op.name, op.pages.first + i, true, false);
    if (written != Outcome::kOk) return written;
    put(*find(task, op.name), op.pages.first + i, 0, bytes);
  }
  return Outcome::kOk;
}

Outcome ReferenceModel::map(const Operation& op, Task& task) {
  if (find(task, op.name) != nullptr || op.count == 0 || op.count > kMostAreaPages)
    return Outcome::kInvalid;
  Region region;
  region.name = op.name;
  region.pages = op.count;
  region.access = op.access;
  region.shared = op.shared;
  region.from = op.from;
  if (op.other != "anon") {
    region.object = file(op.other);
    if (!region.object) return Outcome::kInvalid;
    if (op.shared && is_executing(region.object.get())) return Outcome::kBusy;
  } else if (op.shared) {
    region.object = std::make_shared<Object>();
    region.object->pages.assign(op.count, std::string(settings_.page_size, '\0'));
    region.from = 0;
  } else {
    region.from = 0;
  }
  task.space->regions.push_back(std::move(region));
  return Outcome::kOk;
}

Outcome ReferenceModel::fork(const Operation& op, Task& task) {
  if (tasks_.contains(op.other)) return Outcome::kInvalid;
  Task child;
  child.parent = op.process;
  if (op.verb == Verb::kVfork) {
    child.space = task.space;
    child.wakes = op.process;
    task.waits = true;
  } else {
    child.space = std::make_shared<Space>(*task.space);
  }
  tasks_.emplace(op.other, std::move(child));
  return Outcome::kOk;
}

void ReferenceModel::wake(Task& task) {
  if (task.wakes.empty()) return;
  tasks_.find(task.wakes)->second.waits = false;
  task.wakes.clear();
}

Outcome ReferenceModel::exec(const Operation& op, Task& task) {
  const auto program = file(op.other);
  if (!program) return Outcome::kInvalid;
  if (is_mapped_shared(program.get())) return Outcome::kBusy;
  wake(task);
  task.space = std::make_shared<Space>();
  load(*task.space, program);
  return Outcome::kOk;
}

Outcome ReferenceModel::exit(const std::string& name, Task& task) {
  wake(task);
  task.space.reset();
  task.zombie = true;
  std::erase_if(locks_, [&](const auto& lock) { return lock.second == name; });
  for (auto& [other, child] : tasks_) {
    if (child.parent == name) child.parent.clear();
  }
  std::erase_if(tasks_,
                [](const auto& item) { return item.second.zombie && item.second.parent.empty(); });
  return Outcome::kOk;
}

void ReferenceModel::load(Space& space, const std::shared_ptr<Object>& program) {
  for (const ProgramArea& part : program_areas(program->layout)) {
    Region region;
    region.name = part.name;
    region.pages = part.pages;
    region.access = part.access;
    region.grows_down = part.kind == AreaKind::kStack;
    region.from_program = part.file_page.has_value();
    if (part.file_page) region.object = program;
    region.from = part.file_page.value_or(0);
    space.regions.push_back(std::move(region));
  }
}

ReferenceModel::Answer ReferenceModel::of_file(const Operation& op, Task& task) {
  const auto object = file(op.name);
  if (!object) return {Outcome::kInvalid, {}};
  if (op.verb == Verb::kClose) {
    if (!settings_.close_writes_back) return {};
    std::erase_if(task.space->regions, [&](const Region& region) {
      return region.object == object && !region.from_program;
    });
    return {};
  }
  if (op.verb == Verb::kTruncate) return {truncate(object, op.count), {}};
  if (op.verb != Verb::kPread && op.verb != Verb::kPwrite) return {};
  if (op.pages.whole || op.pages.last >= object->pages.size() || op.pages.first > op.pages.last ||
      op.offset >= settings_.page_size || op.offset + op.bytes.size() > settings_.page_size) {
    return {Outcome::kInvalid, {}};
  }
  if (op.verb == Verb::kPwrite && is_executing(object.get())) return {Outcome::kBusy, {}};
  Answer answer;
  for (std::uint32_t i = op.pages.first; i <= op.pages.last; ++i) {
    if (op.verb == Verb::kPwrite) object->pages[i].replace(op.offset, op.bytes.size(), op.bytes);
    if (op.verb == Verb::kPread) answer.value += object->pages[i][op.offset];
  }
  return answer;
}

Outcome ReferenceModel::truncate(const std::shared_ptr<Object>& object, std::uint32_t count) {
  if (is_executing(object.get())) return Outcome::kBusy;
  if (count > kMostAreaPages) return Outcome::kInvalid;
  object->pages.resize(count, std::string(settings_.page_size, '\0'));
  for (auto& [name, task] : tasks_) {
    if (!task.space) continue;
    for (Region& region : task.space->regions) {
      if (region.object != object) continue;
      std::erase_if(region.own,
                    [&](const auto& page) { return region.from + page.first >= count; });
    }
  }
  return Outcome::kOk;
}

ReferenceModel::Region* ReferenceModel::find(const Task& task, std::string_view area) const {
  if (!task.space) return nullptr;
  const auto region = std::ranges::find(task.space->regions, area, &Region::name);
  return region == task.space->regions.end() ? nullptr : &*region;
}

std::shared_ptr<ReferenceModel::Object> ReferenceModel::file(std::string_view name) const {
  const auto found = files_.find(name);
  return found == files_.end() ? nullptr : found->second;
}

bool ReferenceModel::is_executing(const Object* object) const {
  return std::ranges::any_of(tasks_, [object](const auto& item) {
    return item.second.space &&
           std::ranges::any_of(item.second.space->regions, [object](const Region& one) {
             return one.from_program && one.object.get() == object;
           });
  });
}

bool ReferenceModel::is_mapped_shared(const Object* object) const {
  return std::ranges::any_of(tasks_, [object](const auto& item) {
    return item.second.space &&
           std::ranges::any_of(item.second.space->regions, [object](const Region& one) {
             return one.shared && one.object.get() == object;
           });
  });
}

std::optional<std::string> ReferenceModel::page(std::string_view process, std::string_view area,
                                                std::uint32_t index) const {
  const auto task = tasks_.find(process);
  if (task == tasks_.end()) return std::nullopt;
  const Region* region = find(task->second, area);
  if (region == nullptr || index >= region->pages) return std::nullopt;
  if (!region->own.contains(index) && region->object &&
      region->from + index >= region->object->pages.size()) {
    return std::nullopt;
  }
  return content(*region, index);
}

std::optional<std::string> ReferenceModel::file_page(std::string_view name,
                                                     std::uint32_t number) const {
  const auto object = file(name);
  if (!object || number >= object->pages.size()) return std::nullopt;
  return object->pages[number];
}

std::vector<std::pair<std::string, std::uint32_t>> ReferenceModel::areas(
    std::string_view process) const {
  std::vector<std::pair<std::string, std::uint32_t>> out;
  const auto task = tasks_.find(process);
  if (task == tasks_.end() || !task->second.space) return out;
  for (const Region& region : task->second.space->regions)
    out.emplace_back(region.name, region.pages);
  return out;
}

std::vector<std::string> ReferenceModel::live_processes() const {
  std::vector<std::string> names;
  for (const auto& [name, task] : tasks_) {
    if (!task.zombie) names.push_back(name);
  }
  return names;
}

std::vector<std::string> ReferenceModel::running_processes() const {
  std::vector<std::string> names;
  for (const auto& [name, task] : tasks_) {
    if (!task.zombie && !task.waits) names.push_back(name);
  }
  return names;
}

bool ReferenceModel::is_vfork_child(std::string_view process) const {
  const auto task = tasks_.find(process);
  return task != tasks_.end() && !task->second.wakes.empty();
}

std::vector<std::pair<std::string, std::uint32_t>> ReferenceModel::files() const {
  std::vector<std::pair<std::string, std::uint32_t>> out;
  out.reserve(files_.size());
  for (const auto& [name, object] : files_)
    out.emplace_back(name, static_cast<std::uint32_t>(object->pages.size()));
  return out;
}

}  // namespace cowfs::sim
