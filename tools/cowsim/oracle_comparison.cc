#include "tools/cowsim/oracle_comparison.h"

#include <fmt/format.h>

#include <algorithm>

#include "lib/sim/session.h"

namespace cowfs {
namespace {

using sim::FrameId;
using sim::Outcome;

bool has_event(const sim::StepResult& result, sim::EventKind kind) {
  return std::ranges::any_of(result.events,
                             [kind](const sim::Event& event) { return event.kind == kind; });
}

std::string page_name(const sim::PlaceInMemory& place) {
  return fmt::format("{}:{}.{}", place.process, place.area, place.page);
}

}  // namespace

Strictness strictness_of(const OracleOptions& options) {
  if (options.strict) return Strictness::kAlways;
  return options.unpinned || options.tolerant ? Strictness::kNever : Strictness::kWhereRepeated;
}

void Adopted::add(const Adopted& other) {
  left_out += other.left_out;
  beyond_end += other.beyond_end;
  copied += other.copied;
  written_back += other.written_back;
}

std::string to_text(const Adopted& adopted) {
  return fmt::format(
      "adopted: {} pages left out around a fault, {} around one beyond the end of a file, {} "
      "copies "
      "for re-use, {} after write-back",
      adopted.left_out, adopted.beyond_end, adopted.copied, adopted.written_back);
}

Result<void> KernelComparison::begin(const sim::Operation& op) {
  ++step_;
  COWFS_ASSIGN(seen_, kernel_.perform(op, machine_));
  faults_before_ = faults();
  target_was_dirty_ = is_dirty(op);
  return {};
}

std::string KernelComparison::follow(const sim::Operation& op, const sim::StepResult& result) {
  if (seen_.outcome != result.outcome) {
    return fmt::format("the kernel says {}, the simulator {}", sim::outcome_name(seen_.outcome),
                       sim::outcome_name(result.outcome));
  }
  if (seen_.value != result.value) {
    return fmt::format("the kernel reads {}, the simulator {}", sim::quoted(seen_.value),
                       sim::quoted(result.value));
  }
  if (options_.values_only) return std::string();
  const bool access = op.verb == sim::Verb::kRead || op.verb == sim::Verb::kWrite;
  if (access && result.outcome == Outcome::kOk) {
    std::string difference = compare_faults(op, seen_.faults, faults() - faults_before_);
    if (!difference.empty()) return difference;
  }
  return compare_frames(op, result);
}

std::string KernelComparison::compare_bytes() {
  for (const auto& [name, process] : machine_.processes()) {
    const sim::AddressSpace* space = machine_.space_of(name);
    if (space == nullptr) continue;
    for (const sim::Area& area : space->areas) {
      for (std::uint32_t i = 0; i < area.pages; ++i) {
        // Looking must not make the kernel map more, where anybody counts that.
        if (!options_.values_only && !is_mapped(name, area.name, i)) continue;
        const auto wanted = machine_.peek(name, area.name, i);
        const auto bytes = kernel_.bytes(name, area, i);
        if (bytes == wanted) continue;
        // An ordinary user may not look into processes that another one's exit left behind.
        if (options_.values_only && (!bytes || !wanted)) continue;
        return fmt::format("{}: {}", page_name({name, area.name, i}),
                           bytes ? "the process has other bytes" : "its bytes cannot be read");
      }
    }
  }
  return {};
}

bool KernelComparison::is_mapped(const std::string& process, const std::string& area,
                                 std::uint32_t page) const {
  const sim::Entry* entry = machine_.entry(process, area, page);
  return entry != nullptr && entry->present();
}

void KernelComparison::adopt(std::uint64_t Adopted::* what, const sim::PlaceInMemory& place) {
  ++(adopted_.*what);
  choices_.insert(fmt::format("step {}, {}", step_, page_name(place)));
}

std::uint64_t KernelComparison::faults() const {
  return machine_.counters().missing_faults + machine_.counters().protection_faults;
}

bool KernelComparison::is_dirty(const sim::Operation& op) const {
  const sim::Entry* entry = machine_.entry(op.process, op.name, op.pages.first);
  return entry != nullptr && entry->dirty;
}

bool KernelComparison::may_be_written_back(const sim::Operation& op) const {
  const sim::AddressSpace* space = machine_.space_of(op.process);
  const sim::Area* area = space == nullptr ? nullptr : space->find(op.name);
  return op.verb == sim::Verb::kWrite && target_was_dirty_ && area != nullptr && area->shared &&
         machine_.objects().at(*area->object).kind == sim::FileKind::kDisk;
}

std::string KernelComparison::compare_faults(const sim::Operation& op, std::uint64_t kernel,
                                             std::uint64_t simulated) {
  if (kernel == simulated) return {};
  if (may_choose() && kernel == simulated + 1 && may_be_written_back(op)) {
    ++adopted_.written_back;  // time alone is reason enough, and may be in every run of a slow one
    return {};
  }
  return fmt::format("the kernel took {} faults, the simulator {}", kernel, simulated);
}

KernelComparison::Identity KernelComparison::identity(FrameId frame) const {
  return {frame, frame == sim::kZeroFrame ? 0 : machine_.frames()[frame].loaded_at};
}

std::string KernelComparison::compare_frames(const sim::Operation& op,
                                             const sim::StepResult& result) {
  Look look;
  std::set<sim::SpaceId> seen;
  for (const auto& [name, process] : machine_.processes()) {
    if (process.state == sim::ProcessState::kZombie || !seen.insert(process.space).second) continue;
    for (const sim::Area& area : machine_.spaces().at(process.space).areas) {
      const auto pages = kernel_.pages(name, area);
      for (std::uint32_t i = 0; i < area.pages; ++i) {
        const sim::PlaceInMemory place{name, area.name, i};
        std::string difference = compare_page(op, result, place, pages[i]);
        if (difference.empty()) difference = compare_sharing(place, pages[i], look);
        if (!difference.empty()) return fmt::format("{}: {}", page_name(place), difference);
      }
    }
  }
  frames_ = std::move(look.frames);
  pages_ = std::move(look.pages);
  return compare_counts(look.entries);
}

std::string KernelComparison::compare_sharing(const sim::PlaceInMemory& place,
                                              const oracle::PageState& seen, Look& look) const {
  const sim::Entry* entry = machine_.entry(place.process, place.area, place.page);
  if (entry == nullptr || !entry->present()) return {};
  const Identity id = identity(entry->frame);
  ++look.entries[id];
  look.pages[page_name(place)] = seen.frame;
  look.frames[id] = seen.frame;
  const auto [owner, fresh] = look.owners.try_emplace(seen.frame, id);
  if (fresh || owner->second == id) return {};
  return "the kernel shares a frame that the simulator does not";
}

std::string KernelComparison::compare_page(const sim::Operation& op, const sim::StepResult& result,
                                           const sim::PlaceInMemory& place,
                                           const oracle::PageState& seen) {
  const sim::Entry* entry = machine_.entry(place.process, place.area, place.page);
  const bool present = entry != nullptr && entry->present();
  if (!present) return seen.present ? "the kernel has the page mapped, the simulator not" : "";
  const bool is_target = same_space(op.process, place.process) && op.name == place.area &&
                         op.pages.first == place.page;
  if (!seen.present) {
    // Kernels differ here, whatever the moment: Linux 6.18 maps what lies around such a fault, but
    // not a disk file's last page alone where the table for it is not there yet.
    if (result.outcome == Outcome::kBus && has_event(result, sim::EventKind::kFaultAround)) {
      machine_.adopt_unmapped(place.process, place.area, place.page);
      ++adopted_.beyond_end;
      return {};
    }
    if (!may_choose() || is_target || !has_event(result, sim::EventKind::kFaultAround))
      return "the simulator has the page mapped, the kernel not";
    machine_.adopt_unmapped(place.process, place.area, place.page);
    adopt(&Adopted::left_out, place);
    return {};
  }
  const auto before = pages_.find(page_name(place));
  if (is_target && has_event(result, sim::EventKind::kCopy) && before != pages_.end() &&
      before->second == seen.frame) {
    return "the simulator copied the page, the kernel let its owner take it";
  }
  const auto known = frames_.find(identity(entry->frame));
  if (known == frames_.end() || known->second == seen.frame) return {};
  const bool reused = has_event(result, sim::EventKind::kReuse);
  if (!may_choose() || !is_target || !reused) return "the kernel moved the page to another frame";
  machine_.adopt_copy(place.process, place.area, place.page);
  adopt(&Adopted::copied, place);
  return {};
}

bool KernelComparison::same_space(const std::string& one, const std::string& other) const {
  const sim::Process* left = machine_.process(one);
  const sim::Process* right = machine_.process(other);
  return left != nullptr && right != nullptr && left->space == right->space;
}

std::string KernelComparison::compare_counts(const std::map<Identity, std::uint64_t>& entries) {
  for (const auto& [id, count] : entries) {
    const auto kernel = kernel_.map_count(frames_.at(id));
    const std::uint64_t wanted = id.first == sim::kZeroFrame ? 0 : count;
    if (kernel && *kernel == wanted) continue;
    return fmt::format("{}: {} entries name it, the kernel counts {}", sim::frame_name(id.first),
                       wanted, kernel ? std::to_string(*kernel) : "nothing");
  }
  return {};
}

}  // namespace cowfs
