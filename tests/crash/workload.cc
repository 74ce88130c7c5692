// The choice of operations; the operations themselves are in workload_files.cc,
// workload_names.cc and workload_trees.cc.
#include "tests/crash/workload.h"

#include <sys/stat.h>

#include <array>

namespace cowfs {

RequestContext crash_user() {
  RequestContext context;
  context.request_id = 1;
  context.uid = 1000;
  context.gid = 1000;
  return context;
}

Workload::Workload(FileSystem& file_system, Reopen reopen, MemoryStorage& storage,
                   Reference& reference, std::uint64_t seed, bool trees_file_by_file)
    : file_system_(&file_system),
      reopen_(std::move(reopen)),
      storage_(storage),
      reference_(reference),
      random_(seed),
      large_files_(seed % 8 == 0),
      trees_file_by_file_(trees_file_by_file) {}

void Workload::begin(std::string text) {
  current_ = {};
  current_.text = std::move(text);
  current_.begun_at = storage_.call_count();
}

Result<void> Workload::end() {
  current_.acknowledged_at = storage_.call_count();
  return model_.log(*file_system_, reference_, std::move(current_));
}

std::string Workload::bytes_of(std::uint64_t length) {
  // Every sector differs from every other that was ever written; none is zero.
  std::string bytes(length, '\0');
  std::uint64_t state = next_content_++ * 0x9e3779b97f4a7c15u;
  for (char& byte : bytes) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    byte = static_cast<char>(1 + (state >> 33) % 255);
  }
  return bytes;
}

Result<Workload::Target> Workload::some_volume(bool writable) {
  std::vector<LiveVolume*> volumes;
  std::vector<std::string> names;
  for (auto& [name, volume] : model_.volumes()) {
    if (writable && volume.read_only) continue;
    volumes.push_back(&volume);
    names.push_back(name);
    if (name != "main") continue;
    for (int i = 0; i < 2; ++i) {  // mostly in main
      volumes.push_back(&volume);
      names.push_back(name);
    }
  }
  const std::uint64_t chosen = below(volumes.size());
  Target target;
  target.live = volumes[chosen];
  COWFS_ASSIGN(target.volume, file_system_->volume(names[chosen]));
  return target;
}

std::vector<Workload::Name> Workload::file_names(const LiveVolume& volume) {
  std::vector<Name> names;
  for (const auto& [name, inode] : volume.names) {
    if (volume.files.contains(inode)) names.push_back(name);
  }
  return names;
}

std::optional<Workload::Name> Workload::some_name(const LiveVolume& volume) {
  const std::vector<Name> names = file_names(volume);
  if (names.empty()) return std::nullopt;
  return names[below(names.size())];
}

Result<std::optional<Workload::Target>> Workload::some_file(bool writable) {
  COWFS_ASSIGN(Target target, some_volume(writable));
  const std::optional<Name> name = some_name(*target.live);
  if (!name) return std::optional<Target>{};
  target.file = target.live->names.at(*name);
  return std::optional(std::move(target));
}

InodeNumber Workload::some_directory(const LiveVolume& volume) {
  auto directory = volume.directories.begin();
  std::advance(directory, static_cast<std::ptrdiff_t>(below(volume.directories.size())));
  return *directory;
}

bool Workload::is_open(const LiveVolume& volume, InodeNumber file) {
  for (const Opened& opened : opened_) {
    if (opened.file == file && &model_.volume(opened.volume) == &volume) return true;
  }
  return false;
}

Result<void> Workload::prepare() {
  COWFS_ASSIGN(const auto main, file_system_->volume("main"));
  COWFS_ASSIGN(const Attributes made, main->make_directory(crash_user(), kRootInode, "d", 0755));
  LiveVolume& live = model_.volume("main");
  live.directories.insert(made.inode);
  live.names[{kRootInode, "d"}] = made.inode;
  COWFS_TRY(file_system_->store().sync());
  begin("the beginning");
  current_.acknowledged_at = storage_.call_count();
  current_.durable_to = 0;
  return model_.log(*file_system_, reference_, std::move(current_));
}

Result<void> Workload::step() {
  struct Choice {
    std::uint64_t weight;
    Result<void> (Workload::*make)();
  };
  static constexpr std::array<Choice, 26> kChoices = {{
      {8, &Workload::create},
      {16, &Workload::write},
      {10, &Workload::append},
      {6, &Workload::truncate},
      {6, &Workload::punch},
      {4, &Workload::rename},
      {2, &Workload::exchange},
      {3, &Workload::link},
      {4, &Workload::unlink},
      {2, &Workload::unlink_open},
      {2, &Workload::close_one},
      {3, &Workload::directory},
      {3, &Workload::attribute},
      {8, &Workload::clone},
      {2, &Workload::clone_tree},
      {4, &Workload::fork},
      {1, &Workload::rename_volume},
      {2, &Workload::delete_volume},
      {8, &Workload::sync_some_file},
      {2, &Workload::kill},
      {3, &Workload::overwrite_and_fork},
      {3, &Workload::open},
      {3, &Workload::checkpoint},
      {3, &Workload::sync_all},
      {2, &Workload::reclaim},
      {4, &Workload::replace_by_rename},
  }};
  std::uint64_t sum = 0;
  for (const Choice& choice : kChoices) sum += choice.weight;
  std::uint64_t dice = below(sum);
  for (const Choice& choice : kChoices) {
    if (dice < choice.weight) return (this->*choice.make)();
    dice -= choice.weight;
  }
  return {};
}

}  // namespace cowfs
