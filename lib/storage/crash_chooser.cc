#include "lib/storage/crash_chooser.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string_view>

#include "lib/base/check.h"

namespace cowfs {

namespace {

constexpr std::uint64_t kSectorSize = 512;

}  // namespace

CrashChoice CrashChoice::from_seed(std::uint64_t seed) {
  return CrashChoice{static_cast<CrashVariant>(seed % kCrashVariants), seed};
}

std::string to_string(CrashChoice choice) {
  static constexpr std::array<std::string_view, kCrashVariants> kNames = {
      "none", "all", "prefix", "subset", "torn", "reordered", "kill"};
  return fmt::format("{}, seed {}", kNames.at(static_cast<std::size_t>(choice.variant)),
                     choice.seed);
}

void apply_whole(const StorageCall& call, MemoryArray& array) {
  switch (call.kind) {
    case StorageCallKind::kWrite: return array.write(call.offset, *call.data);
    case StorageCallKind::kReserve: return array.reserve(call.offset, call.length);
    case StorageCallKind::kPunch: return array.punch(call.offset, call.length);
    case StorageCallKind::kResize: return array.resize(call.offset);
    default: check_failed(__FILE__, __LINE__, "a change of an array's content");
  }
}

CrashChooser::CrashChooser(CrashChoice choice, const std::vector<std::uint64_t>& pending,
                           std::uint64_t end)
    : variant_(choice.variant), random_(choice.seed), last_(end == 0 ? 0 : end - 1) {
  static constexpr std::array<std::uint64_t, 4> kPercents = {10, 50, 50, 90};
  percent_ = kPercents[below(kPercents.size())];
  const std::uint64_t kept = below(pending.size() + 1);
  prefix_end_ = kept == pending.size() ? end : pending[kept];
}

bool CrashChooser::keeps(std::uint64_t sequence) {
  switch (variant_) {
    case CrashVariant::kNone: return false;
    case CrashVariant::kAll:
    case CrashVariant::kKill: return true;
    case CrashVariant::kPrefix: return sequence < prefix_end_;
    case CrashVariant::kSubset:
    case CrashVariant::kTorn:
    case CrashVariant::kReordered: return chance();
  }
  return false;
}

bool CrashChooser::keeps_name(std::uint64_t sequence) { return keeps(sequence); }

void CrashChooser::apply_some(const std::vector<CrashChange>& pending, MemoryArray& array) {
  std::vector<const CrashChange*> order;
  order.reserve(pending.size());
  for (const CrashChange& change : pending) order.push_back(&change);
  if (variant_ == CrashVariant::kReordered) {
    for (std::size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[below(i)]);
  }
  const bool tears = variant_ == CrashVariant::kTorn || variant_ == CrashVariant::kReordered;
  for (const CrashChange* change : order) {
    if (tears && chance()) apply_torn(change->call, array);
    else if (variant_ == CrashVariant::kKill && change->sequence == last_)
      apply_cut_short(change->call, array);
    else if (keeps(change->sequence)) apply_whole(change->call, array);
  }
}

void CrashChooser::apply_torn(const StorageCall& call, MemoryArray& array) {
  if (call.kind == StorageCallKind::kWrite) return apply_torn_write(call, array);
  if (call.kind == StorageCallKind::kPunch) {
    const std::uint64_t pages = call.length / MemoryArray::kPageSize + 1;
    const std::uint64_t from = std::min(below(pages) * MemoryArray::kPageSize, call.length);
    const std::uint64_t length =
        std::min(below(pages) * MemoryArray::kPageSize, call.length - from);
    return array.punch(call.offset + from, length);
  }
  if (chance()) apply_whole(call, array);
}

void CrashChooser::apply_torn_write(const StorageCall& call, MemoryArray& array) {
  const Bytes data = *call.data;
  for (std::uint64_t done = 0; done < data.size();) {
    const std::uint64_t offset = call.offset + done;
    const std::uint64_t length = std::min(kSectorSize - offset % kSectorSize, data.size() - done);
    if (chance()) array.write(offset, data.subspan(done, length));
    done += length;
  }
  if (chance()) array.grow(call.offset + data.size());
}

void CrashChooser::apply_cut_short(const StorageCall& call, MemoryArray& array) {
  if (call.kind != StorageCallKind::kWrite) return apply_whole(call, array);
  // The kernel copies page by page, and looks for a fatal signal between two.
  const std::uint64_t first_page = call.offset / MemoryArray::kPageSize;
  const std::uint64_t pages =
      (call.offset + call.length + MemoryArray::kPageSize - 1) / MemoryArray::kPageSize -
      first_page;
  const std::uint64_t end = (first_page + below(pages + 1)) * MemoryArray::kPageSize;
  if (end <= call.offset) return;
  array.write(call.offset, Bytes(*call.data).first(std::min(end - call.offset, call.length)));
}

}  // namespace cowfs
