// --parents: the directories of a source's path are made in the destination too, with their
// attributes.
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>

#include "tools/cowcp/copier_item.h"
#include "tools/cowcp/quote.h"

namespace cowfs {

/// One directory on the way.
struct Copier::MadeParent {
  Place source;
  Place target;
  struct stat status{};
  bool is_new = false;
  std::optional<mode_t> restore;  // permissions that it gets when all below it is done
  std::shared_ptr<UniqueFd> fd;   // the target
};

/// Something is to be written into a directory that was just made, whatever its mode. `held_back`:
/// permissions that it was made without.
bool Copier::make_accessible(MadeParent& parent, mode_t held_back) {
  const auto made = stat_place(parent.target, Follow::kNo);
  if (!made)
    return fail(fmt::format("failed to get attributes of {}", quote(parent.target.shown)),
                made.error().number);
  const mode_t mode = made->st_mode & kPermissionBits;
  const bool closed = (mode & S_IRWXU) != S_IRWXU;
  if (!options_.preserve.mode) {
    const mode_t given_back = mode | (held_back & ~current_umask());
    if (closed || given_back != mode) parent.restore = given_back;
  }
  if (!closed ||
      ::fchmodat(parent.target.directory, parent.target.name.c_str(), mode | S_IRWXU, 0) == 0) {
    return true;
  }
  return fail(fmt::format("setting permissions for {}", quote(parent.target.shown)), errno);
}

bool Copier::make_parent(MadeParent& parent) {
  const auto status = stat_place(parent.source, Follow::kYes);
  if (!status)
    return fail(fmt::format("failed to get attributes of {}", quote(parent.source.shown)),
                status.error().number);
  parent.status = *status;
  const mode_t held_back = status->st_mode & (options_.preserve.ownership ? 077U
                                              : options_.preserve.mode    ? 022U
                                                                          : 0U);
  const mode_t wanted = options_.preserve.no_mode ? 0777U : status->st_mode & kPermissionBits;
  if (::mkdirat(parent.target.directory, parent.target.name.c_str(), wanted & ~held_back) == 0) {
    parent.is_new = true;
    if (options_.names_each())
      report_.line(fmt::format("{} -> {}", parent.source.shown, parent.target.shown));
    if (!make_accessible(parent, held_back)) return false;
  } else if (errno != EEXIST) {
    return fail(fmt::format("cannot make directory {}", quote(parent.target.shown)), errno);
  }
  auto fd = open_place(parent.target, O_PATH | O_DIRECTORY | (parent.is_new ? O_NOFOLLOW : 0));
  if (!fd && fd.error().number == ENOTDIR) {
    return fail(fmt::format("{} exists but is not a directory", quote(parent.target.shown)));
  }
  if (!fd)
    return fail(fmt::format("cannot access {}", quote(parent.target.shown)), fd.error().number);
  parent.fd = std::make_shared<UniqueFd>(std::move(*fd));
  return true;
}

bool Copier::copy_with_parents(const std::string& operand) {
  const std::string source = without_trailing_slashes(operand);
  std::vector<MadeParent> made;
  std::shared_ptr<UniqueFd> directory = target_directory_;
  std::string shown = target_.shown;
  std::size_t begin = 0;
  for (std::size_t slash = source.find('/'); slash != source.npos;
       slash = source.find('/', begin)) {
    const std::string name = source.substr(begin, slash - begin);
    begin = slash + 1;
    if (name.empty() || name == ".") continue;
    const std::string path = source.substr(0, slash);
    MadeParent parent{.source = {AT_FDCWD, path, path},
                      .target = {directory->get(), name, join_path(shown, name)},
                      .restore = std::nullopt,
                      .fd = nullptr};
    if (!make_parent(parent)) return false;
    directory = parent.fd;
    shown = parent.target.shown;
    made.push_back(std::move(parent));
  }
  const std::string last = source.substr(begin);
  operand_target_ = join_path(shown, last);
  const Entry entry{.source = {AT_FDCWD, operand, operand},
                    .target = {directory->get(), last.empty() ? "." : last, operand_target_},
                    .parent = nullptr,
                    .command_line = true,
                    .target_directory = directory};
  bool all = copy_entry(entry) && walk();
  pool_.drain();
  for (auto parent = made.rbegin(); parent != made.rend(); ++parent) {
    const UniqueFd fd(::openat(parent->fd->get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    const AttributeCopy what{.source = parent->source,
                             .target = parent->target,
                             .target_fd = fd.get(),
                             .status = parent->status,
                             .is_new = parent->is_new};
    if (parent->is_new || options_.preserve.mode || options_.preserve.timestamps ||
        options_.preserve.ownership) {
      all = attributes_.copy(what, 0) && all;
    }
    if (parent->restore && ::fchmod(fd.get(), *parent->restore) != 0) {
      all = fail(fmt::format("failed to preserve permissions for {}", quote(parent->target.shown)),
                 errno);
    }
    if (options_.sync && (!fd || ::fsync(fd.get()) != 0)) {
      all = fail(fmt::format("failed to sync {}", quote(parent->target.shown)), errno);
    }
  }
  return all;
}

}  // namespace cowfs
