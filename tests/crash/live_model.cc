#include "tests/crash/live_model.h"

#include <algorithm>

#include "lib/volume/extent_map.h"

namespace cowfs {

Result<std::vector<Place>> places_of(Store& store, VolumeId volume, InodeNumber inode,
                                     std::uint64_t size) {
  std::vector<Place> places(blocks_for(size));
  const ReadView view(store);
  COWFS_ASSIGN(const auto extents, find_extents(view, volume, inode, {0, places.size()}));
  for (const Extent& extent : extents) {
    for (std::uint64_t i = 0; i < extent.blocks.count; ++i) {
      if (extent.file_block + i >= places.size()) break;
      places[extent.file_block + i] = {raw(extent.blocks.object), extent.blocks.first + i};
    }
  }
  return places;
}

void LiveModel::write(LiveVolume& volume, InodeNumber file, std::uint64_t offset,
                      std::string_view bytes) {
  std::string now = *volume.files.at(file).bytes;
  if (now.size() < offset + bytes.size()) now.resize(offset + bytes.size());
  now.replace(offset, bytes.size(), bytes);
  volume.files.at(file).bytes = std::make_shared<const std::string>(std::move(now));
  touch(volume, file);
}

void LiveModel::resize(LiveVolume& volume, InodeNumber file, std::uint64_t size) {
  std::string now = *volume.files.at(file).bytes;
  now.resize(size);
  volume.files.at(file).bytes = std::make_shared<const std::string>(std::move(now));
  touch(volume, file);
}

void LiveModel::zero(LiveVolume& volume, InodeNumber file, std::uint64_t offset,
                     std::uint64_t length, bool grows) {
  std::string now = *volume.files.at(file).bytes;
  if (grows && now.size() < offset + length) now.resize(offset + length);
  if (offset < now.size()) {
    const std::uint64_t count = std::min<std::uint64_t>(length, now.size() - offset);
    now.replace(offset, count, count, '\0');
  }
  volume.files.at(file).bytes = std::make_shared<const std::string>(std::move(now));
  touch(volume, file);
}

void LiveModel::add_name(LiveVolume& volume, InodeNumber directory, const std::string& name,
                         InodeNumber inode) {
  volume.names[{directory, name}] = inode;
  touch(volume);
  if (volume.files.contains(inode)) touch(volume, inode);
}

void LiveModel::drop_name(LiveVolume& volume, InodeNumber directory, const std::string& name) {
  volume.names.erase({directory, name});
  touch(volume);
}

Result<FileState> LiveModel::version_of(Store& store, const LiveVolume& volume, InodeNumber inode) {
  const LiveFile& file = volume.files.at(inode);
  auto version = std::make_shared<FileVersion>();
  version->bytes = file.bytes;
  version->links = file.links;
  version->attributes = hash_attributes(file.attributes);
  COWFS_ASSIGN(version->places, places_of(store, volume.id, inode, version->size()));
  return FileState(std::move(version));
}

std::shared_ptr<const ExpectedVolume> LiveModel::state_of(const LiveVolume& volume) {
  auto state = std::make_shared<ExpectedVolume>();
  state->id = volume.id;
  state->read_only = volume.read_only;
  state->names = volume.names;
  for (const auto& entry : volume.names) {
    const auto file = volume.files.find(entry.second);
    if (file != volume.files.end()) state->files[file->first] = file->second.logged;
  }
  state->structure = structure_of(*state);
  return state;
}

Result<void> LiveModel::log(FileSystem& file_system, Reference& reference,
                            LoggedOperation operation) {
  for (auto& [name, volume] : volumes_) {
    for (auto& [inode, file] : volume.files) {
      // A file of a new fork has a version of its own from now on.
      if (file.logged != nullptr && !touched_.contains({volume.id, inode})) continue;
      COWFS_ASSIGN(file.logged, version_of(file_system.store(), volume, inode));
      reference.add_version({volume.id, inode}, file.logged);
      volume.logged = nullptr;
    }
    if (volume.logged == nullptr) volume.logged = state_of(volume);
    operation.state[name] = volume.logged;
  }
  touched_.clear();
  reference.log(std::move(operation));
  return {};
}

}  // namespace cowfs
