// The single steps of random_volumes; included by random_volume_steps.h alone.
#pragma once

namespace mount_test {

inline void Steps::step() {
  ++count_;
  const std::uint64_t choice = below(100);
  if (choice < 3) return make_volume();
  if (choice < 5) return delete_volume();
  if (choice < 6) return rename_volume();
  if (choice < 14) return store_through_mapping();
  if (choice < 16) return let_go();
  if (choice < 18) return refuse_change();
  if (choice < 19 && below(5) == 0) return remount();
  Volume* volume = writable();
  if (volume == nullptr) return;
  if (choice < 29) return create(*volume);
  if (choice < 33) return make_directory(*volume);
  if (choice < 37) return make_link(*volume);
  if (choice < 44) return remove(*volume);
  if (choice < 49) return rename(*volume);
  if (choice < 51) return exchange(*volume);
  if (choice < 68) return write(*volume);
  if (choice < 74) return truncate(*volume);
  if (choice < 79) return punch(*volume);
  if (choice < 90) return clone(*volume);
  if (choice < 95) return change_attributes(*volume);
  hold(*volume);
}

inline void Steps::create(Volume& volume) {
  const auto path = new_path(volume);
  if (!path) return;
  note("create " + place(volume, *path));
  const std::uint64_t size =
      below(25) == 0 ? (1 << 20) + below(kLarge - (1 << 20)) : aligned(kSmall);
  const std::vector<char> bytes = pattern(random_(), 0, size);
  {
    const Fd fd = open_file(place(volume, *path), O_WRONLY | O_CREAT | O_EXCL, 0640);
    write_all(fd.get(), bytes, 0);
  }
  add(volume, *path, {S_IFREG | 0640, bytes, "", {}, 0});
}

inline void Steps::make_directory(Volume& volume) {
  const auto path = new_path(volume);
  if (!path) return;
  note("mkdir " + place(volume, *path));
  must(::mkdir(place(volume, *path).c_str(), 0750), "mkdir");
  add(volume, *path, {S_IFDIR | 0750, {}, "", {}, 0});
}

inline void Steps::make_link(Volume& volume) {
  const auto path = new_path(volume);
  const auto old = some_file(volume);
  if (!path || !old) return;
  note("link " + place(volume, *path));
  if (below(2) == 0) {
    must(::link(place(volume, *old).c_str(), place(volume, *path).c_str()), "link");
    volume.names[*path] = volume.names.at(*old);
    return;
  }
  const std::string target(1 + below(200), static_cast<char>('a' + below(26)));
  must(::symlink(target.c_str(), place(volume, *path).c_str()), "symlink");
  add(volume, *path, {S_IFLNK | 0777, {}, target, {}, 0});
}

inline void Steps::remove(Volume& volume) {
  const std::string path = some_path(volume);
  if (path.empty()) return;
  const bool directory = volume.at(path).is(S_IFDIR);
  note("remove " + place(volume, path));
  const int result =
      directory ? ::rmdir(place(volume, path).c_str()) : ::unlink(place(volume, path).c_str());
  if (directory && !volume.is_empty(path)) return must_fail(result, ENOTEMPTY, "rmdir");
  must(result, "remove");
  volume.names.erase(path);
}

inline void Steps::rename(Volume& volume) {
  const std::string from = some_path(volume);
  const auto fresh = new_path(volume);
  const std::string to = fresh && below(3) != 0 ? *fresh : some_path(volume);
  if (from.empty() || to.empty() || to.starts_with(from + "/") || from.starts_with(to + "/"))
    return;
  const bool exists = volume.names.contains(to);
  if (exists && (volume.at(from).is(S_IFDIR) != volume.at(to).is(S_IFDIR) || !volume.is_empty(to)))
    return;
  note("rename " + place(volume, from) + " to " + to);
  must(::rename(place(volume, from).c_str(), place(volume, to).c_str()), "rename");
  if (exists && volume.names.at(from) == volume.names.at(to)) return;  // two names of one file
  volume.move(from, to);
}

inline void Steps::exchange(Volume& volume) {
  const std::string first = some_path(volume);
  const std::string second = some_path(volume);
  if (first.empty() || second.empty() || first == second) return;
  if (first.starts_with(second + "/") || second.starts_with(first + "/")) return;
  note("exchange " + place(volume, first) + " and " + second);
  must(::renameat2(AT_FDCWD, place(volume, first).c_str(), AT_FDCWD, place(volume, second).c_str(),
                   RENAME_EXCHANGE),
       "exchange");
  volume.move(first, "aside");
  volume.move(second, first);
  volume.move("aside", second);
}

inline void Steps::write(Volume& volume) {
  const auto path = some_file(volume);
  if (!path) return;
  Inode& inode = volume.at(*path);
  const bool append = below(4) == 0;
  const std::uint64_t offset = append ? inode.bytes.size() : aligned(inode.bytes.size() + kSmall);
  if (offset > kLarge) return;
  const std::vector<char> bytes = pattern(random_(), offset, length());
  note("write " + place(volume, *path) + " at " + std::to_string(offset) + ", " +
       std::to_string(bytes.size()));
  const Fd fd = open_file(place(volume, *path), append ? O_WRONLY | O_APPEND : O_WRONLY);
  write_all(fd.get(), bytes, offset);
  if (below(30) == 0) must(::fsync(fd.get()), "fsync");
  put(inode, offset, bytes);
}

inline void Steps::truncate(Volume& volume) {
  const auto path = some_file(volume);
  if (!path) return;
  Inode& inode = volume.at(*path);
  const std::uint64_t size = below(3) == 0 ? aligned(kSmall) : aligned(inode.bytes.size() + 5000);
  note("truncate " + place(volume, *path) + " to " + std::to_string(size));
  must(::truncate(place(volume, *path).c_str(), off_t(size)), "truncate");
  inode.bytes.resize(size);
}

inline void Steps::punch(Volume& volume) {
  const auto path = some_file(volume);
  if (!path) return;
  Inode& inode = volume.at(*path);
  const std::uint64_t offset = aligned(inode.bytes.size() + 1);
  const std::uint64_t size = length();
  const int mode = below(2) == 0 ? FALLOC_FL_PUNCH_HOLE : FALLOC_FL_ZERO_RANGE;
  note("punch " + place(volume, *path) + " at " + std::to_string(offset));
  const Fd fd = open_file(place(volume, *path), O_WRONLY);
  must(::fallocate(fd.get(), mode | FALLOC_FL_KEEP_SIZE, off_t(offset), off_t(size)), "fallocate");
  const std::uint64_t end = std::min<std::uint64_t>(inode.bytes.size(), offset + size);
  if (offset < end)
    std::fill(inode.bytes.begin() + long(offset), inode.bytes.begin() + long(end), 0);
}

/// Between any two files of any two volumes.
inline void Steps::clone(Volume& volume) {
  Volume& other = volumes_.at(some_volume());
  const auto from = some_file(other);
  const auto to = some_file(volume);
  if (!from || !to) return;
  Inode& target = volume.at(*to);
  const std::vector<char> all = other.at(*from).bytes;  // a copy: both may be one file
  const bool whole = below(2) == 0;
  std::uint64_t read_at = whole ? 0 : aligned(all.size() + 1);
  std::uint64_t write_at = whole ? 0 : aligned(target.bytes.size() + 1);
  if (read_at >= all.size()) return;
  std::uint64_t left = whole ? all.size() : std::min(length(), all.size() - read_at);
  if (&other.at(*from) == &target && read_at < write_at + left && write_at < read_at + left) return;
  note("clone " + place(other, *from) + " at " + std::to_string(read_at) + " to " +
       place(volume, *to) + " at " + std::to_string(write_at) + ", " + std::to_string(left));
  put(target, write_at, std::span(all).subspan(read_at, left));
  const Fd source = open_file(place(other, *from), O_RDONLY);
  const Fd sink = open_file(place(volume, *to), O_WRONLY);
  while (left > 0) {
    off_t in = off_t(read_at);
    off_t out = off_t(write_at);
    const auto done = std::uint64_t(
        must(::copy_file_range(source.get(), &in, sink.get(), &out, left, 0), "copy_file_range"));
    expect(done > 0, "copy_file_range copies nothing");
    read_at += done;
    write_at += done;
    left -= done;
  }
}

inline void Steps::change_attributes(Volume& volume) {
  const std::string path = some_path(volume);
  Inode& inode = volume.at(path);
  if (inode.is(S_IFLNK) || path.empty()) return;
  note("attributes of " + place(volume, path));
  if (below(2) == 0) {
    inode.mode =
        (inode.mode & S_IFMT) | 0600 | (inode.is(S_IFDIR) ? 0100 : 0) | mode_t(below(8) * 9);
    must(::chmod(place(volume, path).c_str(), inode.mode & 07777), "chmod");
    return;
  }
  const std::string name = "user.a" + std::to_string(below(6));
  if (inode.attributes.contains(name) && below(2) == 0) {
    must(::removexattr(place(volume, path).c_str(), name.c_str()), "removexattr");
    inode.attributes.erase(name);
    return;
  }
  const std::string value(below(8) == 0 ? below(9000) : below(60), static_cast<char>(below(256)));
  must(::setxattr(place(volume, path).c_str(), name.c_str(), value.data(), value.size(), 0),
       "setxattr");
  inode.attributes[name] = value;
}

inline void Steps::hold(Volume& volume) {
  const auto path = some_file(volume);
  if (!path) return;
  if (held_.size() >= kHeld) drop(below(held_.size()));
  note("hold " + place(volume, *path));
  Held held{
      id_of(volume), volume.names.at(*path), open_file(place(volume, *path), O_RDWR), nullptr, {}};
  if (below(3) != 0) {
    void* map = ::mmap(nullptr, kLarge, PROT_READ | PROT_WRITE, MAP_SHARED, held.fd.get(), 0);
    expect(map != MAP_FAILED, "mmap");
    held.map = static_cast<char*>(map);
  }
  held_.push_back(std::move(held));
}

/// Dirty pages that no system call tells anybody about.
inline void Steps::store_through_mapping() {
  if (held_.empty()) return;
  Held& held = held_[below(held_.size())];
  if (held.map == nullptr || held.last) return;
  Inode& inode = volumes_.at(held.volume).inodes.at(held.inode);
  const std::uint64_t limit = std::min<std::uint64_t>(inode.bytes.size(), kLarge);
  if (limit == 0) return;
  const std::uint64_t offset = below(limit);
  const std::vector<char> bytes =
      pattern(random_(), offset, std::min(limit - offset, 1 + below(9000)));
  note("store in " + volumes_.at(held.volume).name + " inode " + std::to_string(inode.number) +
       " at " + std::to_string(offset));
  std::ranges::copy(bytes, held.map + offset);
  put(inode, offset, bytes);
}

inline void Steps::let_go() {
  if (!held_.empty()) drop(below(held_.size()));
}

inline void Steps::check_held(const Held& held) {
  const std::vector<char>& bytes =
      held.last ? *held.last : volumes_.at(held.volume).inodes.at(held.inode).bytes;
  ::posix_fadvise(held.fd.get(), 0, 0, POSIX_FADV_DONTNEED);
  expect_bytes(bytes, read_range(held.fd.get(), 0, bytes.size() + 4096), "a file held open");
  if (held.last)
    must_fail(::pwrite(held.fd.get(), "x", 1, 0), ESTALE, "a write in a deleted volume");
}

inline void Steps::drop(std::size_t index) {
  check_held(held_[index]);
  if (held_[index].map != nullptr) must(::munmap(held_[index].map, kLarge), "munmap");
  held_.erase(held_.begin() + long(index));
}

inline void Steps::refuse_change() {
  Volume& volume = volumes_.at(some_volume());
  if (!volume.read_only) return;
  const std::string path = some_path(volume);
  if (volume.at(path).is(S_IFREG)) {
    must_fail(::open(place(volume, path).c_str(), O_WRONLY), EROFS, "open of a snapshot's file");
  } else if (volume.at(path).is(S_IFDIR)) {
    must_fail(::mkdir(place(volume, path + "/new").c_str(), 0700), EROFS, "mkdir in a snapshot");
  }
}

inline void Steps::make_volume() {
  if (volumes_.size() >= kVolumes) return delete_volume();
  const int source = below(2) == 0 ? 0 : some_volume();
  const bool snapshot = below(2) == 0;
  const std::string name = "v" + std::to_string(next_volume_);
  note(std::string(snapshot ? "snapshot " : "fork ") + name + " of " + volumes_.at(source).name);
  if (snapshot && source == 0 && below(2) == 0) {
    must(::mkdir((mount_ + "/.cowfs/" + name).c_str(), 0755), "mkdir");
  } else {
    const int code =
        run({cowsnap_, snapshot ? "create" : "fork", "-q", root_of(volumes_.at(source)), name});
    expect(code == 0, "cowsnap failed");
  }
  volumes_[next_volume_++] = volumes_.at(source).forked(name, snapshot);
}

inline void Steps::delete_volume() {
  const int id = some_volume();
  if (id == 0) return;
  Volume& volume = volumes_.at(id);
  note("delete " + volume.name);
  for (std::size_t i = held_.size(); i-- > 0;) {
    if (held_[i].volume != id || held_[i].last) continue;
    if (held_[i].map != nullptr) drop(i);
    else held_[i].last = volume.inodes.at(held_[i].inode).bytes;
  }
  if (volume.read_only && below(2) == 0) must(::rmdir(root_of(volume).c_str()), "rmdir");
  else expect(run({cowsnap_, "delete", mount_, volume.name}) == 0, "cowsnap delete failed");
  volumes_.erase(id);
}

inline void Steps::rename_volume() {
  const int id = some_volume();
  if (id == 0) return;
  Volume& volume = volumes_.at(id);
  const std::string name = "w" + std::to_string(count_);
  note("rename " + volume.name + " to " + name);
  must(::rename(root_of(volume).c_str(), (mount_ + "/.cowfs/" + name).c_str()), "rename");
  volume.name = name;
}

inline void Steps::remount() {
  if (remount_.empty()) return;
  while (!held_.empty()) drop(0);
  const bool kill = below(2) == 0;
  note(kill ? "sync and kill" : "remount");
  if (kill) expect(run({cowsnap_, "sync", mount_}) == 0, "cowsnap sync failed");
  expect(run({remount_, kill ? "kill" : "remount"}) == 0, "the mount does not come back");
  compare_all();
}

inline void Steps::compare_all() {
  for (const auto& [id, volume] : volumes_) Comparison(volume, root_of(volume)).run();
  for (const Held& held : held_) check_held(held);
}

/// Down to an empty root directory; space that does not come back is the script's to see.
inline void Steps::remove_all() {
  compare_all();
  while (!held_.empty()) drop(0);
  while (volumes_.size() > 1) delete_volume();
  Volume& main = volumes_.at(0);
  for (auto entry = main.names.rbegin(); entry != main.names.rend(); ++entry) {
    if (!entry->first.empty()) must(::remove(place(main, entry->first).c_str()), "remove");
  }
}

}  // namespace mount_test
