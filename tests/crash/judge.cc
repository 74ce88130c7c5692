#include "tests/crash/judge.h"

#include <fmt/format.h>

#include <algorithm>

#include "tests/crash/live_model.h"

namespace cowfs {
namespace {

std::string volume_difference(const ExpectedVolume& seen, const ExpectedVolume& expected) {
  if (seen.id != expected.id || seen.read_only != expected.read_only) return "another volume";
  for (const auto& [name, inode] : expected.names) {
    if (!seen.names.contains(name)) return fmt::format("'{}' is missing", name.second);
    if (seen.names.at(name) != inode) return fmt::format("'{}' is another file", name.second);
  }
  for (const auto& [name, inode] : seen.names) {
    if (!expected.names.contains(name)) return fmt::format("'{}' is there", name.second);
  }
  for (const auto& [inode, file] : expected.files) {
    const auto found = seen.files.find(inode);
    if (found == seen.files.end()) return fmt::format("file {} is missing", raw(inode));
    const FileVersion& other = *found->second;
    if (other.size() != file->size())
      return fmt::format("file {} has size {}, not {}", raw(inode), other.size(), file->size());
    if (other.links != file->links) return fmt::format("file {} has other links", raw(inode));
    if (other.attributes != file->attributes)
      return fmt::format("file {} has other extended attributes", raw(inode));
  }
  return {};
}

}  // namespace

std::string structure_difference(const StoreState& seen, const StoreState& expected) {
  for (const auto& entry : seen) {
    if (!expected.contains(entry.first)) return "volume " + entry.first + " is there";
  }
  for (const auto& [name, volume] : expected) {
    const auto found = seen.find(name);
    if (found == seen.end()) return "volume " + name + " is missing";
    if (found->second->structure == volume->structure) continue;
    return "volume " + name + ": " + volume_difference(*found->second, *volume);
  }
  return {};
}

const FileVersion& Judge::expected_version(const std::string& volume, FileId file,
                                           const Candidate& candidate) const {
  // Data can be durable further than the names are: after an fdatasync.
  for (std::size_t i = candidate.bounds.acknowledged; i > candidate.operation; --i) {
    const LoggedOperation& operation = reference_.operation(i);
    if (operation.file_durable != file) continue;
    const auto later = operation.state.find(volume);
    if (later == operation.state.end()) break;
    const auto found = later->second->files.find(file.second);
    if (found != later->second->files.end()) return *found->second;
  }
  const StoreState& state = reference_.operation(candidate.operation).state;
  return *state.at(volume)->files.at(file.second);
}

std::optional<std::string> Judge::file_complaint(FileSystem& file_system,
                                                 const ExpectedVolume& volume, InodeNumber inode,
                                                 const FileVersion& expected,
                                                 const Candidate& candidate) const {
  const FileVersion& seen = *volume.files.at(inode);
  if (*seen.bytes == *expected.bytes) return std::nullopt;
  const FileId file{volume.id, inode};
  const auto places = places_of(file_system.store(), volume.id, inode, seen.size());
  if (!places) return "the extents cannot be read: " + places.error().text;
  const std::size_t from =
      candidate.loss == Loss::kProcess
          ? candidate.operation
          : reference_.data_durable(file, candidate.bounds.acknowledged, candidate.operation);
  for (std::size_t offset = 0; offset < seen.size(); offset += kSectorSize) {
    const std::string_view sector = std::string_view(*seen.bytes).substr(offset, kSectorSize);
    const Place place = (*places)[offset / kBlockSize];
    const bool same = expected.size() >= offset + sector.size() &&
                      std::string_view(*expected.bytes).substr(offset, sector.size()) == sector;
    if (same || reference_.may_show(file, offset, sector, place, from, candidate.bounds.begun)) {
      continue;
    }
    return fmt::format(
        "file {} of volume {}, offset {}: {} at {}:{} is no version from {} to {}; it had{}",
        raw(inode), raw(volume.id), offset, short_text(sector), place.object, place.block, from,
        candidate.bounds.begun, reference_.describe(file, offset));
  }
  return std::nullopt;
}

std::optional<std::string> Judge::data_complaint(FileSystem& file_system, const StoreState& seen,
                                                 const Candidate& candidate) const {
  for (const auto& [name, volume] : seen) {
    for (const auto& [inode, file] : volume->files) {
      const FileVersion& expected = expected_version(name, {volume->id, inode}, candidate);
      auto complaint = file_complaint(file_system, *volume, inode, expected, candidate);
      if (complaint) return complaint;
    }
  }
  return std::nullopt;
}

bool Judge::exact(const StoreState& seen, const CrashBounds& bounds, Loss loss) const {
  const std::size_t first = loss == Loss::kProcess ? bounds.acknowledged : bounds.durable;
  const std::uint64_t structure = structure_of(seen);
  for (std::size_t i = bounds.begun + 1; i-- > first;) {
    if (reference_.operation(i).structure != structure) continue;
    bool same = true;
    for (const auto& [name, volume] : seen) {
      for (const auto& [inode, file] : volume->files) {
        const FileId id{volume->id, inode};
        same = same && *file->bytes == *expected_version(name, id, {i, bounds, loss}).bytes;
      }
    }
    if (same) return true;
  }
  return false;
}

std::optional<std::string> Judge::complaint(FileSystem& file_system, const StoreState& seen,
                                            const CrashBounds& bounds, Loss loss) const {
  const std::size_t first = loss == Loss::kProcess ? bounds.acknowledged : bounds.durable;
  const std::uint64_t structure = structure_of(seen);
  std::string why;
  for (std::size_t i = bounds.begun + 1; i-- > first;) {
    if (reference_.operation(i).structure != structure) continue;
    const auto complaint = data_complaint(file_system, seen, {i, bounds, loss});
    if (!complaint) return std::nullopt;
    why += fmt::format("\n  as after operation {} ({}), but: {}", i, reference_.operation(i).text,
                       *complaint);
  }
  if (!why.empty()) return why;
  for (std::size_t i = 0; i < reference_.size(); ++i) {
    if (reference_.operation(i).structure == structure)
      why += fmt::format("\n  as after operation {} ({})", i, reference_.operation(i).text);
  }
  return fmt::format(
      "no state from operation {} to {} (acknowledged {}): against {} ({}): {}; against {} ({}): "
      "{}{}",
      first, bounds.begun, bounds.acknowledged, first, reference_.operation(first).text,
      structure_difference(seen, reference_.operation(first).state), bounds.begun,
      reference_.operation(bounds.begun).text,
      structure_difference(seen, reference_.operation(bounds.begun).state), why);
}

}  // namespace cowfs
