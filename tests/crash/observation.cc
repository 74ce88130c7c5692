#include "tests/crash/observation.h"

#include <fmt/format.h>
#include <gtest/gtest-spi.h>
#include <sys/stat.h>

#include <span>

#include "tests/crash/live_model.h"
#include "tests/crash/workload.h"
#include "tests/volume/volume_checker.h"

namespace cowfs {
namespace {

Result<std::string> read_all(Volume& volume, InodeNumber inode, std::uint64_t size) {
  std::string bytes(size, '\0');
  COWFS_ASSIGN(const std::size_t done,
               volume.read(inode, 0, std::as_writable_bytes(std::span(bytes))));
  if (done != size) return fail(ErrorCode::kIo, "a file is shorter than its size");
  return bytes;
}

Result<std::uint64_t> attributes_of(Volume& volume, InodeNumber inode) {
  std::map<std::string, std::string> attributes;
  COWFS_ASSIGN(const auto names, volume.list_extended_attributes(inode));
  for (const std::string& name : names) {
    COWFS_ASSIGN(attributes[name], volume.get_extended_attribute(inode, name));
  }
  return hash_attributes(attributes);
}

Result<FileState> observe_file(Volume& volume, const Attributes& found) {
  auto file = std::make_shared<FileVersion>();
  file->links = found.link_count;
  COWFS_ASSIGN(file->attributes, attributes_of(volume, found.inode));
  COWFS_ASSIGN(std::string bytes, read_all(volume, found.inode, found.size));
  file->bytes = std::make_shared<const std::string>(std::move(bytes));
  return FileState(std::move(file));
}

struct Entry {
  std::string name;
  Attributes attributes;
};

Result<std::vector<Entry>> entries_of(Volume& volume, InodeNumber directory) {
  std::vector<Entry> entries;
  COWFS_TRY(volume.read_directory(directory, 2, true,
                                  [&](const DirectoryEntry& entry, const Attributes* attributes) {
                                    entries.push_back({std::string(entry.name), *attributes});
                                    return true;
                                  }));
  return entries;
}

Result<void> observe_directory(Volume& volume, InodeNumber directory, ExpectedVolume& state) {
  COWFS_ASSIGN(const auto entries, entries_of(volume, directory));
  for (const Entry& entry : entries) {
    const Attributes& found = entry.attributes;
    state.names[{directory, entry.name}] = found.inode;
    if (S_ISDIR(found.mode)) {
      COWFS_TRY(observe_directory(volume, found.inode, state));
    } else if (!state.files.contains(found.inode)) {
      COWFS_ASSIGN(state.files[found.inode], observe_file(volume, found));
    }
  }
  return {};
}

Result<std::shared_ptr<const ExpectedVolume>> observe_volume(FileSystem& file_system,
                                                             const VolumeInfo& info) {
  auto state = std::make_shared<ExpectedVolume>();
  state->id = info.id;
  state->read_only = info.read_only;
  COWFS_ASSIGN(const auto volume, file_system.volume(info.id));
  COWFS_TRY(observe_directory(*volume, kRootInode, *state));
  state->structure = structure_of(*state);
  return std::shared_ptr<const ExpectedVolume>(std::move(state));
}

Result<void> expect(bool holds, const char* what) {
  return holds ? Result<void>{} : fail(ErrorCode::kIo, what);
}

Result<void> write_text(Volume& volume, InodeNumber file, std::uint64_t offset,
                        const std::string& text) {
  COWFS_ASSIGN(const std::size_t done,
               volume.write(crash_user(), file, offset, std::as_bytes(std::span(text)), false));
  return expect(done == text.size(), "a short write after the crash");
}

Result<void> resize(Volume& volume, InodeNumber file, std::uint64_t size) {
  AttributeChange change;
  change.size = size;
  COWFS_TRY(volume.set_attributes(crash_user(), file, change));
  return {};
}

/// A file that grows shows zeros past its old end, whatever lay in its last block.
Result<void> growing_shows_zeros(Volume& volume, InodeNumber inode, std::uint64_t size) {
  COWFS_ASSIGN(const std::string before, read_all(volume, inode, size));
  COWFS_TRY(resize(volume, inode, size + 5000));
  COWFS_ASSIGN(const std::string after, read_all(volume, inode, size + 5000));
  COWFS_TRY(expect(after == before + std::string(5000, '\0'),
                   "a file that grew after the crash shows other bytes than zeros"));
  return resize(volume, inode, size);
}

Result<void> change_main(FileSystem& file_system, const ExpectedVolume& seen) {
  COWFS_ASSIGN(const auto main, file_system.volume("main"));
  COWFS_ASSIGN(const VolumeInfo cut, file_system.create_volume(crash_user(), kMainVolume, "after",
                                                               VolumeKind::kSnapshot));
  COWFS_ASSIGN(const Attributes file,
               main->make_node(crash_user(), kRootInode, "after", S_IFREG | 0644, 0));
  const std::string text(9000, 'x');
  COWFS_TRY(write_text(*main, file.inode, 100, text));
  if (!seen.files.empty()) {
    const auto& [inode, old] = *seen.files.begin();
    COWFS_TRY(growing_shows_zeros(*main, inode, old->size()));
    COWFS_TRY(write_text(*main, inode, 0, text));
    COWFS_ASSIGN(const auto before, file_system.volume(cut.id));
    COWFS_ASSIGN(const std::string kept, read_all(*before, inode, old->size()));
    COWFS_TRY(
        expect(kept == *old->bytes, "a snapshot made after the crash changed with its parent"));
  }
  COWFS_ASSIGN(const std::string read, read_all(*main, file.inode, text.size() + 100));
  COWFS_TRY(expect(read == std::string(100, '\0') + text, "a write after the crash is not there"));
  COWFS_TRY(main->sync(file.inode, false));
  // Blocks that nobody has written are zero: no place is used twice.
  COWFS_TRY(main->allocate(crash_user(), file.inode, AllocateMode::kAllocate, 12288, 12288, false));
  COWFS_ASSIGN(const std::string fresh, read_all(*main, file.inode, 24576));
  COWFS_TRY(expect(fresh.substr(12288) == std::string(12288, '\0'),
                   "blocks that were never written show old bytes"));
  COWFS_TRY(main->unlink(crash_user(), kRootInode, "after"));
  return file_system.delete_volume(crash_user(), cut.id);
}

}  // namespace

Result<StoreState> observe(FileSystem& file_system) {
  StoreState state;
  for (const VolumeInfo& info : file_system.store().list_volumes()) {
    COWFS_ASSIGN(state[info.name], observe_volume(file_system, info));
  }
  return state;
}

Result<void> works_on(FileSystem& file_system, const StoreState& seen) {
  COWFS_TRY(change_main(file_system, *seen.at("main")));
  COWFS_TRY(file_system.store().sync());
  COWFS_TRY(file_system.store().checkpoint());
  COWFS_TRY(file_system.store().verify());
  for (const auto& [name, before] : seen) {
    if (name == "main" || !before->read_only) continue;
    COWFS_ASSIGN(const VolumeInfo info, file_system.store().find_volume(name));
    COWFS_ASSIGN(const auto now, observe_volume(file_system, info));
    for (const auto& [inode, file] : now->files) {
      const auto old = before->files.find(inode);
      COWFS_TRY(expect(old != before->files.end() && *old->second->bytes == *file->bytes,
                       "a snapshot changed after the crash"));
    }
  }
  return {};
}

Result<void> check_volumes(FileSystem& file_system) {
  ::testing::TestPartResultArray results;
  {
    ::testing::ScopedFakeTestPartResultReporter quiet(
        ::testing::ScopedFakeTestPartResultReporter::INTERCEPT_ONLY_CURRENT_THREAD, &results);
    for (const VolumeInfo& info : file_system.store().list_volumes()) {
      const auto volume = file_system.volume(info.id);
      if (volume) check_volume(**volume);
    }
  }
  if (results.size() == 0) return {};
  return fail(ErrorCode::kIo, results.GetTestPartResult(0).message());
}

}  // namespace cowfs
