// kill_workers MOUNTPOINT WORKERS SEED KILLED
//
// Threads that change files below MOUNTPOINT/w0, w1, ... and remember what was acknowledged, here
// and not on the mount. When the daemon is killed they stop at the error that says so, and this
// program prints "stopped N" (N operations since the last time). Who kills makes the file KILLED
// right before: an error without it is the daemon's own and ends the program. A line on stdin says
// that the store is mounted again: each worker compares all that it made with what it remembers.
// What was acknowledged must be there, bytes included; the one operation that was under way may be.
// Then "good" is printed and the work goes on. Ends with 0 at the end of stdin, with 1 at a
// difference.
#include <sys/xattr.h>

#include <algorithm>
#include <filesystem>
#include <functional>
#include <iostream>
#include <map>
#include <memory>
#include <optional>
#include <thread>

#include "tests/mount/support.h"

namespace {

using namespace mount_test;

constexpr std::size_t kMaxFile = 300'000;
constexpr std::size_t kMaxFiles = 8;
constexpr std::size_t kMaxSnapshots = 2;

struct File {
  std::string bytes;
  std::string attribute;  // user.tag; empty: none
  int number = 0;         // the same for all names of a file
};
using Files = std::map<std::string, std::shared_ptr<const File>>;
using Snapshots = std::map<std::string, Files>;

struct State {
  Files files;
  Snapshots snapshots;
};

// EIO: the kernel's answer where the daemon died while a request was copied to it, or an answer
// from it.
bool says_that_the_daemon_is_gone(int error) {
  return error == ENOTCONN || error == ECONNABORTED || error == ENODEV || error == EIO;
}

class Worker {
 public:
  Worker(std::string mountpoint, unsigned number, std::uint64_t seed, std::string killed)
      : mountpoint_(std::move(mountpoint)),
        killed_(std::move(killed)),
        name_("w" + std::to_string(number)),
        directory_(mountpoint_ + "/" + name_),
        random_(seed * 1000 + number) {
    must(::mkdir(directory_.c_str(), 0755), "mkdir " + directory_);
  }

  /// Works until the daemon is gone.
  void work() {
    while (step()) ++operations_;
  }
  void check();
  std::uint64_t take_operations() { return std::exchange(operations_, 0); }

 private:
  std::uint64_t below(std::uint64_t limit) { return random_() % limit; }
  std::string path_of(const std::string& name) const { return directory_ + "/" + name; }
  std::string some_name() { return "f" + std::to_string(below(kMaxFiles)); }
  std::optional<std::string> some_file();

  bool step();
  /// One system call: what was to come of it, the call itself. False when the daemon is gone.
  bool attempt(const std::string& what, State after, const std::function<std::int64_t()>& call);
  void change_all_names(State& state, const std::shared_ptr<const File>& from,
                        const std::shared_ptr<const File>& to);
  bool create(const std::string& name);
  bool write(const std::string& name, bool append);
  bool truncate(const std::string& name);
  bool set_attribute(const std::string& name);
  bool rename(const std::string& from);
  bool link(const std::string& from);
  bool unlink(const std::string& name);
  bool sync(const std::string& name);
  bool snapshot();

  std::string difference(const State& expected) const;
  std::string difference_of_files(const std::string& directory, const Files& expected,
                                  const Files* other) const;
  std::string difference_of_file(const std::string& path, const File& expected,
                                 const File* other) const;

  const std::string mountpoint_;
  const std::string killed_;
  const std::string name_;
  const std::string directory_;
  std::mt19937_64 random_;
  State now_;
  std::optional<State> under_way_;
  std::string under_way_text_;
  std::uint64_t operations_ = 0;
  int next_file_ = 0;
  int next_snapshot_ = 0;
  std::uint64_t next_content_ = 1;
};

std::optional<std::string> Worker::some_file() {
  if (now_.files.empty()) return std::nullopt;
  auto file = now_.files.begin();
  std::advance(file, static_cast<std::ptrdiff_t>(below(now_.files.size())));
  return file->first;
}

bool Worker::attempt(const std::string& what, State after,
                     const std::function<std::int64_t()>& call) {
  under_way_ = std::move(after);
  under_way_text_ = what;
  if (call() < 0) {
    const int error = errno;
    if (!says_that_the_daemon_is_gone(error) || ::access(killed_.c_str(), F_OK) != 0)
      die(name_ + ": " + what + ": " + std::strerror(error));
    return false;
  }
  now_ = std::move(*under_way_);
  under_way_.reset();
  return true;
}

void Worker::change_all_names(State& state, const std::shared_ptr<const File>& from,
                              const std::shared_ptr<const File>& to) {
  for (auto& [name, file] : state.files) {
    if (file == from) file = to;
  }
}

bool Worker::create(const std::string& name) {
  State after = now_;
  if (after.files.contains(name)) return write(name, true);
  after.files[name] = std::make_shared<const File>(File{"", "", next_file_++});
  return attempt("create " + name, std::move(after), [&] {
    const Fd fd(::open(path_of(name).c_str(), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0644));
    return fd.get();
  });
}

bool Worker::write(const std::string& name, bool append) {
  const auto before = now_.files.at(name);
  const std::size_t size = before->bytes.size();
  if (append && size > kMaxFile) return truncate(name);
  const std::size_t offset = append ? size : below(size + 1);
  const std::size_t length = 1 + below(below(4) == 0 ? 60'000 : 6000);
  const std::vector<char> in = pattern(next_content_++ * 7919 + random_() % 7, offset, length);
  File file = *before;
  file.bytes.resize(std::max(size, offset + length));
  file.bytes.replace(offset, length, in.data(), length);
  State after = now_;
  change_all_names(after, before, std::make_shared<const File>(std::move(file)));
  const int flags = O_WRONLY | O_CLOEXEC | (append ? O_APPEND : 0) | (below(10) == 0 ? O_SYNC : 0);
  const std::string what =
      "write " + name + " offset " + std::to_string(offset) + " length " + std::to_string(length);
  return attempt(what, std::move(after), [&]() -> std::int64_t {
    const Fd fd(::open(path_of(name).c_str(), flags));
    if (fd.get() < 0) return -1;
    const auto done = ::pwrite(fd.get(), in.data(), length, static_cast<off_t>(offset));
    if (done < 0 || static_cast<std::size_t>(done) == length) return done;
    // The kernel asks for it in parts: those before the kill are acknowledged.
    File part = *before;
    part.bytes.resize(std::max(size, offset + static_cast<std::size_t>(done)));
    part.bytes.replace(offset, static_cast<std::size_t>(done), in.data(),
                       static_cast<std::size_t>(done));
    change_all_names(now_, before, std::make_shared<const File>(std::move(part)));
    errno = ENOTCONN;
    return -1;
  });
}

bool Worker::truncate(const std::string& name) {
  const auto before = now_.files.at(name);
  File file = *before;
  file.bytes.resize(below(3) == 0 ? 0 : below(before->bytes.size() + 5000));
  const auto size = static_cast<off_t>(file.bytes.size());
  State after = now_;
  change_all_names(after, before, std::make_shared<const File>(std::move(file)));
  return attempt("truncate " + name + " to " + std::to_string(size), std::move(after),
                 [&] { return ::truncate(path_of(name).c_str(), size); });
}

bool Worker::set_attribute(const std::string& name) {
  const auto before = now_.files.at(name);
  File file = *before;
  file.attribute = "value" + std::to_string(random_());
  const std::string value = file.attribute;
  State after = now_;
  change_all_names(after, before, std::make_shared<const File>(std::move(file)));
  return attempt("setxattr " + name, std::move(after), [&] {
    return ::setxattr(path_of(name).c_str(), "user.tag", value.data(), value.size(), 0);
  });
}

bool Worker::rename(const std::string& from) {
  const std::string to = some_name();
  State after = now_;
  const bool same = after.files.contains(to) && after.files.at(to) == after.files.at(from);
  if (!same) {
    after.files[to] = after.files.at(from);
    after.files.erase(from);
  }
  return attempt("rename " + from + " to " + to, std::move(after),
                 [&] { return ::rename(path_of(from).c_str(), path_of(to).c_str()); });
}

bool Worker::link(const std::string& from) {
  const std::string to = some_name();
  if (now_.files.contains(to)) return unlink(to);
  State after = now_;
  after.files[to] = after.files.at(from);
  return attempt("link " + from + " to " + to, std::move(after),
                 [&] { return ::link(path_of(from).c_str(), path_of(to).c_str()); });
}

bool Worker::unlink(const std::string& name) {
  State after = now_;
  after.files.erase(name);
  return attempt("unlink " + name, std::move(after),
                 [&] { return ::unlink(path_of(name).c_str()); });
}

bool Worker::sync(const std::string& name) {
  const bool data_only = below(2) == 0;
  return attempt("fsync " + name, now_, [&]() -> std::int64_t {
    const Fd fd(::open(path_of(name).c_str(), O_RDONLY | O_CLOEXEC));
    if (fd.get() < 0) return -1;
    return data_only ? ::fdatasync(fd.get()) : ::fsync(fd.get());
  });
}

bool Worker::snapshot() {
  State after = now_;
  if (after.snapshots.size() >= kMaxSnapshots) {
    const std::string gone = after.snapshots.begin()->first;
    after.snapshots.erase(gone);
    return attempt("delete snapshot " + gone, std::move(after),
                   [&] { return ::rmdir((mountpoint_ + "/.cowfs/" + gone).c_str()); });
  }
  const std::string made = name_ + "." + std::to_string(next_snapshot_++);
  after.snapshots[made] = after.files;
  return attempt("snapshot " + made, std::move(after),
                 [&] { return ::mkdir((mountpoint_ + "/.cowfs/" + made).c_str(), 0755); });
}

bool Worker::step() {
  const auto name = some_file();
  const std::uint64_t dice = below(100);
  if (!name || dice < 10) return create(some_name());
  if (dice < 35) return write(*name, false);
  if (dice < 55) return write(*name, true);
  if (dice < 62) return truncate(*name);
  if (dice < 72) return rename(*name);
  if (dice < 78) return link(*name);
  if (dice < 84) return unlink(*name);
  if (dice < 90) return set_attribute(*name);
  if (dice < 97) return sync(*name);
  return snapshot();
}

// Where `other` is given, a write may be there in part: bytes of either, a size in between.
std::string Worker::difference_of_file(const std::string& path, const File& expected,
                                       const File* other) const {
  const Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (fd.get() < 0) return path + ": " + std::strerror(errno);
  const std::vector<char> seen = read_range(fd.get(), 0, kMaxFile * 2);
  const std::size_t most =
      std::max(expected.bytes.size(), other != nullptr ? other->bytes.size() : 0);
  if (seen.size() < expected.bytes.size() || seen.size() > most) {
    return path + " has " + std::to_string(seen.size()) + " bytes, not " +
           std::to_string(expected.bytes.size());
  }
  for (std::size_t i = 0; i < seen.size(); ++i) {
    const bool in_part = other != nullptr && i < other->bytes.size() && seen[i] == other->bytes[i];
    const bool same = i < expected.bytes.size() && seen[i] == expected.bytes[i];
    if (!same && !in_part) return path + ": byte " + std::to_string(i);
  }
  std::string tag(256, '\0');
  const auto length = ::fgetxattr(fd.get(), "user.tag", tag.data(), tag.size());
  tag.resize(length < 0 ? 0 : static_cast<std::size_t>(length));
  return tag == expected.attribute ? "" : path + ": attribute " + tag;
}

std::string Worker::difference_of_files(const std::string& directory, const Files& expected,
                                        const Files* other) const {
  std::error_code error;
  std::size_t count = 0;
  for (const auto& entry : std::filesystem::directory_iterator(directory, error)) {
    ++count;
    if (!expected.contains(entry.path().filename())) return entry.path().string() + " is there";
  }
  if (error) return directory + ": " + error.message();
  if (count != expected.size()) return directory + ": a file is missing";
  std::map<int, ino_t> inodes;
  for (const auto& [name, file] : expected) {
    const File* in_part =
        other != nullptr && other->contains(name) ? other->at(name).get() : nullptr;
    if (in_part != nullptr && in_part->number != file->number) in_part = nullptr;
    const std::string path = directory + "/" + name;
    const std::string wrong = difference_of_file(path, *file, in_part);
    if (!wrong.empty()) return wrong;
    struct stat st{};
    must(::stat(path.c_str(), &st), "stat " + path);
    const auto links = std::ranges::count_if(
        expected, [&](const auto& item) { return item.second->number == file->number; });
    if (st.st_nlink != static_cast<nlink_t>(links)) return path + ": links";
    if (inodes.try_emplace(file->number, st.st_ino).first->second != st.st_ino)
      return path + ": another file";
  }
  return {};
}

std::string Worker::difference(const State& expected) const {
  const bool in_part = under_way_ && &expected == &now_ && under_way_text_.starts_with("write ");
  const Files* other = in_part ? &under_way_->files : nullptr;
  std::string wrong = difference_of_files(directory_, expected.files, other);
  if (!wrong.empty()) return wrong;
  std::error_code error;
  const std::string volumes = mountpoint_ + "/.cowfs";
  for (const auto& entry : std::filesystem::directory_iterator(volumes, error)) {
    const std::string name = entry.path().filename();
    if (name.starts_with(name_ + ".") && !expected.snapshots.contains(name))
      return "snapshot " + name + " is there";
  }
  if (error) return volumes + ": " + error.message();
  for (const auto& [name, files] : expected.snapshots) {
    wrong = difference_of_files(volumes + "/" + name + "/" + name_, files, nullptr);
    if (!wrong.empty()) return wrong;
  }
  return {};
}

void Worker::check() {
  const std::string without = difference(now_);
  std::string with = "nothing was under way";
  if (!without.empty()) {
    if (under_way_) with = difference(*under_way_);
    if (!with.empty()) {
      die(name_ + ": without '" + under_way_text_ + "': " + without + "; with it: " + with);
    }
    now_ = std::move(*under_way_);
  }
  // A write in place that is there in part stays so: the file goes, so that the next round knows.
  if (under_way_ && without.empty() && under_way_text_.starts_with("write ")) {
    const std::string name = under_way_text_.substr(6, under_way_text_.find(" offset") - 6);
    const auto changed = now_.files.at(name);
    std::vector<std::string> names;
    for (const auto& [other, file] : now_.files) {
      if (file == changed) names.push_back(other);
    }
    for (const std::string& gone : names) {
      must(::unlink(path_of(gone).c_str()), "unlink " + gone);
      now_.files.erase(gone);
    }
  }
  under_way_.reset();
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 5) die("usage: kill_workers MOUNTPOINT WORKERS SEED KILLED");
  std::vector<std::unique_ptr<Worker>> workers;
  for (unsigned i = 0; i < std::strtoul(argv[2], nullptr, 10); ++i) {
    workers.push_back(
        std::make_unique<Worker>(argv[1], i, std::strtoull(argv[3], nullptr, 10), argv[4]));
  }
  std::cout << "good" << std::endl;
  for (std::string line;;) {
    std::uint64_t operations = 0;
    {
      std::vector<std::jthread> threads;
      for (auto& worker : workers) threads.emplace_back([&worker] { worker->work(); });
    }
    for (auto& worker : workers) operations += worker->take_operations();
    std::cout << "stopped " << operations << std::endl;
    if (!std::getline(std::cin, line)) return 0;
    for (auto& worker : workers) worker->check();
    std::cout << "good" << std::endl;
  }
}
