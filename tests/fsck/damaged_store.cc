#include "tests/fsck/damaged_store.h"

#include <sys/stat.h>

#include <algorithm>
#include <cstring>

#include "lib/store/node_reader.h"
#include "lib/store/store_survey.h"
#include "lib/store/superblock.h"
#include "lib/volume/borrowed_storage.h"
#include "tests/support/result_matchers.h"

namespace cowfs {
namespace {

constexpr std::size_t kReadLimit = std::size_t{8} << 20;

StoreOptions quiet() {
  StoreOptions options;
  options.background = false;
  options.reserve_bytes = 0;
  return options;
}

RequestContext user() {
  RequestContext context;
  context.request_id = 1;
  context.uid = context.gid = 1000;
  return context;
}

std::string random_bytes(std::size_t size, std::mt19937_64& random) {
  std::string bytes(size, '\0');
  for (std::size_t at = 0; at < size; at += sizeof(std::uint64_t)) {
    const std::uint64_t part = random();
    std::memcpy(&bytes[at], &part, std::min(sizeof part, size - at));
  }
  return bytes;
}

class Builder {
 public:
  Builder(FileSystem& file_system, std::mt19937_64& random)
      : file_system_(file_system), random_(random) {
    main_ = *file_system.volume(kMainVolume);
  }

  void fill(InodeNumber directory, const std::string& tag, int files) {
    for (int i = 0; i < files; ++i) {
      const std::string name = tag + std::to_string(i);
      const InodeNumber file = make_file(directory, name);
      write(file, 0, sizes_[random_() % std::size(sizes_)]);
      if (i % 7 == 0) attribute(file, "user.note", 1 + random_() % 2000);
      if (i % 9 == 0) link(file, directory, name + ".link");
      if (i % 11 == 0) symlink(directory, name + ".symlink");
    }
  }

  void link(InodeNumber file, InodeNumber directory, const std::string& name) {
    EXPECT_THAT(main_->link(user(), file, directory, name), IsOk());
  }
  void symlink(InodeNumber directory, const std::string& name) {
    const std::string target(1 + random_() % 1500, 't');
    EXPECT_THAT(main_->make_symlink(user(), directory, name, target), IsOk());
  }

  InodeNumber make_directory(InodeNumber parent, const std::string& name) {
    const auto made = main_->make_directory(user(), parent, name, 0755);
    EXPECT_THAT(made, IsOk());
    return made->inode;
  }
  InodeNumber make_file(InodeNumber directory, const std::string& name) {
    const auto made = main_->make_node(user(), directory, name, S_IFREG | 0644, 0);
    EXPECT_THAT(made, IsOk());
    return made->inode;
  }
  void write(InodeNumber file, std::uint64_t offset, std::size_t size) {
    if (size == 0) return;
    const std::string bytes = random_bytes(size, random_);
    EXPECT_THAT(main_->write(user(), file, offset, std::as_bytes(std::span(bytes)), false), IsOk());
  }
  void attribute(InodeNumber file, const std::string& name, std::size_t size) {
    EXPECT_THAT(main_->set_extended_attribute(user(), file, name, random_bytes(size, random_),
                                              AttributeMode::kAny),
                IsOk());
  }
  void volume(const std::string& name, VolumeKind kind) {
    EXPECT_THAT(file_system_.create_volume(user(), kMainVolume, name, kind), IsOk());
  }

  void everything() {
    std::vector<InodeNumber> directories{kRootInode};
    for (int i = 0; i < 12; ++i) {
      const InodeNumber parent = directories[random_() % directories.size()];
      directories.push_back(make_directory(parent, "dir" + std::to_string(i)));
    }
    for (const InodeNumber directory : directories) fill(directory, "file", 14);
    const InodeNumber big = make_file(kRootInode, "big");
    for (int i = 0; i < 40; ++i) write(big, static_cast<std::uint64_t>(i) * 100'000, 70'000);
    volume("before", VolumeKind::kSnapshot);
    for (int i = 0; i < 60; ++i) write(big, random_() % 4'000'000 / 4096 * 4096, 4096);
    for (const InodeNumber directory : directories) fill(directory, "later", 3);
    volume("fork", VolumeKind::kFork);
    volume("gone", VolumeKind::kFork);
    for (int i = 0; i < 14; i += 3) {
      EXPECT_THAT(main_->unlink(user(), kRootInode, "file" + std::to_string(i)), IsOk());
    }
    const auto gone = file_system_.store().find_volume("gone");
    EXPECT_THAT(file_system_.delete_volume(user(), gone->id), IsOk());
  }

 private:
  static constexpr std::size_t sizes_[] = {0, 5, 4096, 5000, 20'000, 60'000};
  FileSystem& file_system_;
  std::mt19937_64& random_;
  std::shared_ptr<Volume> main_;
};

class Reader {
 public:
  explicit Reader(Volume& volume) : volume_(volume) {}

  std::map<std::string, std::string> all() {
    pending_.emplace_back("", kRootInode);
    while (!pending_.empty()) {
      const auto [path, inode] = pending_.back();
      pending_.pop_back();
      read_directory(path, inode);
    }
    return std::move(found_);
  }

 private:
  void read_directory(const std::string& path, InodeNumber inode) {
    struct Entry {
      std::string name;
      InodeNumber inode;
    };
    std::vector<Entry> entries;
    const auto read = volume_.read_directory(
        inode, 2, false, [&](const DirectoryEntry& entry, const Attributes*) {
          entries.push_back({std::string(entry.name), entry.inode});
          return true;
        });
    if (!read) found_[path + "/"] = "!" + read.error().text;
    for (const Entry& entry : entries)
      read_inode(path.empty() ? entry.name : path + "/" + entry.name, entry.inode);
  }

  void read_inode(const std::string& path, InodeNumber inode) {
    const auto attributes = volume_.get_attributes(inode);
    if (!attributes) {
      found_[path] = "!" + attributes.error().text;
    } else if (S_ISDIR(attributes->mode)) {
      found_[path] = "d:" + extended(inode);
      pending_.emplace_back(path, inode);
    } else if (S_ISLNK(attributes->mode)) {
      const auto target = volume_.read_link(inode);
      found_[path] = target ? "l:" + *target : "!" + target.error().text;
    } else {
      const auto bytes = bytes_of(inode, attributes->size);
      found_[path] = bytes ? "f:" + *bytes + extended(inode) : "!" + bytes.error().text;
    }
  }

  Result<std::string> bytes_of(InodeNumber inode, std::uint64_t size) {
    std::string bytes(std::min<std::uint64_t>(size, kReadLimit), '?');
    COWFS_TRY(volume_.read(inode, 0, std::as_writable_bytes(std::span(bytes))));
    return bytes;
  }

  std::string extended(InodeNumber inode) {
    std::string out;
    const auto names = volume_.list_extended_attributes(inode);
    if (!names) return "!" + names.error().text;
    for (const std::string& name : *names)
      out += " " + name + "=" + volume_.get_extended_attribute(inode, name).value_or("!");
    return out;
  }

  Volume& volume_;
  std::vector<std::pair<std::string, InodeNumber>> pending_;
  std::map<std::string, std::string> found_;
};

Contents read_volumes(FileSystem& file_system) {
  Contents contents;
  for (const VolumeInfo& info : file_system.store().list_volumes()) {
    const auto volume = file_system.volume(info.id);
    contents[info.name] = Reader(**volume).all();
  }
  return contents;
}

struct Made {
  ArraySet arrays;
  Contents contents;
};

Made make_anew(Ending ending, std::uint64_t seed) {
  auto storage = std::make_unique<MemoryStorage>();
  std::mt19937_64 random(seed);
  EXPECT_THAT(FileSystem::format(*storage, user(), 0755, {.seed = seed}), IsOk());
  auto opened = FileSystem::open(std::make_unique<BorrowedStorage>(*storage), quiet());
  EXPECT_THAT(opened, IsOk());
  FileSystem& file_system = **opened;
  Builder builder(file_system, random);
  builder.everything();
  EXPECT_THAT(file_system.store().checkpoint(), IsOk());
  builder.fill(kRootInode, "after", 8);
  builder.volume("after", VolumeKind::kSnapshot);
  Made made;
  made.contents = read_volumes(file_system);
  if (ending == Ending::kKilled) {
    made.arrays = storage->kill_image()->content();
  } else {
    EXPECT_THAT(file_system.close(), IsOk());
    made.arrays = storage->content();
  }
  opened->reset();
  return made;
}

}  // namespace

TestStore make_test_store(Ending ending, std::uint64_t seed) {
  static std::map<std::pair<Ending, std::uint64_t>, Made> all;
  auto found = all.find({ending, seed});
  if (found == all.end())
    found = all.emplace(std::pair(ending, seed), make_anew(ending, seed)).first;
  const Made& made = found->second;
  return {std::make_unique<MemoryStorage>(MemoryStorage::Options{}, made.arrays), made.contents};
}

Contents read_all(MemoryStorage& storage) {
  auto opened = FileSystem::open(std::make_unique<BorrowedStorage>(storage), quiet());
  EXPECT_THAT(opened, IsOk());
  if (!opened) return {};
  Contents contents = read_volumes(**opened);
  EXPECT_THAT((*opened)->store().verify(), IsOk());
  EXPECT_THAT((*opened)->close(), IsOk());
  return contents;
}

std::set<std::string> differences(const Contents& expected, const Contents& found) {
  std::set<std::string> out;
  for (const auto& [volume, files] : expected) {
    const auto there = found.find(volume);
    for (const auto& [path, bytes] : files) {
      const bool same =
          there != found.end() && there->second.contains(path) && there->second.at(path) == bytes;
      if (!same) out.insert(volume + ":" + path);
    }
  }
  return out;
}

std::unique_ptr<MemoryStorage> copy_of(MemoryStorage& storage) {
  return std::make_unique<MemoryStorage>(MemoryStorage::Options{}, storage.content());
}

std::vector<NodeId> nodes_in_use(MemoryStorage& storage) {
  const Superblock newest = read_superblocks(storage)->valid.front();
  NodeReader nodes(storage, newest.node_segments);
  const auto survey = StoreSurvey::make(nodes, storage, newest);
  EXPECT_THAT(survey, IsOk());
  std::vector<NodeId> found;
  for (const NodeWalk* walk : {&survey->store_nodes(), &survey->volume_nodes()}) {
    walk->tally().for_each([&](NodeId id, const NodeTally::Entry&) { found.push_back(id); });
  }
  std::ranges::sort(found);
  return found;
}

void damage(MemoryStorage& storage, ArrayName array, std::uint64_t offset, std::size_t count,
            std::mt19937_64& random) {
  std::string bytes(count, '\0');
  ASSERT_THAT(storage.read(array, offset, std::as_writable_bytes(std::span(bytes))), IsOk());
  for (char& byte : bytes) byte = static_cast<char>(byte ^ static_cast<char>(1 + random() % 255));
  ASSERT_THAT(storage.write(array, offset, std::as_bytes(std::span(bytes))), IsOk());
}

std::string text_of(const ProblemList& problems) {
  std::string out;
  for (const Problem& problem : problems.kept()) {
    out += std::string(problem.code) + (problem.severity == Severity::kLoss ? "! " : " ") +
           problem.volume + ":" + problem.path + " #" + std::to_string(problem.inode) + " " +
           problem.text + "\n";
  }
  return out;
}

}  // namespace cowfs
