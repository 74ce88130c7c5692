#include "tests/fuzz/exercise.h"

#include <sys/stat.h>

#include <set>
#include <vector>

#include "lib/volume/file_system.h"
#include "lib/volume/tree_clone.h"
#include "tests/fuzz/sample_store.h"

namespace cowfs::fuzz {
namespace {

constexpr std::size_t kMostEntries = 24;  // of a volume that are looked at
constexpr std::size_t kMostVolumes = 3;
constexpr std::size_t kMostWritten = 6;  // entries of a volume that are changed
constexpr int kMostSteps = 40;           // of a copy of a directory

struct Found {
  InodeNumber directory{};
  std::string name;
  Attributes attributes;
};

RequestContext caller() {
  RequestContext context;
  context.uid = context.gid = 1000;
  context.umask = 022;
  return context;
}

void look_at(Volume& volume, const Attributes& file) {
  const InodeNumber inode = file.inode;
  if (const auto names = volume.list_extended_attributes(inode)) {
    for (const std::string& name : *names) (void)volume.get_extended_attribute(inode, name);
  }
  (void)volume.read_link(inode);
  (void)volume.path_of(inode);
  if (!S_ISREG(file.mode)) return;
  std::vector<std::byte> buffer(10'000);
  for (const std::uint64_t offset : {std::uint64_t{0}, file.size - file.size / 8}) {
    (void)volume.read(inode, offset, buffer);
    (void)volume.locate(inode, offset / kBlockSize);
    (void)volume.seek(inode, offset, SeekTarget::kData);
    (void)volume.seek(inode, offset, SeekTarget::kHole);
  }
}

/// Directories breadth first: what a damaged tree makes a circle of is seen once.
std::vector<Found> walk(Volume& volume) {
  std::vector<Found> found;
  std::set<InodeNumber> seen{kRootInode};
  std::vector<InodeNumber> directories{kRootInode};
  for (std::size_t next = 0; next < directories.size() && found.size() < kMostEntries; ++next) {
    const InodeNumber directory = directories[next];
    (void)volume.read_directory(
        directory, 0, true, [&](const DirectoryEntry& entry, const Attributes* attributes) {
          if (entry.name == "." || entry.name == ".." || attributes == nullptr) return true;
          found.push_back({directory, std::string(entry.name), *attributes});
          if (S_ISDIR(attributes->mode) && seen.insert(attributes->inode).second)
            directories.push_back(attributes->inode);
          return found.size() < kMostEntries;
        });
  }
  for (const Found& entry : found) {
    (void)volume.lookup(entry.directory, entry.name);
    look_at(volume, entry.attributes);
  }
  return found;
}

void change_file(Volume& volume, const Found& entry) {
  const RequestContext context = caller();
  const InodeNumber inode = entry.attributes.inode;
  const std::string text(9000, 'w');
  const Bytes bytes = std::as_bytes(std::span(text));
  (void)volume.write(context, inode, 4000, bytes, true);
  (void)volume.write(context, inode, entry.attributes.size / 2, bytes, false);
  (void)volume.allocate(context, inode, AllocateMode::kPunchHole, 5000, 20'000, false);
  (void)volume.allocate(context, inode, AllocateMode::kZeroRange, 90'000, 20'000, false);
  AttributeChange change;
  change.permissions = 0751;
  change.uid = 7;
  (void)volume.set_attributes(context, inode, change);
  AttributeChange cut;
  cut.size = entry.attributes.size / 3;
  (void)volume.set_attributes(context, inode, cut);
  (void)volume.set_extended_attribute(context, inode, "user.new", text.substr(0, 700),
                                      AttributeMode::kAny);
  (void)volume.remove_extended_attribute(context, inode, "user.long");
  (void)volume.remove_extended_attribute(context, inode, "system.posix_acl_access");
  (void)volume.sync(inode, false);
}

void change_names(Volume& volume, const Found& entry, std::size_t number) {
  const RequestContext context = caller();
  const std::string name = "new " + std::to_string(number);
  (void)volume.link(context, entry.attributes.inode, kRootInode, name);
  (void)volume.rename(context, entry.directory, entry.name, kRootInode, name + "!",
                      RenameMode::kReplace);
  (void)volume.make_node(context, entry.attributes.inode, "in it", S_IFREG | 0666, 0);
  (void)volume.make_directory(context, entry.directory, name, 0777);
  if (number % 2 == 0) (void)volume.unlink(context, kRootInode, name + "!");
  (void)volume.remove_directory(context, entry.directory, name);
  (void)volume.unlink(context, entry.directory, entry.name);
}

void copy_tree(const std::shared_ptr<Volume>& volume, InodeNumber directory) {
  TreeClone clone(caller(), true, {volume, directory, volume, kRootInode, "a copy"},
                  {.mode = true, .links = true, .attributes = true});
  if (!clone.begin()) return;
  Result<bool> more(true);
  for (int steps = 0; more && *more && steps < kMostSteps; ++steps) more = clone.step();
  if (!more || *more || !clone.publish()) (void)clone.abandon();
}

void change(const std::shared_ptr<Volume>& volume, const std::vector<Found>& found) {
  for (std::size_t i = 0; i < found.size() && i < kMostWritten; ++i) {
    const Found& entry = found[i * found.size() / kMostWritten % found.size()];
    if (S_ISDIR(entry.attributes.mode) && i < 2) copy_tree(volume, entry.attributes.inode);
    change_file(*volume, entry);
    change_names(*volume, entry, i);
    const Found& other = found[(i + 1) % found.size()];
    (void)Volume::clone_range(caller(), *volume, entry.attributes.inode, 0, *volume,
                              other.attributes.inode, 4096, 1 << 20, true);
  }
}

}  // namespace

void exercise(std::unique_ptr<MemoryStorage> storage, bool read_only, std::uint64_t changed) {
  StoreOptions options = quiet_options();
  options.read_only = read_only;
  auto opened = FileSystem::open(std::move(storage), options);
  if (!opened) return;
  FileSystem& system = **opened;
  std::vector<VolumeInfo> volumes = system.store().list_volumes();
  if (volumes.size() > kMostVolumes) volumes.resize(kMostVolumes);
  for (std::size_t i = 0; i < volumes.size(); ++i) {
    const auto volume = system.volume(volumes[i].id);
    if (!volume) continue;
    const std::vector<Found> found = walk(**volume);
    if (!read_only && i == changed % volumes.size()) change(*volume, found);
  }
  (void)system.store().space_now();
  if (read_only) return;
  (void)system.create_volume(caller(), volumes.empty() ? kMainVolume : volumes.front().id, "made",
                             VolumeKind::kFork);
  (void)system.store().sync();
  for (const VolumeInfo& info : volumes) {
    if (info.id != kMainVolume) (void)system.delete_volume(caller(), info.id);
  }
  (void)system.store().reclaim_now();
  (void)system.store().verify();
  (void)system.close();
}

}  // namespace cowfs::fuzz
