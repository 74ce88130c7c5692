#include "tests/crash/crash_history.h"

#include <fmt/format.h>

#include <cstdio>

#include "lib/store/superblock.h"
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
constexpr std::uint64_t kOlderSlotEvery = 5;
constexpr std::uint64_t kJournalSegmentBytes = 16 << 10;  // so that segments come to be used again

/// Makes the newest superblock slot unreadable; false where it is the only one.
bool damage_newest_slot(MemoryStorage& image) {
  const auto slots = read_superblocks(image);
  if (!slots || slots->valid.size() < 2) return false;
  const std::vector<std::byte> junk(kSuperblockSize - 8, std::byte{0x5a});
  const std::uint64_t slot = slots->valid.front().checkpoint % kSuperblockSlots;
  const ArrayName superblock{ArrayKind::kSuperblock, 0};
  return image.write(superblock, slot * kSuperblockSlotDistance + 8, junk).has_value();
}

Loss worst(Loss a, Loss b) {
  return a == Loss::kPower || b == Loss::kPower ? Loss::kPower : Loss::kProcess;
}

}  // namespace

std::string to_string(const CrashCase& crash) {
  std::string text = fmt::format("{}:{}:{}", crash.seed, crash.cut, crash.choice);
  if (crash.second) text += fmt::format(":{}:{}", crash.second->cut, crash.second->choice);
  if (crash.older_slot) text += "o";
  return text;
}

std::optional<CrashCase> parse_crash_case(std::string_view text) {
  CrashCase crash;
  CrashCase::Second second;
  const int count = std::sscanf(std::string(text).c_str(), "%lu:%zu:%lu:%zu:%lu", &crash.seed,
                                &crash.cut, &crash.choice, &second.cut, &second.choice);
  if (count != 3 && count != 5) return std::nullopt;
  if (count == 5) crash.second = second;
  crash.older_slot = text.ends_with('o');
  return crash;
}

StoreOptions CrashHistory::options() const {
  StoreOptions options;
  options.background = false;
  options.reserve_bytes = 0;
  options.node_cache_bytes = std::size_t{1} << 20;
  options.journal_segment_bytes = kJournalSegmentBytes;
  options.journal_bytes = 8 * kJournalSegmentBytes;
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
  return choice.variant == CrashVariant::kKill ? Loss::kProcess : Loss::kPower;
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
  COWFS_TRY(FileSystem::format(*weakened(std::make_unique<BorrowedStorage>(storage_)), crash_user(),
                               0755, {.seed = 7}));
  std::unique_ptr<FileSystem> file_system;
  const auto reopen = [&]() -> Result<FileSystem*> {
    file_system.reset();
    COWFS_ASSIGN(
        file_system,
        FileSystem::open(weakened(std::make_unique<BorrowedStorage>(storage_)), options()));
    return file_system.get();
  };
  COWFS_TRY(reopen());
  Workload workload(*file_system, reopen, storage_, reference_, seed, weakness_.trees_file_by_file);
  COWFS_TRY(workload.prepare());
  while (reference_.size() < operations) COWFS_TRY(workload.step());
  storage_.stop_recording();
  counts_.operations = reference_.size();
  counts_.calls = storage_.call_count();
  return {};
}

const StoreState* CrashHistory::known(const ArraySet& image, Loss loss) const {
  for (const Known& known : known_) {
    if (known.loss != loss || known.image.size() != image.size()) continue;
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
  const CrashBounds bounds = reference_.bounds(cut, loss);
  ArraySet content = image->content();
  const StoreState* seen_before = known(content, loss);
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
  known_.push_back({std::move(content), loss, std::move(*seen)});
  if (known_.size() > kKnownImages) known_.pop_front();
  return std::nullopt;
}

std::optional<std::string> CrashHistory::check(const CrashCase& crash) {
  const CrashChoice choice = choice_of(crash.cut, crash.choice);
  const std::uint64_t turn = crash.cut * kCrashVariants + crash.choice;
  auto image = storage_.crash_image(crash.cut, choice);
  if (crash.older_slot && !damage_newest_slot(*image)) return std::nullopt;
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
  return check_image(recorded->crash_image(crash.second->cut, second), crash.cut,
                     worst(loss_of(choice), loss_of(second)), turn + crash.second->cut);
}

std::string CrashHistory::describe(const CrashCase& crash) {
  const CrashChoice choice = choice_of(crash.cut, crash.choice);
  std::string text = fmt::format("{}\noperations:\n", to_string(choice));
  for (std::size_t i = 0; i < reference_.size(); ++i) {
    const LoggedOperation& operation = reference_.operation(i);
    if (operation.acknowledged_at + 40 < crash.cut || operation.begun_at > crash.cut) continue;
    text += fmt::format("  {} ({} to {}): {}\n", i, operation.begun_at, operation.acknowledged_at,
                        operation.text);
  }
  for (std::size_t i = crash.cut < 40 ? 0 : crash.cut - 40; i < crash.cut; ++i) {
    text += fmt::format("  call {}: {}\n", i, to_string(storage_.call(i)));
  }
  auto image = storage_.crash_image(crash.cut, choice);
  if (crash.older_slot) damage_newest_slot(*image);
  MemoryStorage* recorded = image.get();
  recorded->start_recording();
  const auto opened = FileSystem::open(weakened(std::move(image)), options());
  if (!opened) return text + "it does not open: " + opened.error().text;
  text += fmt::format("recovery replayed {} records:\n", (*opened)->store().counters().replayed);
  for (std::size_t i = 0; i < recorded->call_count(); ++i) {
    text += fmt::format("  call {}: {}\n", i, to_string(recorded->call(i)));
  }
  if (!crash.second) return text;
  const CrashChoice second = choice_of(crash.second->cut, crash.second->choice);
  const auto again =
      FileSystem::open(weakened(recorded->crash_image(crash.second->cut, second)), options());
  if (!again) return text + "it does not open the second time: " + again.error().text;
  return text + fmt::format("after the second crash ({}) recovery replayed {} records\n",
                            to_string(second), (*again)->store().counters().replayed);
}

std::optional<CrashHistory::Failure> CrashHistory::check_seconds(const CrashCase& first) {
  const CrashChoice choice = choice_of(first.cut, first.choice);
  auto image = storage_.crash_image(first.cut, choice);
  MemoryStorage* recorded = image.get();
  recorded->start_recording();
  const auto opened = FileSystem::open(weakened(std::move(image)), options());
  if (!opened) return Failure{first, "it does not open: " + opened.error().text};
  const std::size_t calls = recorded->call_count();
  for (std::size_t cut = 0; cut <= calls; ++cut) {
    CrashCase crash = first;
    crash.second = {cut, (first.cut + cut) % kCrashVariants};
    ++counts_.seconds;
    const CrashChoice second = choice_of(cut, crash.second->choice);
    auto wrong = check_image(recorded->crash_image(cut, second), first.cut,
                             worst(loss_of(choice), loss_of(second)),
                             first.cut * kCrashVariants + first.choice + cut);
    if (wrong) return Failure{crash, *wrong};
  }
  return std::nullopt;
}

std::optional<CrashHistory::Failure> CrashHistory::check_older_slot(CrashCase crash) {
  crash.older_slot = true;
  const std::uint64_t before = counts_.states;
  auto wrong = check(crash);
  counts_.older_slots += counts_.states - before;
  if (!wrong) return std::nullopt;
  return Failure{crash, *wrong};
}

std::optional<CrashHistory::Failure> CrashHistory::check_all(std::uint64_t seed,
                                                             std::uint64_t choices,
                                                             std::size_t stride) {
  for (std::size_t cut = first_cut(); cut <= call_count(); cut += stride) {
    for (std::uint64_t choice = 0; choice < choices; ++choice) {
      const CrashCase crash{seed, cut, choice, std::nullopt};
      if (auto wrong = check(crash)) return Failure{crash, *wrong};
      if ((cut * choices + choice) % kOlderSlotEvery == 0) {
        if (auto failure = check_older_slot(crash)) return failure;
      }
      if ((cut * choices + choice) % kSecondEvery != 0) continue;
      if (auto failure = check_seconds(crash)) return failure;
    }
  }
  return std::nullopt;
}

}  // namespace cowfs
