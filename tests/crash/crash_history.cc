#include "tests/crash/crash_history.h"

#include <fmt/format.h>

#include <cstdio>

#include "lib/volume/borrowed_storage.h"
#include "tests/crash/observation.h"
#include "tests/crash/workload.h"

namespace cowfs {
namespace {

constexpr std::size_t kKnownImages = 12;
// Of every so many states: the work after the crash, the structure of all trees, a second crash.
constexpr std::uint64_t kWorkEvery = 3;
constexpr std::uint64_t kStructureEvery = 17;
constexpr std::uint64_t kSecondEvery = 29;

// The journal is what makes "acknowledged" survive a kill; without it a kill is like a power cut.
constexpr bool kKillIsExact = false;

}  // namespace

std::string to_string(const CrashCase& crash) {
  std::string text = fmt::format("{}:{}:{}", crash.seed, crash.cut, crash.choice);
  if (crash.second) text += fmt::format(":{}:{}", crash.second->cut, crash.second->choice);
  return text;
}

std::optional<CrashCase> parse_crash_case(std::string_view text) {
  CrashCase crash;
  CrashCase::Second second;
  const int count =
      std::sscanf(std::string(text).c_str(), "%lu:%zu:%lu:%zu:%lu", &crash.seed, &crash.cut,
                  &crash.choice, &second.cut, &second.choice);
  if (count != 3 && count != 5) return std::nullopt;
  if (count == 5) crash.second = second;
  return crash;
}

StoreOptions CrashHistory::options() const {
  StoreOptions options;
  options.background = false;
  options.reserve_bytes = 0;
  options.node_cache_bytes = std::size_t{1} << 20;
  if (weakness_.configure) weakness_.configure(options);
  return options;
}

std::unique_ptr<Storage> CrashHistory::weakened(std::unique_ptr<Storage> storage) const {
  if (!weakness_.dropped_calls) return storage;
  return std::make_unique<OmittingStorage>(std::move(storage), weakness_.dropped_calls);
}

CrashChoice CrashHistory::choice_of(std::size_t cut, std::uint64_t choice) {
  // All variants in turn, with other dice at each cut.
  return CrashChoice::from_seed(choice + kCrashVariants * 1009 * cut);
}

Loss CrashHistory::loss_of(CrashChoice choice) {
  const bool killed = kKillIsExact && choice.variant == CrashVariant::kKill;
  return killed ? Loss::kProcess : Loss::kPower;
}

Result<std::unique_ptr<CrashHistory>> CrashHistory::record(std::uint64_t seed,
                                                           std::size_t operations,
                                                           Weakness weakness) {
  std::unique_ptr<CrashHistory> history(new CrashHistory(std::move(weakness)));
  COWFS_TRY(history->run(seed, operations));
  return history;
}

Result<void> CrashHistory::run(std::uint64_t seed, std::size_t operations) {
  storage_.start_recording();
  COWFS_TRY(FileSystem::format(*weakened(std::make_unique<BorrowedStorage>(storage_)),
                               crash_user(), 0755, {.seed = 7}));
  COWFS_ASSIGN(const auto file_system,
               FileSystem::open(weakened(std::make_unique<BorrowedStorage>(storage_)), options()));
  Workload workload(*file_system, storage_, reference_, seed);
  COWFS_TRY(workload.prepare());
  while (reference_.size() < operations) COWFS_TRY(workload.step());
  storage_.stop_recording();
  counts_.operations = reference_.size();
  counts_.calls = storage_.call_count();
  return {};
}

const StoreState* CrashHistory::known(const ArraySet& image) const {
  for (const Known& known : known_) {
    if (known.image.size() != image.size()) continue;
    auto other = known.image.begin();
    bool same = true;
    for (const auto& [name, array] : image) {
      same = other->first == name && (other->second == array || *other->second == *array);
      if (!same) break;
      ++other;
    }
    if (same) return &known.seen;
  }
  return nullptr;
}

std::optional<std::string> CrashHistory::check_image(std::unique_ptr<MemoryStorage> image,
                                                     std::size_t cut, Loss loss,
                                                     std::uint64_t turn) {
  ++counts_.states;
  const CrashBounds bounds = reference_.bounds(cut);
  ArraySet content = image->content();
  const StoreState* seen_before = known(content);
  if (seen_before != nullptr && judge_.exact(*seen_before, bounds, loss)) return std::nullopt;
  ++counts_.opened;
  auto file_system = FileSystem::open(weakened(std::move(image)), options());
  if (!file_system) return "it does not open: " + file_system.error().text;
  auto seen = observe(**file_system);
  if (!seen) return "it cannot be read: " + seen.error().text;
  if (auto complaint = judge_.complaint(**file_system, *seen, bounds, loss)) return complaint;
  if (auto sound = (*file_system)->store().verify(); !sound) return sound.error().text;
  if (turn % kStructureEvery == 0) {
    if (auto sound = check_volumes(**file_system); !sound) return sound.error().text;
  }
  if (turn % kWorkEvery == 0) {
    auto works = works_on(**file_system, *seen);
    if (!works) return "it does not work on: " + works.error().text;
  }
  known_.push_back({std::move(content), std::move(*seen)});
  if (known_.size() > kKnownImages) known_.pop_front();
  return std::nullopt;
}

std::optional<std::string> CrashHistory::check(const CrashCase& crash) {
  const CrashChoice choice = choice_of(crash.cut, crash.choice);
  const std::uint64_t turn = crash.cut * kCrashVariants + crash.choice;
  auto image = storage_.crash_image(crash.cut, choice);
  if (!crash.second) {
    return check_image(std::move(image), crash.cut, loss_of(choice), turn);
  }
  MemoryStorage* recorded = image.get();
  recorded->start_recording();
  const auto opened = FileSystem::open(weakened(std::move(image)), options());
  if (!opened) return "it does not open: " + opened.error().text;
  if (crash.second->cut > recorded->call_count()) return "there is no such second cut";
  // Whoever loses power in recovery has lost what the first crash left unsynced, too.
  const CrashChoice second = choice_of(crash.second->cut, crash.second->choice);
  return check_image(recorded->crash_image(crash.second->cut, second), crash.cut, Loss::kPower,
                     turn + crash.second->cut);
}

std::optional<CrashHistory::Failure> CrashHistory::check_seconds(const CrashCase& first) {
  auto image = storage_.crash_image(first.cut, choice_of(first.cut, first.choice));
  MemoryStorage* recorded = image.get();
  recorded->start_recording();
  const auto opened = FileSystem::open(weakened(std::move(image)), options());
  if (!opened) return Failure{first, "it does not open: " + opened.error().text};
  const std::size_t calls = recorded->call_count();
  for (std::size_t cut = 0; cut <= calls; ++cut) {
    CrashCase crash = first;
    crash.second = {cut, (first.cut + cut) % kCrashVariants};
    ++counts_.seconds;
    auto wrong = check_image(recorded->crash_image(cut, choice_of(cut, crash.second->choice)),
                             first.cut, Loss::kPower,
                             first.cut * kCrashVariants + first.choice + cut);
    if (wrong) return Failure{crash, *wrong};
  }
  return std::nullopt;
}

std::optional<CrashHistory::Failure> CrashHistory::check_all(std::uint64_t seed,
                                                             std::uint64_t choices,
                                                             std::size_t stride) {
  for (std::size_t cut = first_cut(); cut <= call_count(); cut += stride) {
    for (std::uint64_t choice = 0; choice < choices; ++choice) {
      const CrashCase crash{seed, cut, choice, std::nullopt};
      if (auto wrong = check(crash)) return Failure{crash, *wrong};
      if ((cut * choices + choice) % kSecondEvery != 0) continue;
      if (auto failure = check_seconds(crash)) return failure;
    }
  }
  return std::nullopt;
}

}  // namespace cowfs
