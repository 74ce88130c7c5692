#include "tests/crash/reference.h"

#include <fmt/format.h>
#include <algorithm>

#include "lib/base/xxh3.h"

namespace cowfs {
namespace {

class Hash {
 public:
  void add(std::uint64_t number) { value_ = XXH64(&number, sizeof number, value_); }
  void add(std::string_view text) { value_ = XXH64(text.data(), text.size(), value_ + 1); }
  std::uint64_t value() const { return value_; }

 private:
  std::uint64_t value_ = 0;
};

}  // namespace

std::string short_text(std::string_view bytes) {
  std::string text;
  for (const char byte : bytes.substr(0, 8)) {
    text += fmt::format("{:02x}", static_cast<unsigned char>(byte));
  }
  return text;
}

std::uint64_t hash_attributes(const std::map<std::string, std::string>& attributes) {
  Hash hash;
  for (const auto& [name, value] : attributes) {
    hash.add(name);
    hash.add(value);
  }
  return hash.value();
}

std::uint64_t structure_of(const ExpectedVolume& volume) {
  Hash hash;
  hash.add(raw(volume.id));
  hash.add(volume.read_only ? 1u : 0u);
  for (const auto& [key, inode] : volume.names) {
    hash.add(raw(key.first));
    hash.add(key.second);
    hash.add(raw(inode));
  }
  for (const auto& [inode, file] : volume.files) {
    hash.add(raw(inode));
    hash.add(file->size());
    hash.add(file->links);
    hash.add(file->attributes);
  }
  return hash.value();
}

std::uint64_t structure_of(const StoreState& state) {
  Hash hash;
  for (const auto& [name, volume] : state) {
    hash.add(name);
    hash.add(volume->structure);
  }
  return hash.value();
}

void Reference::log(LoggedOperation operation) {
  operation.structure = structure_of(operation.state);
  log_.push_back(std::move(operation));
}

void Reference::add_version(FileId file, FileState version) {
  versions_[file].push_back({log_.size(), std::move(version)});
}

CrashBounds Reference::bounds(std::size_t cut, Loss loss) const {
  // A process that dies within a call gets no further; power fails between two.
  const std::size_t returned = loss == Loss::kPower ? cut : cut - 1;
  CrashBounds bounds;
  for (std::size_t i = 0; i < log_.size(); ++i) {
    if (i > 0 && log_[i].begun_at >= cut && log_[i].acknowledged_at > returned) break;
    bounds.begun = i;
    if (i > 0 && log_[i].acknowledged_at > returned) break;
    bounds.acknowledged = i;
    if (log_[i].durable_to) bounds.durable = std::max(bounds.durable, *log_[i].durable_to);
  }
  return bounds;
}

std::size_t Reference::data_durable(FileId file, std::size_t acknowledged,
                                    std::size_t shown) const {
  std::size_t last = 0;
  for (std::size_t i = 1; i < log_.size() && i <= std::max(acknowledged, shown); ++i) {
    const LoggedOperation& operation = log_[i];
    const bool synced =
        i <= acknowledged && (operation.all_data_durable || operation.file_durable == file);
    // A fork that is there has all data that it shares; one that is lost promises nothing.
    if (synced || (i <= shown && operation.forked == file.first)) last = i;
  }
  return last;
}

std::size_t Reference::last_change_of_shape(FileId file, std::size_t operation) const {
  std::size_t last = 0;
  const FileVersion* before = nullptr;
  for (const Version& version : versions_.at(file)) {
    if (version.operation > operation) break;
    const FileVersion& now = *version.file;
    const bool same =
        before != nullptr && before->size() == now.size() && before->places == now.places;
    if (!same) last = version.operation;
    before = &now;
  }
  return last;
}

bool Reference::may_show(FileId file, std::size_t offset, std::string_view bytes, Place place,
                         std::size_t from, std::size_t to) const {
  const auto found = versions_.find(file);
  if (found == versions_.end()) return false;
  const std::vector<Version>& versions = found->second;
  for (std::size_t i = 0; i < versions.size() && versions[i].operation <= to; ++i) {
    const bool over = i + 1 < versions.size() && versions[i + 1].operation <= from;
    const FileVersion& version = *versions[i].file;
    if (over || version.size() < offset + bytes.size()) continue;
    if (version.places[offset / kBlockSize] != place) continue;
    if (std::string_view(*version.bytes).substr(offset, bytes.size()) == bytes) return true;
  }
  return false;
}

std::string Reference::describe(FileId file, std::size_t offset) const {
  const auto found = versions_.find(file);
  if (found == versions_.end()) return " no versions";
  std::string text;
  for (const Version& version : found->second) {
    if (offset >= version.file->size()) continue;
    const Place place = version.file->places[offset / kBlockSize];
    const std::string_view bytes = std::string_view(*version.file->bytes).substr(offset);
    text += fmt::format("\n    after {}: {} at {}:{}, size {}", version.operation,
                        short_text(bytes), place.object, place.block, version.file->size());
  }
  return text;
}

}  // namespace cowfs
