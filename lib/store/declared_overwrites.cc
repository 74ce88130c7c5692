#include "lib/store/declared_overwrites.h"

#include <algorithm>

#include "lib/store/store_core.h"

namespace cowfs {
namespace {

constexpr std::uint64_t kMostUnits = kMaxExtentBlocks / kDeclaredBlocks;  // of an object
// in a journal, all records together: 1 TiB since the last checkpoints
constexpr std::uint64_t kMostFound = kMostUnits;
constexpr unsigned kWidenings = 2;  // 1, 8, 64 ranges at once: a pack has 64

std::uint64_t first_unit(const BlockRange& blocks) { return blocks.first / kDeclaredBlocks; }
std::uint64_t end_unit(const BlockRange& blocks) {
  return (blocks.first + blocks.count + kDeclaredBlocks - 1) / kDeclaredBlocks;
}

}  // namespace

std::vector<DeclaredOverwrites::Unit> DeclaredOverwrites::missing_units(
    const BlockRange& blocks) const {
  std::vector<Unit> missing;
  for (std::uint64_t unit = first_unit(blocks); unit < end_unit(blocks); ++unit) {
    if (!units_.contains({blocks.object, unit})) missing.push_back({blocks.object, unit});
  }
  return missing;
}

// Who overwrites here and there in one object pays for a few syncs, not for one each MiB.
void DeclaredOverwrites::widen(std::vector<Unit>& units, ObjectNumber object) {
  const unsigned times = std::min(syncs_[object]++, kWidenings);
  const std::uint64_t width = std::uint64_t{1} << (3 * times);
  const std::uint64_t begin = units.front().second / width * width;
  const std::uint64_t end = std::min(begin + width, kMostUnits);
  const std::uint64_t room = kMostDeclared - std::min(units_.size(), kMostDeclared);
  for (std::uint64_t unit = begin; unit < end && units.size() < room; ++unit) {
    const Unit wanted{object, unit};
    if (!units_.contains(wanted) && std::ranges::find(units, wanted) == units.end())
      units.push_back(wanted);
  }
  std::ranges::sort(units);
}

Result<std::uint64_t> DeclaredOverwrites::declare(const std::vector<Unit>& units) {
  ByteWriter body;
  std::vector<std::pair<Unit, std::uint32_t>> runs;
  for (const Unit& unit : units) {
    const bool follows = !runs.empty() && runs.back().first.first == unit.first &&
                         runs.back().first.second + runs.back().second == unit.second;
    if (follows) ++runs.back().second;
    else runs.push_back({unit, 1});
  }
  for (const auto& [unit, count] : runs)
    body.le(raw(unit.first)).le(unit.second * kDeclaredBlocks).le(count);
  return core_.log_declaration(body.take());
}

Result<bool> DeclaredOverwrites::begin(const BlockRange& blocks) {
  if (core_.omits(Omit::kOverwritesDeclared)) return true;
  std::uint64_t sequence = 0;
  {
    MutexLock lock(mutex_);
    std::vector<Unit> missing = missing_units(blocks);
    if (!missing.empty()) {
      const bool young = core_.objects.is_young(blocks);
      if (declared_ + missing.size() > kMostDeclared / 2) core_.checkpointer.request();
      if (!young && units_.size() + missing.size() > kMostDeclared) return false;
      if (!young) widen(missing, blocks.object);
      COWFS_ASSIGN(const std::uint64_t declared, declare(missing));
      for (const Unit& unit : missing) units_[unit].sequence = declared;
      declared_ += missing.size();
    }
    for (std::uint64_t unit = first_unit(blocks); unit < end_unit(blocks); ++unit) {
      State& state = units_.at({blocks.object, unit});
      ++state.users;
      state.touched = true;
      sequence = std::max(sequence, state.sequence);
    }
  }
  // Asked after the record was written: a flush that begins from now on vouches for the blocks
  // after it.
  if (core_.objects.is_young(blocks) || core_.omits(Omit::kDeclarationSynced)) return true;
  auto synced = core_.journal.sync_to(sequence);
  if (synced) return true;
  end(blocks);
  core_.set_failed(synced.error());
  return fail(synced.error());
}

void DeclaredOverwrites::end(const BlockRange& blocks) {
  if (core_.omits(Omit::kOverwritesDeclared)) return;
  MutexLock lock(mutex_);
  for (std::uint64_t unit = first_unit(blocks); unit < end_unit(blocks); ++unit)
    --units_.at({blocks.object, unit}).users;
}

Result<void> DeclaredOverwrites::carry(bool all) {
  MutexLock lock(mutex_);
  syncs_.clear();
  declared_ = 0;
  if (!all)
    std::erase_if(units_,
                  [](const auto& item) { return !item.second.touched && item.second.users == 0; });
  if (units_.empty() || core_.omits(Omit::kDeclarationsCarried)) return {};
  std::vector<Unit> units;
  for (auto& [unit, state] : units_) {
    units.push_back(unit);
    state.touched = false;
  }
  // The checkpoint makes this record durable before it counts. Until it does, the one before it
  // serves: overwriting goes on, and waits for nothing.
  COWFS_TRY(declare(units));
  return {};
}

Result<void> DeclaredOverwrites::found(std::string_view record_body) {
  MutexLock lock(mutex_);
  ByteReader reader(record_body);
  while (!reader.rest().empty()) {
    const ObjectNumber object{reader.le<std::uint64_t>()};
    const auto first = reader.le<std::uint64_t>();
    const auto count = reader.le<std::uint32_t>();
    const bool sound = reader.ok() && object != kNoObject && first % kDeclaredBlocks == 0 &&
                       first / kDeclaredBlocks < kMostUnits && count <= kMostUnits &&
                       units_.size() + count <= kMostFound;
    if (!sound)
      return fail(ErrorCode::kCorrupted,
                  "the journal is damaged: a record of overwritten ranges makes no sense");
    for (std::uint64_t i = 0; i < count; ++i) units_[{object, first / kDeclaredBlocks + i}];
  }
  return {};
}

std::vector<BlockRange> DeclaredOverwrites::ranges() const {
  MutexLock lock(mutex_);
  std::vector<BlockRange> ranges;
  ranges.reserve(units_.size());
  for (const auto& [unit, state] : units_)
    ranges.push_back({unit.first, unit.second * kDeclaredBlocks, kDeclaredBlocks});
  return ranges;
}

}  // namespace cowfs
