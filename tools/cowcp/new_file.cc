#include "tools/cowcp/new_file.h"

#include <fmt/format.h>
#include <stdlib.h>
#include <unistd.h>

#include <cerrno>
#include <random>
#include <utility>

namespace cowfs {
namespace {

constexpr int kAttempts = 100;

bool has_no_unnamed_files(int error_number) {
  return error_number == EOPNOTSUPP || error_number == EISDIR || error_number == EINVAL ||
         error_number == ENOSYS;
}

std::string random_name() {
  static thread_local std::mt19937_64 random{std::random_device{}()};
  return fmt::format(".cowcp-{:016x}", random());
}

/// Calls `make` with random names until nobody else has the one; returns that name, or why none
/// could be made.
SystemResult<std::string> make_at_random_name(
    const std::function<SystemResult<void>(const std::string& name)>& make) {
  for (int attempt = 0;; ++attempt) {
    std::string name = random_name();
    const auto made = make(name);
    if (made) return name;
    if (made.error().number != EEXIST || attempt == kAttempts) return std::unexpected(made.error());
  }
}

}  // namespace

NewFile::NewFile(NewFile&& other) noexcept
    : held_(std::move(other.held_)),
      parent_(other.parent_),
      name_(std::move(other.name_)),
      temporary_(std::exchange(other.temporary_, {})),
      fd_(std::move(other.fd_)) {}

NewFile::~NewFile() {
  if (!temporary_.empty()) ::unlinkat(parent_, temporary_.c_str(), 0);
}

SystemResult<NewFile> NewFile::create(const Place& place, mode_t permissions, bool readable) {
  UniqueFd held;
  int parent = place.directory;
  if (parent == AT_FDCWD || place.name.empty() || place.name.find('/') != std::string::npos) {
    auto opened = open_parent(place);
    if (!opened) return std::unexpected(opened.error());
    held = std::move(*opened);
    parent = held.get();
  }
  if (place.name.ends_with('/')) return std::unexpected(SystemError{ENOTDIR});
  NewFile file(std::move(held), parent, std::string(last_component(place.name)));
  const int access = readable ? O_RDWR : O_WRONLY;
  auto made = file.make_unnamed(permissions, access);
  if (!made && has_no_unnamed_files(made.error().number))
    made = file.make_temporary(permissions, access);
  if (!made) return std::unexpected(made.error());
  return file;
}

SystemResult<void> NewFile::make_unnamed(mode_t permissions, int access) {
  auto fd = open_place({parent_, ".", {}}, O_TMPFILE | access, permissions);
  if (!fd) return std::unexpected(fd.error());
  fd_ = std::move(*fd);
  return {};
}

SystemResult<void> NewFile::make_temporary(mode_t permissions, int access) {
  auto name = make_at_random_name([&](const std::string& random) -> SystemResult<void> {
    auto fd = open_place({parent_, random, {}}, O_CREAT | O_EXCL | access, permissions);
    if (!fd) return std::unexpected(fd.error());
    fd_ = std::move(*fd);
    return {};
  });
  if (!name) return std::unexpected(name.error());
  temporary_ = std::move(*name);
  return {};
}

SystemResult<void> NewFile::publish() {
  if (!temporary_.empty()) {
    if (::renameat2(parent_, temporary_.c_str(), parent_, name_.c_str(), RENAME_NOREPLACE) == 0) {
      temporary_.clear();
      return {};
    }
    if (errno != EINVAL && errno != ENOSYS) return last_error();
    return make_hard_link({parent_, temporary_, {}}, {parent_, name_, {}}, Follow::kNo);
  }
  // By descriptor alone it needs a privilege; through /proc it does not.
  if (::linkat(fd_.get(), "", parent_, name_.c_str(), AT_EMPTY_PATH) == 0) return {};
  if (errno != ENOENT && errno != EPERM) return last_error();
  const std::string path = fmt::format("/proc/self/fd/{}", fd_.get());
  return make_hard_link({AT_FDCWD, path, {}}, {parent_, name_, {}}, Follow::kYes);
}

SystemResult<void> NewFile::sync_name() { return sync_directory({parent_, ".", {}}); }

SystemResult<void> replace_place(const Place& place,
                                 const std::function<SystemResult<void>(const Place&)>& make) {
  const std::string parent = place.name.substr(0, place.name.rfind('/') + 1);
  Place temporary = place;
  const auto made = make_at_random_name([&](const std::string& random) {
    temporary.name = parent + random;
    return make(temporary);
  });
  if (!made) return std::unexpected(made.error());
  auto renamed = rename_place(temporary, place);
  // Two names of one file stay both when one is renamed to the other.
  if (const auto left = remove_place(temporary); !left && left.error().number != ENOENT && renamed)
    return left;
  return renamed;
}

}  // namespace cowfs
