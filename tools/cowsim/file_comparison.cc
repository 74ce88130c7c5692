#include "tools/cowsim/file_comparison.h"

#include <fmt/format.h>

#include <chrono>
#include <string_view>
#include <thread>

namespace cowfs {
namespace {

constexpr std::uint64_t kFullLookEvery = 6;    // steps
constexpr std::chrono::seconds kPatience{15};  // for what the daemon gives back in the background

}  // namespace

/// Looks until there is no difference: files that were deleted give their blocks back a moment
/// later.
template <typename Look>
Result<std::string> FileComparison::wait_until(Look look) {
  const auto end = std::chrono::steady_clock::now() + kPatience;
  for (;;) {
    COWFS_ASSIGN(std::string difference, look());
    if (difference.empty() || std::chrono::steady_clock::now() > end) return difference;
    COWFS_TRY(files_.sync());
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

Result<std::string> FileComparison::follow(const sim::Operation& op, const sim::StepResult& result,
                                           bool last) {
  // An operation that a shrunk trace has lost the ground for is left out here too.
  if (result.outcome == sim::Outcome::kOk) COWFS_TRY(files_.perform(op));
  const bool look = ++step_ % kFullLookEvery == 0 || last || op.verb == sim::Verb::kFork ||
                    op.verb == sim::Verb::kExit || op.verb <= sim::Verb::kKill;
  return wait_until([&] { return compare(look, last); });
}

Result<std::string> FileComparison::close(bool agreed) {
  COWFS_TRY(files_.clean_up());
  if (!agreed) return std::string();
  return wait_until([this] { return expect_blocks(0); });
}

Result<std::string> FileComparison::expect_blocks(std::uint64_t wanted) {
  COWFS_ASSIGN(const std::uint64_t used, files_.used_blocks());
  if (used == wanted) return std::string();
  return fmt::format("{} blocks are in use, the simulator uses {} frames", used, wanted);
}

Result<std::string> FileComparison::compare(bool everything, bool each) {
  COWFS_ASSIGN(std::string difference, expect_blocks(machine_.frames().used()));
  if (!difference.empty() || !everything) return difference;
  places_.clear();
  owners_.clear();
  for (const auto& [name, process] : machine_.processes()) {
    const sim::AddressSpace* space = machine_.space_of(name);
    if (space == nullptr) continue;
    for (std::size_t i = 0; i < space->areas.size(); ++i) {
      COWFS_ASSIGN(difference, compare_area(name, space->areas[i], (step_ + i) % 2 == 0, each));
      if (!difference.empty()) return fmt::format("{}:{}", name, difference);
    }
  }
  return std::string();
}

Result<std::string> FileComparison::compare_area(const std::string& process, const sim::Area& area,
                                                 bool mapped, bool each) {
  COWFS_ASSIGN(const UniqueFd file, files_.open_area(process, area.name));
  COWFS_ASSIGN(const std::string bytes, files_.contents(file, area.pages, mapped));
  COWFS_ASSIGN(const auto places, files_.places(file, area.pages, each));
  for (std::uint32_t i = 0; i < area.pages; ++i) {
    const std::string_view page = std::string_view(bytes).substr(std::size_t{i} * kPage, kPage);
    std::string difference = page == machine_.peek(process, area.name, i)
                                 ? compare_place(machine_.entry(process, area.name, i), places[i])
                                 : "the file has other bytes";
    if (!difference.empty()) return fmt::format("{}.{}: {}", area.name, i, difference);
  }
  return std::string();
}

std::string FileComparison::compare_place(const sim::Entry* entry, const api::LocateBlock& place) {
  const bool own = entry != nullptr && entry->present() && entry->frame != sim::kZeroFrame;
  if (!own) return place.object == 0 ? "" : "the file has a block where the simulator has no frame";
  if (place.object == 0) return "the file has a hole where the simulator has a frame";
  const std::pair block(place.object, place.object_block);
  const auto [known, new_place] = places_.try_emplace(entry->frame, block);
  const auto [owner, new_owner] = owners_.try_emplace(block, entry->frame);
  if (known->second != block || owner->second != entry->frame) {
    return "blocks are shared otherwise than frames";
  }
  const std::uint64_t pages = machine_.frames()[entry->frame].references;
  if (place.references == 0 || place.references == pages) return {};
  // A fork of a volume shares leaves of its tree: their blocks count once until the leaf is
  // copied.
  if (options_.fork == "volume" && place.references < pages) return {};
  return fmt::format("the store counts {} references, a recount finds {}", place.references, pages);
}

}  // namespace cowfs
