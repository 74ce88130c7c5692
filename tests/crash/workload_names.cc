// Operations on names, extended attributes and volumes.
#include <sys/stat.h>

#include <algorithm>

#include "tests/crash/workload.h"

namespace cowfs {

Result<void> Workload::create_in(const Target& target, InodeNumber directory,
                                 const std::string& name, InodeNumber* made) {
  begin("create " + name);
  COWFS_ASSIGN(const Attributes file,
               target.volume->make_node(crash_user(), directory, name, S_IFREG | 0644, 0));
  target.live->files[file.inode] = {};
  model_.add_name(*target.live, directory, name, file.inode);
  if (made != nullptr) *made = file.inode;
  return end();
}

Result<void> Workload::create() {
  COWFS_ASSIGN(const Target target, some_volume(true));
  if (target.live->files.size() > 8) return unlink();
  InodeNumber made{};
  COWFS_TRY(create_in(target, some_directory(*target.live), new_name(), &made));
  if (one_in(3)) return {};
  Target file = target;
  file.file = made;
  return write_at(file, 0, 1 + below(one_in(3) ? 30000 : 6000));
}

void Workload::name_lost(const Target& target, InodeNumber inode) {
  LiveFile& file = target.live->files.at(inode);
  if (--file.links == 0 && !is_open(*target.live, inode)) model_.forget(*target.live, inode);
  else model_.touch(*target.live, inode);
}

Result<void> Workload::rename_to(const Target& target, const Name& from, const Name& to) {
  begin("rename " + from.second + " to " + to.second);
  COWFS_TRY(target.volume->rename(crash_user(), from.first, from.second, to.first, to.second,
                                  RenameMode::kReplace));
  const InodeNumber inode = target.live->names.at(from);
  const auto over = target.live->names.find(to);
  const std::optional<InodeNumber> lost =
      over == target.live->names.end() ? std::nullopt : std::optional(over->second);
  if (lost == inode) return end();  // two names of one file: nothing happens
  model_.drop_name(*target.live, from.first, from.second);
  model_.add_name(*target.live, to.first, to.second, inode);
  if (lost) name_lost(target, *lost);
  return end();
}

Result<void> Workload::rename() {
  COWFS_ASSIGN(const Target target, some_volume(true));
  const auto from = some_name(*target.live);
  if (!from) return {};
  const auto over = one_in(2) ? some_name(*target.live) : std::nullopt;
  return rename_to(target, *from, over ? *over : Name{some_directory(*target.live), new_name()});
}

Result<void> Workload::exchange() {
  COWFS_ASSIGN(const Target target, some_volume(true));
  const auto a = some_name(*target.live);
  const auto b = some_name(*target.live);
  if (!a || !b || *a == *b) return {};
  begin("exchange " + a->second + " and " + b->second);
  COWFS_TRY(target.volume->rename(crash_user(), a->first, a->second, b->first, b->second,
                                  RenameMode::kExchange));
  std::swap(target.live->names.at(*a), target.live->names.at(*b));
  model_.touch(*target.live);
  return end();
}

// Write a temporary file and rename it over the old one, with an fsync now and then.
Result<void> Workload::replace_by_rename() {
  COWFS_ASSIGN(Target target, some_volume(true));
  const auto old = some_name(*target.live);
  if (!old) return {};
  const Name temporary{old->first, new_name() + ".tmp"};
  COWFS_TRY(create_in(target, temporary.first, temporary.second, &target.file));
  for (std::uint64_t left = 1 + below(3); left > 0; --left) {
    COWFS_TRY(write_at(target, target.live->files.at(target.file).bytes->size(), 1 + below(5000)));
  }
  if (one_in(3)) COWFS_TRY(sync_file(target, one_in(2)));
  return rename_to(target, temporary, *old);
}

Result<void> Workload::link() {
  COWFS_ASSIGN(const auto target, some_file(true));
  if (!target) return {};
  const Name name{some_directory(*target->live), new_name()};
  begin("link " + std::to_string(raw(target->file)) + " as " + name.second);
  COWFS_TRY(target->volume->link(crash_user(), target->file, name.first, name.second));
  ++target->live->files.at(target->file).links;
  model_.add_name(*target->live, name.first, name.second, target->file);
  return end();
}

Result<void> Workload::unlink_name(const Target& target, const Name& name) {
  begin("unlink " + name.second);
  COWFS_TRY(target.volume->unlink(crash_user(), name.first, name.second));
  const InodeNumber inode = target.live->names.at(name);
  model_.drop_name(*target.live, name.first, name.second);
  name_lost(target, inode);
  return end();
}

Result<void> Workload::unlink() {
  COWFS_ASSIGN(const Target target, some_volume(true));
  const auto name = some_name(*target.live);
  return name ? unlink_name(target, *name) : Result<void>{};
}

// An open file remembers by itself what of it is not durable.
Result<void> Workload::open() {
  if (opened_.size() > 4) return close_one();
  COWFS_ASSIGN(const auto target, some_file(true));
  if (!target) return {};
  COWFS_TRY(target->volume->open_file(target->file, true));
  for (const auto& [volume_name, volume] : model_.volumes()) {
    if (&volume == target->live) opened_.push_back({volume_name, target->file});
  }
  return {};
}

Result<void> Workload::unlink_open() {
  if (opened_.size() > 4) return close_one();
  COWFS_ASSIGN(const Target target, some_volume(true));
  const auto name = some_name(*target.live);
  if (!name) return {};
  const InodeNumber file = target.live->names.at(*name);
  COWFS_TRY(target.volume->open_file(file, true));
  for (const auto& [volume_name, volume] : model_.volumes()) {
    if (&volume == target.live) opened_.push_back({volume_name, file});
  }
  COWFS_TRY(unlink_name(target, *name));
  if (!target.live->files.contains(file) || one_in(2)) return {};
  Target nameless = target;
  nameless.file = file;
  return write_at(nameless, below(20000), 1 + below(6000));
}

Result<void> Workload::close_one() {
  if (opened_.empty()) return {};
  const std::size_t chosen = below(opened_.size());
  const Opened opened = opened_[chosen];
  opened_.erase(opened_.begin() + static_cast<std::ptrdiff_t>(chosen));
  begin("close " + std::to_string(raw(opened.file)));
  COWFS_ASSIGN(const auto volume, file_system_->volume(opened.volume));
  volume->close_file(opened.file, true);
  LiveVolume& live = model_.volume(opened.volume);
  const bool gone = live.files.at(opened.file).links == 0 && !is_open(live, opened.file);
  if (gone) model_.forget(live, opened.file);
  return end();
}

Result<void> Workload::directory() {
  COWFS_ASSIGN(const Target target, some_volume(true));
  LiveVolume& live = *target.live;
  if (live.directories.size() < 4 && one_in(2)) {
    const Name name{some_directory(live), new_name()};
    begin("mkdir " + name.second);
    COWFS_ASSIGN(const Attributes made,
                 target.volume->make_directory(crash_user(), name.first, name.second, 0755));
    live.directories.insert(made.inode);
    model_.add_name(live, name.first, name.second, made.inode);
    return end();
  }
  for (const auto& [name, inode] : live.names) {
    const auto inside = live.names.lower_bound({inode, ""});
    const bool empty = inside == live.names.end() || inside->first.first != inode;
    if (!live.directories.contains(inode) || !empty) continue;
    const Name gone = name;
    begin("rmdir " + gone.second);
    COWFS_TRY(target.volume->remove_directory(crash_user(), gone.first, gone.second));
    live.directories.erase(inode);
    model_.drop_name(live, gone.first, gone.second);
    return end();
  }
  return {};
}

Result<void> Workload::attribute() {
  COWFS_ASSIGN(const auto target, some_file(true));
  if (!target) return {};
  auto& attributes = target->live->files.at(target->file).attributes;
  model_.touch(*target->live, target->file);
  if (!attributes.empty() && one_in(3)) {
    const std::string name = attributes.begin()->first;
    begin("remove attribute " + name);
    COWFS_TRY(target->volume->remove_extended_attribute(crash_user(), target->file, name));
    attributes.erase(name);
    return end();
  }
  const std::string name = "user.a" + std::to_string(below(3));
  const std::string value = bytes_of(1 + below(one_in(4) ? 3000 : 20));
  begin("set attribute " + name);
  COWFS_TRY(target->volume->set_extended_attribute(crash_user(), target->file, name, value,
                                                   AttributeMode::kAny));
  attributes[name] = value;
  return end();
}

Result<void> Workload::fork() {
  if (model_.volumes().size() > 3) return delete_volume();
  COWFS_ASSIGN(const Target parent, some_volume(false));
  const VolumeKind kind = one_in(3) ? VolumeKind::kFork : VolumeKind::kSnapshot;
  const std::string name = "v" + std::to_string(next_name_++);
  begin("fork " + std::to_string(raw(parent.live->id)) + " as " + name);
  COWFS_ASSIGN(const VolumeInfo made,
               file_system_->create_volume(crash_user(), parent.live->id, name, kind));
  LiveVolume child = *parent.live;
  child.id = made.id;
  child.read_only = kind == VolumeKind::kSnapshot;
  child.logged = nullptr;
  for (auto& entry : child.files) entry.second.logged = nullptr;
  std::erase_if(child.files, [](const auto& entry) { return entry.second.links == 0; });
  model_.volumes()[name] = std::move(child);
  current_.forked = parent.live->id;
  return end();
}

// An open file is overwritten in place, its volume forked, and another file synced: the fork is
// durable then, and with it the data that it shares.
Result<void> Workload::overwrite_and_fork() {
  COWFS_ASSIGN(const auto target, some_file(true));
  if (!target || target->live->files.at(target->file).bytes->empty()) return {};
  COWFS_TRY(sync_all());
  COWFS_TRY(target->volume->open_file(target->file, true));
  for (const auto& [volume_name, volume] : model_.volumes()) {
    if (&volume == target->live) opened_.push_back({volume_name, target->file});
  }
  const std::uint64_t size = target->live->files.at(target->file).bytes->size();
  COWFS_TRY(write_at(*target, 0, 1 + below(std::min<std::uint64_t>(size, 6000))));
  if (model_.volumes().size() <= 3) COWFS_TRY(fork());
  return sync_some_file();
}

Result<void> Workload::rename_volume() {
  for (auto& [name, volume] : model_.volumes()) {
    const std::string old = name;
    bool open = false;
    for (const Opened& opened : opened_) open = open || opened.volume == old;
    if (old == "main" || open) continue;
    const std::string renamed = "r" + std::to_string(next_name_++);
    begin("rename volume " + old + " to " + renamed);
    COWFS_TRY(file_system_->rename_volume(crash_user(), volume.id, renamed));
    auto node = model_.volumes().extract(old);
    node.key() = renamed;
    model_.volumes().insert(std::move(node));
    return end();
  }
  return {};
}

Result<void> Workload::delete_volume() {
  std::vector<std::string> names;
  for (const auto& [name, volume] : model_.volumes()) {
    bool open = name == "main";
    for (const Opened& opened : opened_) open = open || opened.volume == name;
    if (!open) names.push_back(name);
  }
  if (names.empty()) return {};
  const std::string name = names[below(names.size())];
  begin("delete volume " + name);
  COWFS_TRY(file_system_->delete_volume(crash_user(), model_.volume(name).id));
  model_.volumes().erase(name);
  return end();
}

}  // namespace cowfs
